// Package pki makes the keys, certificates and kubeconfigs of the cluster and keeps what is there already.
package pki

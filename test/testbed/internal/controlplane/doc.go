// Package controlplane describes the programs that run on the host: etcd, the API server, the controllers,
// cluster DNS and the volume provisioner.
package controlplane

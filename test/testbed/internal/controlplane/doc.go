// Package controlplane describes the programs that run on the host: etcd, the API server, the controllers,
// cluster DNS, the volume provisioner, and the add-ons that not every cluster has.
package controlplane

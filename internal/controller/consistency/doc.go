// Package consistency compares the data of each cluster's voters, by hashes that etcd makes of them, and writes the outcome into
// EtcdCluster.status.consistency. What follows from it is decided elsewhere.
package consistency

// Package etcd talks to etcd members.
//
// port.go says what the operator asks of a member, errors.go what may come back. Adapter speaks to real members, package
// etcdfake is a cluster in memory that refuses what etcd refuses, and package etcdtest holds both to the same contract.
package etcd

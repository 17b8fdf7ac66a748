// Package plan decides the next step for an etcd cluster.
//
// It is pure: no clock, no I/O, no Kubernetes, no etcd client. What was seen goes in as a Cluster, what to do comes out as a
// Decision. The rules stand in next.go in the order in which they apply; whether a voter may be removed, or a member added or
// promoted, is answered in admissibility.go and nowhere else. Unknown counts as unhealthy, never as fine.
package plan

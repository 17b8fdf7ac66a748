// Package quorum counts majorities. It knows nothing of Kubernetes or of etcd's API.
package quorum

// Size is the number of voters that must agree in a cluster of n voters.
func Size(n int) int { return n/2 + 1 }

// Tolerance is the number of voters that a cluster of n voters can lose and still agree; 0 for n below 1.
func Tolerance(n int) int { return max(n-Size(n), 0) }

// Package guard shows on real etcd processes what the launcher is for: without it a member that lost its disk forgets its vote,
// and acknowledged writes with it. "make test-contract" runs it.
package guard

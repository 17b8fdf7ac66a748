// Package simulation runs the whole loop, both controllers, against an API server and an etcd that live in memory: first to rest
// without a fault, then again with a crash, a conflict or a lost answer at the n-th write, for every n. The order in which
// controllers, kubelets and clients get their turn is drawn from a seed, and so is how far the cache lags behind.
package simulation

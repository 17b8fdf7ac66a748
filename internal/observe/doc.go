// Package observe looks at a cluster: it reads its objects from Kubernetes, asks every member of it, and joins both into
// the plan.Cluster that decisions are made from. It writes nothing and decides nothing. The operator and kubectl-etcd
// use it alike, so that "what would be done now, and why" has one answer.
package observe

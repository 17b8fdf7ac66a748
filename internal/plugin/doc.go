// Package plugin is kubectl-etcd: what a person asks about a cluster, and the answer on one screen.
//
// look.go looks at a cluster with the operator's eyes (internal/observe, internal/plan) and through the API server's port
// forwarding (portforward.go). status.go and explain.go turn what was seen into plain models, which are also the documented
// JSON. Everything that ends in _text.go renders such a model and is pure. What is to be done to a cluster is asked of the
// operator, by a field or an annotation; nothing is changed behind its back.
package plugin

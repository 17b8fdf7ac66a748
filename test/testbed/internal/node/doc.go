// Package node is one Kubernetes node: a process tree with its own network, mount, PID and UTS namespaces, whose
// PID 1 is the launcher itself. Killing that PID 1 ends everything in the node at once, as a power loss does.
package node

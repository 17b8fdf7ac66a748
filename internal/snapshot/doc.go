// Package snapshot is the agent that saves, deletes, fetches and tries out snapshots of etcd. It runs in a Pod, is told what to do by a
// task.Task, and answers by a task.Report; it knows nothing of Kubernetes.
//
// A snapshot counts as saved only after what the store gives back has been compared with what was sent, and opened.
package snapshot

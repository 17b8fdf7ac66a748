// Package snapshot takes the snapshots that EtcdSnapshots ask for, deletes what they stored, and tries it out in restore drills. It decides
// with plan.NextSnapshot. The work is done by agents in Jobs, one for each try, which know nothing of Kubernetes: they are told what to do
// by a task (package task) and answer by their termination message.
//
// A second controller keeps status.lastSnapshot of the clusters.
package snapshot

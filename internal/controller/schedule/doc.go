// Package schedule takes snapshots of a cluster when they are due, by making EtcdSnapshots, deletes those that its schedule does not
// keep, and asks for restore drills. What a snapshot is made of is the concern of the snapshot controller; the two meet in EtcdSnapshot.
// When, and which ones, is decided in internal/plan.
package schedule

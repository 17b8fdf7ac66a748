// Package launcher decides whether a member of an etcd cluster may start on the volume that it was given, and starts it.
//
// etcd takes an empty directory for a new member and a foreign one for its own; either may lose acknowledged writes. So a
// marker beside the data says whose they are, and etcd starts only where marker and data are as the operator said. It uses the
// standard library only: it is PID 1 of every member until it becomes etcd, and must start at once.
package launcher

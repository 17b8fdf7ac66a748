// Package cgroup makes and removes the cgroup of each node, on a machine with one unified hierarchy (v2) or
// with one hierarchy per controller (v1).
package cgroup

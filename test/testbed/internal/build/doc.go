// Package build compiles the pinned programs of the testbed with child processes of the go command, skips
// what has not changed since, and reports how far it is.
package build

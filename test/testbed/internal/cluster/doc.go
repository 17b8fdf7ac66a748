// Package cluster brings the whole testbed up and down, tells how it is, and makes faults.
package cluster

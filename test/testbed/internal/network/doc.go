// Package network makes the testbed's network: one host bridge that forwards nothing outwards, and per node a
// veth pair into the node's own network namespace. No traffic leaves the machine.
package network

// Package manager is the operator's process: flags, the controllers, leader election, probes and metrics put together.
package manager

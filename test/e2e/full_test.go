//go:build e2e && full

package e2e

// full says that this run takes the time for everything.
const full = true

//go:build !exhaustive

package certificate

// crashOneIn is how many writes there are to one at which the operator crashes.
const crashOneIn = 9

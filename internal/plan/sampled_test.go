//go:build !exhaustive

package plan

// disturbOneIn is how many clusters there are to one that is disturbed by a death. With the tag exhaustive all are.
const disturbOneIn = 8

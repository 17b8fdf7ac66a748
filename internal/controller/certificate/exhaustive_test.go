//go:build exhaustive

package certificate

const crashOneIn = 1

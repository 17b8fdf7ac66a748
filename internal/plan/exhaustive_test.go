//go:build exhaustive

package plan

const disturbOneIn = 1

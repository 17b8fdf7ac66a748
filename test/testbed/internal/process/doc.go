// Package process starts programs that outlive the launcher and stops exactly those again: a pid file
// holds the start time too, so that a pid that the kernel gave to another program is never signalled.
package process

// Package command is the launcher's command line.
package command

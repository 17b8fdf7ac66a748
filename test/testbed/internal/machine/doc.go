// Package machine is what the testbed shares with everything else on the machine: Debian packages, sysctls,
// and the record of which clone's testbed runs here, of which there can be only one.
package machine

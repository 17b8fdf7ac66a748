// Command testbed builds and runs a real Kubernetes cluster on one Linux machine.
package main

import (
	"os"

	"github.com/cozystack/etcd-operator/test/testbed/internal/command"
)

func main() { os.Exit(command.Main(os.Args)) }

// Command etcd-operator runs etcd clusters on Kubernetes.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cozystack/etcd-operator/internal/manager"
	"github.com/cozystack/etcd-operator/internal/snapshot"
)

func main() {
	run := manager.Command(os.Getenv)
	root := &cobra.Command{
		Use:           "etcd-operator",
		Short:         "Runs etcd clusters on Kubernetes",
		Args:          cobra.NoArgs,
		RunE:          run.RunE, // without a subcommand it is the manager
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.Flags().AddFlagSet(run.Flags())
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(run, snapshot.Command(os.Getenv))
	if err := root.ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, "etcd-operator:", err)
		os.Exit(1)
	}
}

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cluster"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/progress"
)

const long = `testbed builds and runs a real Kubernetes cluster on this one Linux machine, as root, from pinned Go modules
and Debian packages: a control plane, cluster DNS and a volume provisioner on the host, and nodes with a
kubelet, kube-proxy and containerd in namespaces of their own. No container engine is needed, and nothing is
pulled from a registry of images. Everything it makes lies in .testbed of the repository.

  testbed up            build what is missing and start everything
  export KUBECONFIG=.testbed/kubeconfig
  .testbed/bin/kubectl get nodes
  testbed down --wipe   stop everything and forget the state`

// errNotUp makes status end with an error code but without a message.
var errNotUp = errors.New("find everything up")

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNotUp):
		return 1
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "testbed: interrupted")
		return 130
	}
	fmt.Fprintln(os.Stderr, "testbed:", err)
	return 1
}

// options are the flags of all commands.
type options struct{ dir string }

func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use: "testbed", Short: "Run a real Kubernetes cluster on this one machine", Long: long,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&o.dir, "dir", "",
		"folder of everything the testbed makes (default: $"+layout.EnvDir+", else "+layout.DirName+" of the repository)")
	root.AddCommand(newUp(o), newDown(o), newStatus(o), newBuild(o), newImage(), newLoadImage(o),
		newKillNode(o), newRestoreNode(o), newPartition(o), newHeal(o), newStop(o), newStart(o), newNodeExec(o), newLogs(o), newNodeInit())
	return root
}

// cluster returns the testbed that the flags name.
func (o *options) cluster() (*cluster.Cluster, error) {
	l, err := layout.Find(o.dir)
	if err != nil {
		return nil, err
	}
	return cluster.New(l, progress.New(os.Stderr)), nil
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("make namespaces and bridges: this command needs root")
	}
	return nil
}

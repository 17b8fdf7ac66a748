package command

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cluster"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
)

// onNode makes a command that does something to one node.
func (o *options) onNode(use, short string, do func(context.Context, *cluster.Cluster, string) error) *cobra.Command {
	return o.onOne(use+" NODE", short, do)
}

// onOne makes a command that does something to what its argument names.
func (o *options) onOne(use, short string, do func(context.Context, *cluster.Cluster, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			return do(cmd.Context(), c, args[0])
		},
	}
}

func newKillNode(o *options) *cobra.Command {
	return o.onNode("kill-node", "End a node at once, as a power loss does",
		func(ctx context.Context, c *cluster.Cluster, name string) error { return c.KillNode(ctx, name) })
}

func newRestoreNode(o *options) *cobra.Command {
	return o.onNode("restore-node", "Start a killed node again with its state",
		func(ctx context.Context, c *cluster.Cluster, name string) error { return c.RestoreNode(ctx, name) })
}

func newPartition(o *options) *cobra.Command {
	var fromHost bool
	cmd := o.onNode("partition", "Cut a node off from the network; its Pods keep running",
		func(ctx context.Context, c *cluster.Cluster, name string) error {
			return c.Partition(ctx, name, fromHost)
		})
	cmd.Flags().BoolVar(&fromHost, "from-host", false, "cut it off only from the host with its control plane and DNS, not from other nodes")
	return cmd
}

func newHeal(o *options) *cobra.Command {
	return o.onNode("heal", "Connect a cut-off node again",
		func(ctx context.Context, c *cluster.Cluster, name string) error { return c.Heal(ctx, name) })
}

func newStop(o *options) *cobra.Command {
	var wipe bool
	cmd := o.onOne("stop COMPONENT", "Kill a program of the control plane, such as kube-apiserver, or an add-on",
		func(ctx context.Context, c *cluster.Cluster, name string) error {
			return c.StopComponent(ctx, name, wipe)
		})
	cmd.Flags().BoolVar(&wipe, "wipe", false,
		"also remove what the add-on has brought: cert-manager's CRDs with all their objects, the buckets of s3")
	return cmd
}

func newStart(o *options) *cobra.Command {
	return o.onOne("start COMPONENT", "Start a stopped program of the control plane again with its state, or an add-on",
		func(ctx context.Context, c *cluster.Cluster, name string) error { return c.StartComponent(ctx, name) })
}

func newNodeExec(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use: "node-exec NODE -- COMMAND...", Short: "Run a command inside a node", Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			id, err := c.Running(args[0])
			if err != nil {
				return err
			}
			command := args[1:]
			if command[0] == "--" { // not taken for a flag, as flags end with the node's name
				command = command[1:]
			}
			return node.Exec(id, command)
		},
	}
	// The flags after the node's name are the command's.
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newNodeInit() *cobra.Command {
	return &cobra.Command{
		Use: node.InitCommand + " FILE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			n, err := node.Load(args[0])
			if err != nil {
				return err
			}
			return n.Init()
		},
	}
}

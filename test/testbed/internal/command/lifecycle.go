package command

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cozystack/etcd-operator/test/testbed/internal/build"
	"github.com/cozystack/etcd-operator/test/testbed/internal/cluster"
	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

const upMessage = `testbed is up after %.1f s (Kubernetes %s). Use it with
  export KUBECONFIG=%s PATH=%s:$PATH
  kubectl get nodes
`

func newUp(o *options) *cobra.Command {
	var want cluster.UpOptions
	cmd := &cobra.Command{
		Use: "up", Short: "Build what is missing and start everything",
		Long: "up builds what is missing, installs missing Debian packages, and starts everything that does not run.\n" +
			"When all is up it does nothing. Killed nodes are started again and cut-off nodes connected again.\n" +
			"A testbed of another clone on this machine is stopped first: there can be only one.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			if want.Nodes < 0 || want.Nodes > network.MaxNodes {
				return fmt.Errorf("make %d nodes: want 1 to %d", want.Nodes, network.MaxNodes)
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			if err := c.Up(cmd.Context(), want); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), upMessage,
				c.Out.Elapsed().Seconds(), build.KubeVersion, c.Layout.Kubeconfig(), c.Layout.Bin())
			return err
		},
	}
	cmd.Flags().IntVar(&want.Nodes, "nodes", 0, fmt.Sprintf("number of nodes (default: as last time, else %d)", cluster.DefaultNodes))
	cmd.Flags().StringSliceVar(&want.Etcd, "etcd", []string{build.DefaultEtcd},
		"etcd versions to have images of, as localhost/etcd:vVERSION; known: "+strings.Join(build.EtcdVersions(), ", "))
	cmd.Flags().StringSliceVar(&want.With, "with", nil,
		"add-ons to have from now on: "+strings.Join(controlplane.AddOns(), ", ")+"; stop ends one, down --wipe forgets them")
	return cmd
}

func newDown(o *options) *cobra.Command {
	var wipe bool
	cmd := &cobra.Command{
		Use: "down", Short: "Stop everything and clean the machine",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot(); err != nil {
				return err
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			return c.Down(cmd.Context(), wipe)
		},
	}
	cmd.Flags().BoolVar(&wipe, "wipe", false, "also remove the cluster's state, volumes and buckets; programs and images stay")
	return cmd
}

func newStatus(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "status", Short: "Show every part; the exit code is 0 only if all is up",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("print as %q: known is json", output)
			}
			c, err := o.cluster()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				err = e.Encode(s)
			} else {
				err = s.Write(cmd.OutOrStdout())
			}
			if err == nil && !s.Up {
				err = errNotUp
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json for programs")
	return cmd
}

func newBuild(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "build [" + strings.Join(build.Names(), "|") + "|all]...", Short: "Build without starting anything",
		Long: "build compiles the named programs, each only if its inputs have changed, and makes their images.\n" +
			"Without a name it builds what `up` needs; all is everything but the add-ons (" +
			strings.Join(controlplane.AddOns(), ", ") + "), which may be named beside it.",
		RunE: func(cmd *cobra.Command, names []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = []string{"kube", "pause", "etcd-" + build.DefaultEtcd}
			}
			if i := slices.Index(names, "all"); i >= 0 {
				names = slices.Replace(names, i, i+1, build.Basic()...)
			}
			return c.Build(cmd.Context(), names)
		},
	}
}

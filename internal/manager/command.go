package manager

import (
	"fmt"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// Command is "etcd-operator manager".
func Command(getenv func(string) string) *cobra.Command {
	var o Options
	cmd := &cobra.Command{
		Use:   "manager",
		Short: "Run the controllers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return err
			}
			ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.Log)))
			cfg, err := config.GetConfig()
			if err != nil {
				return fmt.Errorf("find the Kubernetes cluster: %w", err)
			}
			return Run(cmd.Context(), cfg, o)
		},
	}
	o.AddFlags(cmd.Flags(), getenv)
	return cmd
}

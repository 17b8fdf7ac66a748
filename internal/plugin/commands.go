package plugin

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func statusCommand(s *shared) *cobra.Command {
	var v view
	cmd := &cobra.Command{
		Use:   "status [CLUSTER]",
		Short: "Show how a cluster is, on one screen; without a name, a line for each cluster",
		Long: `Show how a cluster is, on one screen: its members as they answer now, and what the operator does with it and why.
Without a name, show a line for each cluster, from the status that the operator wrote.

LAG is how many entries of the leader's log a member has not applied yet. "From here" appears when the operator's own rules
say something else to what the plugin sees than what the operator said last; "kubectl etcd explain" tells more.

` + exitCodes,
		Example: `  kubectl etcd status demo
  kubectl etcd status demo -w
  kubectl etcd status -A
  kubectl etcd status demo -o json | jq .health`,
		Annotations:       takes(looks + "; without a name, or for completion, `list` on `etcdclusters`"),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := s.statusPicture(args, v.all)
			if err != nil {
				return err
			}
			return s.present(cmd.Context(), p, v)
		},
	}
	v.addFlags(cmd, "clusters")
	return cmd
}

func explainCommand(s *shared) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "explain CLUSTER",
		Short: "Explain what the operator does with a cluster, why, and what it refuses to do",
		Long: `Explain what the operator does with a cluster, why, and what it refuses to do.

The operator's own rules are run here on what the plugin sees, so this also tells what the operator would do if it is not
running, and says when its answer is not the one that the operator gave last.`,
		Example:           `  kubectl etcd explain demo`,
		Annotations:       takes(looks),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := s.key(args[0])
			if err != nil {
				return err
			}
			l, err := s.looker()
			if err != nil {
				return err
			}
			o, err := l.look(cmd.Context(), key)
			if err != nil {
				return err
			}
			e := explain(o)
			return s.print(screen{text: func(p page) string { return explanationText(e, p) }, object: e}, output)
		},
	}
	outputFlag(cmd, &output, "text", "json", "yaml")
	return cmd
}

func (s *shared) statusPicture(args []string, all bool) (picture, error) {
	l, err := s.looker()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		namespace, err := s.namespace()
		if err != nil {
			return nil, err
		}
		return s.listPicture(l, namespace, all), nil
	}
	if all {
		return nil, errors.New("--all-namespaces lists clusters: leave out the name, or use -n")
	}
	key, err := s.key(args[0])
	return s.clusterPicture(l, key), err
}

func (s *shared) clusterPicture(l *looker, key types.NamespacedName) picture {
	return func(ctx context.Context) (screen, error) {
		o, err := l.look(ctx, key)
		if err != nil {
			return screen{}, err
		}
		status := statusOf(o)
		return screen{text: func(p page) string { return statusText(status, p) }, object: status, health: status.Health}, nil
	}
}

func (s *shared) listPicture(l *looker, namespace string, all bool) picture {
	if all {
		namespace = ""
	}
	return func(ctx context.Context) (screen, error) {
		found, err := clusters(ctx, l.reader, namespace)
		if err != nil {
			return screen{}, err
		}
		list := ClusterStatusList{
			TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "ClusterStatusList"},
			Items:    make([]ClusterStatus, len(found)),
		}
		worst := Healthy
		for i := range found {
			list.Items[i] = recorded(&found[i], s.Clock.Now())
			if h := list.Items[i].Health; h.ExitCode() > worst.ExitCode() {
				worst = h
			}
		}
		text := func(p page) string { return listText(list, p, all) }
		if len(found) == 0 {
			text = func(page) string { return noClusters(namespace) }
		}
		return screen{text: text, object: list, health: worst}, nil
	}
}

func noClusters(namespace string) string {
	if namespace == "" {
		return "There is no EtcdCluster.\n"
	}
	return fmt.Sprintf("There is no EtcdCluster in namespace %q; -A lists all namespaces.\n", namespace)
}

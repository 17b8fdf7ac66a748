package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func snapshotCommand(s *shared) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "snapshot",
		Aliases: []string{"snapshots", "snap"},
		Short:   "Take, list, try out and delete snapshots, or save one to this machine",
		Long: `Take, list, try out and delete snapshots, or save one to this machine.

An EtcdSnapshot is taken by the operator, into an S3 store or onto a PersistentVolumeClaim, and is Complete only once what was
stored has been read back and verified. "save" needs neither operator nor store: it streams from a member to a file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(createCommand(s), listCommand(s), describeCommand(s), verifyCommand(s), deleteCommand(s), saveCommand(s))
	return cmd
}

func listCommand(s *shared) *cobra.Command {
	var v view
	cmd := &cobra.Command{
		Use:     "list [CLUSTER]",
		Aliases: []string{"ls"},
		Short:   "List snapshots, the newest first, and the schedules that make them",
		Example: `  kubectl etcd snapshot list demo
  kubectl etcd snapshot list -A
  kubectl etcd snapshot list demo -o json | jq '.items[0].uri'`,
		Annotations:       takes("`list` on `etcdsnapshots` and `etcdsnapshotschedules`"),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.all && len(args) > 0 {
				return errors.New("--all-namespaces lists those of all clusters: leave out the name, or use -n")
			}
			p, err := s.snapshotsPicture(args, v.all)
			if err != nil {
				return err
			}
			return s.present(cmd.Context(), p, v)
		},
	}
	v.addFlags(cmd, "snapshots")
	return cmd
}

func (s *shared) snapshotsPicture(args []string, all bool) (picture, error) {
	kube, _, _, err := s.open()
	if err != nil {
		return nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, err
	}
	cluster := ""
	if len(args) > 0 {
		if cluster, err = clusterName(args[0]); err != nil {
			return nil, err
		}
	}
	if all {
		namespace = ""
	}
	return func(ctx context.Context) (screen, error) {
		list, err := listSnapshots(ctx, kube, namespace, cluster)
		if err != nil {
			return screen{}, err
		}
		text := func(p page) string {
			if len(list.Items)+len(list.Schedules) == 0 {
				return noSnapshots(namespace, cluster)
			}
			return snapshotListText(list, p, s.Clock.Now(), all)
		}
		return screen{text: text, object: list, health: Healthy}, nil
	}, nil
}

func noSnapshots(namespace, cluster string) string {
	switch {
	case cluster != "":
		return fmt.Sprintf("There is no snapshot of %[1]s in namespace %[2]q: kubectl etcd snapshot create %[1]s takes one.\n",
			cluster, namespace)
	case namespace != "":
		return fmt.Sprintf("There is no EtcdSnapshot in namespace %q; -A lists all namespaces.\n", namespace)
	}
	return "There is no EtcdSnapshot.\n"
}

// listSnapshots lists those of a cluster, or all if it has no name.
func listSnapshots(ctx context.Context, from client.Reader, namespace, cluster string) (SnapshotList, error) {
	list := SnapshotList{TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "SnapshotList"}, Items: []Snapshot{}, Schedules: []Schedule{}}
	var snapshots v1alpha2.EtcdSnapshotList
	if err := from.List(ctx, &snapshots, client.InNamespace(namespace)); err != nil {
		return list, fmt.Errorf("list EtcdSnapshots: %w", err)
	}
	for i := range snapshots.Items {
		if o := &snapshots.Items[i]; cluster == "" || o.Spec.ClusterRef.Name == cluster {
			list.Items = append(list.Items, snapshotOf(o))
			list.Items[len(list.Items)-1].TypeMeta = metav1.TypeMeta{}
		}
	}
	sortSnapshots(list.Items)
	schedules, err := schedulesOf(ctx, from, namespace, cluster)
	if err != nil {
		return list, err
	}
	for i := range schedules {
		list.Schedules = append(list.Schedules, scheduleOf(&schedules[i]))
	}
	return list, nil
}

// schedulesOf are those of a cluster, or all if it has no name, in the order of their names.
func schedulesOf(ctx context.Context, from client.Reader, namespace, cluster string) ([]v1alpha2.EtcdSnapshotSchedule, error) {
	var schedules v1alpha2.EtcdSnapshotScheduleList
	if err := from.List(ctx, &schedules, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list EtcdSnapshotSchedules: %w", err)
	}
	all := slices.DeleteFunc(schedules.Items, func(o v1alpha2.EtcdSnapshotSchedule) bool {
		return cluster != "" && o.Spec.ClusterRef.Name != cluster
	})
	slices.SortFunc(all, func(a, b v1alpha2.EtcdSnapshotSchedule) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

func describeCommand(s *shared) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:               "describe NAME",
		Short:             "Show one snapshot: where it is, what it contains, and whether it was tried out",
		Example:           `  kubectl etcd snapshot describe nightly-20261121-020000`,
		Annotations:       takes("`get` on `etcdsnapshots`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeSnapshot,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, o, err := s.snapshot(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			described := snapshotOf(o)
			text := func(p page) string { return snapshotText(described, p, s.Clock.Now()) }
			return s.print(screen{text: text, object: described}, output)
		},
	}
	outputFlag(cmd, &output, "text", "json", "yaml")
	return cmd
}

// snapshot gets the EtcdSnapshot that an argument names, and the client that it was read with.
func (s *shared) snapshot(ctx context.Context, name string) (client.Client, *v1alpha2.EtcdSnapshot, error) {
	kube, _, _, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, nil, err
	}
	o, err := getSnapshot(ctx, kube, types.NamespacedName{Namespace: namespace, Name: name})
	return kube, o, err
}

func getSnapshot(ctx context.Context, from client.Reader, key types.NamespacedName) (*v1alpha2.EtcdSnapshot, error) {
	o := &v1alpha2.EtcdSnapshot{}
	err := from.Get(ctx, key, o)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("no EtcdSnapshot %q in namespace %q: kubectl etcd snapshot list shows what there is", key.Name, key.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("get EtcdSnapshot: %w", err)
	}
	return o, nil
}

// completeSnapshot offers the snapshots of the namespace as the one argument.
func (s *shared) completeSnapshot(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	kube, _, _, err := s.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	namespace, err := s.namespace()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := listSnapshots(cmd.Context(), kube, namespace, "")
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]string, len(list.Items))
	for i := range list.Items {
		names[i] = list.Items[i].Name
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// creation is what "snapshot create" is asked for.
type creation struct {
	*shared
	place
	kube     client.Client
	cluster  types.NamespacedName
	name     string
	to, like string
	compress bool
	wait     bool
	patience time.Duration
	output   string
}

func createCommand(s *shared) *cobra.Command {
	c := &creation{shared: s}
	cmd := &cobra.Command{
		Use:     "create CLUSTER",
		Aliases: []string{"take"},
		Short:   "Have the operator take a snapshot of a cluster",
		Long: `Have the operator take a snapshot of a cluster.

Without --to it is stored where the cluster's schedule stores its snapshots, or else where the last snapshot of the cluster was
stored. With --wait the command ends once what was stored has been read back and verified; it ends with 1 if that failed.`,
		Example: `  kubectl etcd snapshot create demo --wait
  kubectl etcd snapshot create demo --to s3://backup/demo --endpoint https://s3.example.com:9000 --credentials s3 --ca s3-ca
  kubectl etcd snapshot create demo --to pvc://backup/demo --name before-upgrade`,
		Annotations: takes("`get` on `etcdclusters`, `create` on `etcdsnapshots`; without `--to` also `list` on `etcdsnapshots` and " +
			"`etcdsnapshotschedules`, with `--wait` also `get` on `etcdsnapshots`"),
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeCluster,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if c.cluster, err = s.key(args[0]); err != nil {
				return err
			}
			if c.kube, _, _, err = s.open(); err != nil {
				return err
			}
			return c.run(cmd.Context())
		},
	}
	c.addFlags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.name, "name", "", "Name of the EtcdSnapshot (default CLUSTER-<date>-<time>)")
	flags.StringVar(&c.to, "to", "", "Where to: s3://bucket/prefix or pvc://claim/directory")
	flags.StringVar(&c.like, "like", "", "Store it as this EtcdSnapshotSchedule does")
	flags.BoolVar(&c.compress, "compress", false, "Compress what is stored (zstd)")
	flags.BoolVar(&c.wait, "wait", false, "Wait until it is complete, or has failed")
	flags.DurationVar(&c.patience, "timeout", time.Hour, "How long to wait with --wait")
	outputFlag(cmd, &c.output, "text", "json", "yaml")
	cmd.MarkFlagsMutuallyExclusive("to", "like")
	return cmd
}

func (c *creation) run(ctx context.Context) error {
	if err := c.kube.Get(ctx, c.cluster, &v1alpha2.EtcdCluster{}); err != nil {
		if apierrors.IsNotFound(err) {
			return noSuchCluster(ctx, c.kube, c.cluster)
		}
		return fmt.Errorf("get EtcdCluster: %w", err)
	}
	spec, err := c.spec(ctx)
	if err != nil {
		return err
	}
	o := &v1alpha2.EtcdSnapshot{ObjectMeta: metav1.ObjectMeta{Namespace: c.cluster.Namespace, Name: c.name}, Spec: spec}
	if o.Name == "" {
		o.Name = c.cluster.Name + "-" + c.Clock.Now().UTC().Format("20060102-150405")
	}
	if c.compress {
		o.Spec.Compression = v1alpha2.CompressionZstd
	}
	if err := c.kube.Create(ctx, o); err != nil {
		return fmt.Errorf("create EtcdSnapshot %s: %w", o.Name, err)
	}
	if c.wait {
		if o, err = c.awaitEnd(ctx, client.ObjectKeyFromObject(o)); err != nil {
			return err
		}
	}
	made := snapshotOf(o)
	return c.print(screen{text: func(page) string { return createdText(made) }, object: made}, c.output)
}

func createdText(s Snapshot) string {
	if s.Artifact == nil {
		return fmt.Sprintf("%[1]s is asked for, and will be stored at %[2]s.\nkubectl etcd snapshot describe %[1]s shows how far it is.\n",
			s.Name, s.URI)
	}
	took := ""
	if s.Artifact.Duration != nil {
		took = " in " + lasted(s.Artifact.Duration.Duration)
	}
	return fmt.Sprintf("%s is complete: %s at revision %s%s, read back and verified, at %s\n", s.Name, binarySize(s.Artifact.SizeBytes),
		grouped(s.Artifact.Revision), took, s.URI)
}

// spec says where to, as asked for or as it was done before.
func (c *creation) spec(ctx context.Context) (spec v1alpha2.EtcdSnapshotSpec, err error) {
	spec.ClusterRef.Name = c.cluster.Name
	if c.to != "" {
		spec.Destination, err = c.parse(c.to)
		return spec, err
	}
	schedules, err := schedulesOf(ctx, c.kube, c.cluster.Namespace, "")
	if err != nil {
		return spec, err
	}
	var found []v1alpha2.EtcdSnapshotSchedule
	for i := range schedules {
		if o := &schedules[i]; c.like == o.Name || c.like == "" && o.Spec.ClusterRef.Name == c.cluster.Name {
			found = append(found, *o)
		}
	}
	switch {
	case len(found) > 1:
		return spec, fmt.Errorf("%s has several schedules: say --like %s, or --to", c.cluster.Name, namesOf(found, " or --like "))
	case len(found) == 1:
		from := &found[0].Spec
		spec.Destination, spec.Compression, spec.ActiveDeadlineSeconds = from.Destination, from.Compression, from.ActiveDeadlineSeconds
		return spec, nil
	case c.like != "":
		return spec, fmt.Errorf("no EtcdSnapshotSchedule %q in namespace %q", c.like, c.cluster.Namespace)
	}
	return spec, c.likeTheLast(ctx, &spec)
}

func namesOf(schedules []v1alpha2.EtcdSnapshotSchedule, between string) string {
	all := make([]string, len(schedules))
	for i := range schedules {
		all[i] = schedules[i].Name
	}
	return strings.Join(all, between)
}

func (c *creation) likeTheLast(ctx context.Context, spec *v1alpha2.EtcdSnapshotSpec) error {
	var all v1alpha2.EtcdSnapshotList
	if err := c.kube.List(ctx, &all, client.InNamespace(c.cluster.Namespace)); err != nil {
		return fmt.Errorf("list EtcdSnapshots: %w", err)
	}
	var last *v1alpha2.EtcdSnapshot
	for i := range all.Items {
		o := &all.Items[i]
		if o.Spec.ClusterRef.Name == c.cluster.Name && (last == nil || o.CreationTimestamp.After(last.CreationTimestamp.Time)) {
			last = o
		}
	}
	if last == nil {
		return errors.New("say where to, by --to s3://bucket/prefix or --to pvc://claim/directory: " + c.cluster.Name +
			" has no schedule, and no snapshot yet")
	}
	from := &last.Spec
	spec.Destination, spec.Compression, spec.ActiveDeadlineSeconds = from.Destination, from.Compression, from.ActiveDeadlineSeconds
	return nil
}

// poll is how often an object is looked at that is waited for.
const poll = 500 * time.Millisecond

// awaitEnd waits until a snapshot is complete.
func (c *creation) awaitEnd(ctx context.Context, key types.NamespacedName) (*v1alpha2.EtcdSnapshot, error) {
	line := c.progressLine()
	defer line.end()
	var o *v1alpha2.EtcdSnapshot
	err := c.await(ctx, c.patience, func() (done bool, err error) {
		if o, err = getSnapshot(ctx, c.kube, key); err != nil {
			return false, err
		}
		s := snapshotOf(o)
		switch o.Status.Phase {
		case v1alpha2.SnapshotComplete:
			return true, nil
		case v1alpha2.SnapshotFailed:
			return false, fmt.Errorf("%s has failed: %s", key.Name, s.sentence())
		default:
		}
		what, figures := waitingFor(s)
		line.say(what, figures)
		return false, nil
	})
	if errors.Is(err, errOverdue) {
		return nil, fmt.Errorf("%s is not complete within %s, and goes on: %s", key.Name, c.patience, snapshotOf(o).sentence())
	}
	return o, err
}

// waitingFor is what happens to a snapshot now, and the figures of it.
func waitingFor(s Snapshot) (what, figures string) {
	switch {
	case s.Progress != nil:
		what = s.Name + ": " + strings.ToLower(s.Progress.Step)
		if s.Progress.Member != "" && s.Progress.Step != "Verifying" {
			what += " from " + s.Progress.Member
		}
		if s.Progress.TotalBytes > 0 {
			return what, fmt.Sprintf("%s  %s of %s", percent(s.Progress.Bytes, s.Progress.TotalBytes), binarySize(s.Progress.Bytes),
				binarySize(s.Progress.TotalBytes))
		}
		return what, ""
	case s.sentence() != "":
		return s.Name + ": " + s.sentence(), ""
	}
	return s.Name + ": waiting for the operator to look at it", ""
}

var errOverdue = errors.New("not within the time given")

// await asks again and again; errOverdue if it is never done.
func (s *shared) await(ctx context.Context, patience time.Duration, done func() (bool, error)) error {
	ticks, end := s.Clock.NewTicker(poll), s.Clock.Now().Add(patience)
	defer ticks.Stop()
	for {
		if done, err := done(); done || err != nil {
			return err
		}
		if !s.Clock.Now().Before(end) {
			return errOverdue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C():
		}
	}
}

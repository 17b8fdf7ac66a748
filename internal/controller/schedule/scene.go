package schedule

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// scene is a schedule and its snapshots.
type scene struct {
	schedule  *v1alpha2.EtcdSnapshotSchedule
	snapshots map[string]*v1alpha2.EtcdSnapshot
	plan      plan.Schedule
}

func (r *Reconciler) look(ctx context.Context, from client.Reader, key types.NamespacedName, now time.Time) (*scene, error) {
	s := &scene{schedule: &v1alpha2.EtcdSnapshotSchedule{}, snapshots: map[string]*v1alpha2.EtcdSnapshot{}}
	if err := from.Get(ctx, key, s.schedule); err != nil {
		return nil, err
	}
	s.plan = asked(s.schedule)
	s.plan.Now = now
	if err := s.lookAtCluster(ctx, from); err != nil {
		return nil, err
	}
	return s, s.lookAtSnapshots(ctx, from)
}

// asked is what the spec says.
func asked(schedule *v1alpha2.EtcdSnapshotSchedule) plan.Schedule {
	spec := &schedule.Spec
	p := plan.Schedule{
		Created:   schedule.CreationTimestamp.Time,
		Last:      timeOf(schedule.Status.LastScheduleTime),
		Suspended: spec.Suspend,
		Overlap:   plan.Overlap(spec.ConcurrencyPolicy),
		Deleting:  !schedule.DeletionTimestamp.IsZero(),
		Held:      controllerutil.ContainsFinalizer(schedule, v1alpha2.FinalizerSchedule),
		Cascades:  spec.DeletionPolicy == v1alpha2.SnapshotDelete,
	}
	next, err := parse(spec.Schedule, spec.TimeZone, p.Created)
	if p.Next = next; err != nil {
		p.Problem = err.Error()
	}
	if spec.StartingDeadlineSeconds != nil {
		p.Deadline = time.Duration(*spec.StartingDeadlineSeconds) * time.Second
	}
	if keep := spec.Retention; keep != nil {
		if keep.KeepLast != nil {
			p.Retention.KeepLast = int(*keep.KeepLast)
		}
		if keep.KeepFor != nil {
			p.Retention.KeepFor = keep.KeepFor.Duration
		}
	}
	if spec.Verify != nil {
		p.DrillPeriod = spec.Verify.Period.Duration
	}
	return p
}

func (s *scene) lookAtCluster(ctx context.Context, from client.Reader) error {
	cluster := &v1alpha2.EtcdCluster{}
	name := s.schedule.Spec.ClusterRef.Name
	err := from.Get(ctx, types.NamespacedName{Namespace: s.schedule.Namespace, Name: name}, cluster)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get EtcdCluster %s: %w", name, err)
	}
	s.plan.Missing = apierrors.IsNotFound(err) || !cluster.DeletionTimestamp.IsZero()
	s.plan.Paused = !s.plan.Missing && cluster.Spec.Replicas != nil && *cluster.Spec.Replicas == 0
	return nil
}

// lookAtSnapshots reads those that carry the schedule's label and are of its cluster.
func (s *scene) lookAtSnapshots(ctx context.Context, from client.Reader) error {
	var snapshots v1alpha2.EtcdSnapshotList
	within := client.InNamespace(s.schedule.Namespace)
	if err := from.List(ctx, &snapshots, within, client.MatchingLabels{v1alpha2.LabelSchedule: s.schedule.Name}); err != nil {
		return fmt.Errorf("list EtcdSnapshots: %w", err)
	}
	var clusters v1alpha2.EtcdClusterList
	if err := from.List(ctx, &clusters, within); err != nil {
		return fmt.Errorf("list EtcdClusters: %w", err)
	}
	needed := map[string]bool{}
	for i := range clusters.Items {
		if name := restoredFrom(&clusters.Items[i]); name != "" {
			needed[name] = true
		}
	}
	for i := range snapshots.Items {
		snapshot := &snapshots.Items[i]
		if snapshot.Spec.ClusterRef != s.schedule.Spec.ClusterRef {
			continue
		}
		s.snapshots[snapshot.Name] = snapshot
		seen := survey(snapshot)
		seen.Needed = needed[snapshot.Name]
		s.plan.Snapshots = append(s.plan.Snapshots, seen)
	}
	return nil
}

// restoredFrom is the EtcdSnapshot that a cluster is being made from, empty if it is not.
func restoredFrom(c *v1alpha2.EtcdCluster) string {
	if c.Status.ClusterID != "" || c.Spec.Bootstrap == nil || c.Spec.Bootstrap.Restore == nil || c.Spec.Bootstrap.Restore.SnapshotRef == nil {
		return ""
	}
	return c.Spec.Bootstrap.Restore.SnapshotRef.Name
}

func survey(snapshot *v1alpha2.EtcdSnapshot) plan.ScheduledSnapshot {
	due, _ := time.Parse(time.RFC3339, snapshot.Annotations[v1alpha2.AnnotationScheduledAt]) // zero if somebody has changed it
	seen := plan.ScheduledSnapshot{
		Name:     snapshot.Name,
		Due:      due,
		Created:  snapshot.CreationTimestamp.Time,
		Complete: snapshot.Status.Phase == v1alpha2.SnapshotComplete,
		Failed:   snapshot.Status.Phase == v1alpha2.SnapshotFailed,
		EndedAt:  timeOf(snapshot.Status.CompletedAt),
		Condemned: snapshot.Spec.DeletionPolicy == v1alpha2.SnapshotDelete &&
			controllerutil.ContainsFinalizer(snapshot, v1alpha2.FinalizerSnapshot),
		Deleting: timeOf(snapshot.DeletionTimestamp),
	}
	if ready := meta.FindStatusCondition(snapshot.Status.Conditions, v1alpha2.ConditionReady); ready != nil {
		seen.Message = ready.Message
	}
	if artifact := snapshot.Status.Artifact; artifact != nil {
		seen.ClusterID, seen.Revision = artifact.ClusterID, artifact.Revision
	}
	request := snapshot.Annotations[v1alpha2.AnnotationVerify]
	if drill := snapshot.Status.Verification; drill != nil {
		seen.Drill.StartedAt, seen.Drill.Outcome = timeOf(drill.StartedAt), plan.DrillOutcome(drill.Outcome)
		seen.Drill.Pending = drill.Outcome == "" || request != "" && request != drill.Request
	} else {
		seen.Drill.Pending = request != ""
	}
	seen.Drill.Pending = seen.Drill.Pending && seen.Complete
	return seen
}

// timeOf is the zero time if there is none.
func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

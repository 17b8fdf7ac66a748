package schedule

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// publish writes status, and tells of what was done.
func (r *Reconciler) publish(ctx context.Context, s *scene, d plan.ScheduleDecision) error {
	if _, released := d.Step.(plan.Release); released && s.plan.Deleting {
		return nil // it is gone
	}
	before := s.schedule
	after := before.DeepCopy()
	record := s.plan.Record(remembered(&before.Status))
	standing := s.plan.Standing(record)
	write(&after.Status, record)
	after.Status.ObservedGeneration = before.Generation
	after.Status.NextScheduleTime = stamp(s.plan.NextRun())
	after.Status.LastScheduleTime = stamp(s.lastRun(d.Step))
	after.Status.Missed += d.Missed
	r.setConditions(after, standing)
	if !equality.Semantic.DeepEqual(before.Status, after.Status) {
		lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Status().Patch(ctx, after.DeepCopy(), lock); err != nil {
			return fmt.Errorf("publish status: %w", err)
		}
	}
	r.Meter.Scheduled(client.ObjectKeyFromObject(before), metrics.Schedule{
		Cluster: before.Spec.ClusterRef.Name, Success: record.Success.At, Verified: record.Verified.At,
		Next: s.plan.NextRun(), Failures: record.Failures, Missed: after.Status.Missed,
	})
	r.tell(s, d, standing)
	return nil
}

// lastRun is what the next pass looks for runs after.
func (s *scene) lastRun(step plan.ScheduleStep) time.Time {
	switch step := step.(type) {
	case plan.TakeSnapshot:
		return step.Due
	case plan.LeaveOut:
		return step.Due
	case plan.StartOver:
		return s.plan.Now
	default:
		return s.plan.LastRun()
	}
}

func remembered(status *v1alpha2.EtcdSnapshotScheduleStatus) plan.ScheduleRecord {
	return plan.ScheduleRecord{
		Active:   status.Active,
		Success:  plan.Milestone{Snapshot: status.LastSuccessfulSnapshot, At: timeOf(status.LastSuccessfulTime)},
		Verified: plan.Milestone{Snapshot: status.LastVerifiedSnapshot, At: timeOf(status.LastVerifiedTime)},
		Failures: int(status.ConsecutiveFailures),
		Failure:  status.LastFailure,
	}
}

func write(status *v1alpha2.EtcdSnapshotScheduleStatus, record plan.ScheduleRecord) {
	status.Active = record.Active
	status.LastSuccessfulSnapshot, status.LastSuccessfulTime = record.Success.Snapshot, stamp(record.Success.At)
	status.LastVerifiedSnapshot, status.LastVerifiedTime = record.Verified.Snapshot, stamp(record.Verified.At)
	status.ConsecutiveFailures, status.LastFailure = int32(record.Failures), record.Failure
}

// stamp is nil for the zero time. The API keeps whole seconds.
func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	stamped := metav1.NewTime(t.Truncate(time.Second))
	return &stamped
}

func (r *Reconciler) setConditions(schedule *v1alpha2.EtcdSnapshotSchedule, standing plan.Standing) {
	holds := map[string]bool{
		v1alpha2.ConditionReady:       standing.Outlook == plan.Fulfilled,
		v1alpha2.ConditionReconciling: standing.Outlook == plan.Working || standing.Outlook == plan.Waiting,
		v1alpha2.ConditionStalled:     standing.Outlook == plan.Stuck,
	}
	for _, kind := range []string{v1alpha2.ConditionReady, v1alpha2.ConditionReconciling, v1alpha2.ConditionStalled} {
		condition := metav1.Condition{
			Type: kind, Status: metav1.ConditionFalse, Reason: standing.Reason, Message: standing.Message,
			ObservedGeneration: schedule.Generation, LastTransitionTime: metav1.NewTime(r.Now()),
		}
		switch {
		case holds[kind]:
			condition.Status = metav1.ConditionTrue
		case kind != v1alpha2.ConditionReady:
			meta.RemoveStatusCondition(&schedule.Status.Conditions, kind)
			continue
		}
		meta.SetStatusCondition(&schedule.Status.Conditions, condition)
	}
}

// tell records an Event for what was done, and for what people have to know.
func (r *Reconciler) tell(s *scene, d plan.ScheduleDecision, standing plan.Standing) {
	if d.Reason != "" {
		kind := corev1.EventTypeNormal
		if d.Missed > 0 || d.Step == plan.ScheduleStep(plan.StartOver{}) {
			kind = corev1.EventTypeWarning
		}
		r.Recorder.Eventf(s.schedule, s.subject(d.Step), kind, d.Reason, "Schedule", "%s", d.Message)
	}
	was := meta.FindStatusCondition(s.schedule.Status.Conditions, v1alpha2.ConditionReady)
	if standing.Outlook > plan.Working && (was == nil || was.Reason != standing.Reason) {
		r.Recorder.Eventf(s.schedule, nil, corev1.EventTypeWarning, standing.Reason, "Schedule", "%s", standing.Message)
	}
}

// subject is the snapshot that a step is about.
func (s *scene) subject(step plan.ScheduleStep) runtime.Object {
	name := ""
	switch step := step.(type) {
	case plan.DropSnapshot:
		name = step.Snapshot
	case plan.AskForDrill:
		name = step.Snapshot
	default:
	}
	if snapshot, found := s.snapshots[name]; found {
		return snapshot
	}
	return nil
}

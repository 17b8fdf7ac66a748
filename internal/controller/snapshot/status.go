package snapshot

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// publish writes status and tells what has changed.
func (r *Reconciler) publish(ctx context.Context, s *scene, d plan.SnapshotDecision) error {
	before := s.snapshot
	after := before.DeepCopy()
	after.Status = r.statusAfter(s, d)
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, after.DeepCopy(), lock); err != nil {
		return fmt.Errorf("publish status: %w", err)
	}
	r.tell(before, after, d)
	return nil
}

func (r *Reconciler) statusAfter(s *scene, d plan.SnapshotDecision) v1alpha2.EtcdSnapshotStatus {
	st := *s.snapshot.Status.DeepCopy()
	now := &metav1.Time{Time: s.known.Now.Truncate(time.Second)}
	st.ObservedGeneration = s.snapshot.Generation
	st.Phase, st.Attempts = v1alpha2.SnapshotPhase(d.Record.Phase), int32(d.Record.Attempts)
	setTimes(&st, d.Record, now)
	st.Progress = nil
	if st.Phase == v1alpha2.SnapshotStarted && d.Record.Ended.IsZero() {
		st.Progress = s.progress
	}
	if st.Phase == v1alpha2.SnapshotComplete && st.Artifact == nil && d.Done != nil {
		st.Artifact = s.stored(d.Done)
		d.Message = summary(st.Artifact)
	}
	if d.Drill != "" {
		st.Verification = s.verification(d, now)
		meta.SetStatusCondition(&st.Conditions, verified(s, d))
	}
	if d.Reason != "" {
		setConditions(&st.Conditions, s, d)
	}
	return st
}

func setTimes(st *v1alpha2.EtcdSnapshotStatus, record plan.SnapshotRecord, now *metav1.Time) {
	if st.Attempts > 0 && st.StartedAt == nil {
		st.StartedAt = now
	}
	if record.Final() && st.CompletedAt == nil {
		st.CompletedAt = now
	}
	st.LastAttemptEndedAt = nil
	if !record.Ended.IsZero() {
		st.LastAttemptEndedAt = &metav1.Time{Time: record.Ended.Truncate(time.Second)}
	}
}

// stored is what the agent has reported, with the time that it took.
func (s *scene) stored(t *plan.Try) *v1alpha2.SnapshotArtifact {
	artifact := s.artifact.DeepCopy()
	if job := s.jobs[t.Job]; artifact.Duration == nil && job != nil && job.Status.StartTime != nil {
		artifact.Duration = &metav1.Duration{Duration: t.Ended.Sub(job.Status.StartTime.Time)}
	}
	return artifact
}

func summary(a *v1alpha2.SnapshotArtifact) string {
	text := fmt.Sprintf("stored and read back: %s, %s, revision %d", a.URI, size(a.SizeBytes), a.Revision)
	if a.Duration != nil {
		text += fmt.Sprintf(", in %s", a.Duration.Round(time.Millisecond))
	}
	return text
}

func size(bytes int64) string {
	const mib = 1 << 20
	if bytes < mib {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
}

func (s *scene) verification(d plan.SnapshotDecision, now *metav1.Time) *v1alpha2.SnapshotVerification {
	v := &v1alpha2.SnapshotVerification{
		Request: d.Record.Answered, StartedAt: now, CompletedAt: now, Outcome: v1alpha2.VerificationOutcome(d.Drill), Message: d.Done.Message,
	}
	if job := s.jobs[d.Done.Job]; job != nil {
		v.StartedAt = job.CreationTimestamp.DeepCopy()
	}
	if v.Message == "" {
		v.Message = "restored into a throwaway member, which holds what was saved"
	}
	return v
}

func verified(s *scene, d plan.SnapshotDecision) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha2.ConditionVerified, Status: metav1.ConditionUnknown, Reason: d.Done.Reason, Message: d.Done.Message,
		ObservedGeneration: s.snapshot.Generation, LastTransitionTime: metav1.NewTime(s.known.Now),
	}
	switch d.Drill {
	case plan.DrillVerified:
		c.Status, c.Reason = metav1.ConditionTrue, string(plan.DrillVerified)
		c.Message = "restored into a throwaway member, which holds what was saved"
	case plan.DrillFailed:
		c.Status = metav1.ConditionFalse
	case plan.DrillInconclusive:
	}
	return c
}

// setConditions sets those of kstatus, of which only Ready is always there, and those that say like a Job's that it is over.
func setConditions(conditions *[]metav1.Condition, s *scene, d plan.SnapshotDecision) {
	set := func(kind string, holds, always bool) {
		if !holds && !always {
			meta.RemoveStatusCondition(conditions, kind)
			return
		}
		status := metav1.ConditionFalse
		if holds {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(conditions, metav1.Condition{
			Type: kind, Status: status, Reason: d.Reason, Message: d.Message, ObservedGeneration: s.snapshot.Generation,
			LastTransitionTime: metav1.NewTime(s.known.Now),
		})
	}
	set(v1alpha2.ConditionReady, d.Outlook == plan.Fulfilled, true)
	set(v1alpha2.ConditionReconciling, d.Outlook == plan.Working || d.Outlook == plan.Waiting, false)
	set(v1alpha2.ConditionStalled, d.Outlook == plan.Stuck, false)
	if !s.known.Deleting {
		set(v1alpha2.ConditionComplete, d.Record.Phase == plan.SnapshotComplete, false)
		set(v1alpha2.ConditionFailed, d.Record.Phase == plan.SnapshotFailed, false)
	}
}

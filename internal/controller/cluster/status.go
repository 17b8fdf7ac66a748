package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// publish tells what was seen and decided, in status and, when something happened, in an event.
func (r *Reconciler) publish(ctx context.Context, s *observe.Scene, seen plan.Cluster, d plan.Decision, acted error) error {
	if d.Advances() && acted == nil {
		r.Recorder.Eventf(s.Cluster, nil, corev1.EventTypeNormal, d.Reason, stepName(d.Step), "%s", d.Message)
	}
	before := s.Cluster.DeepCopy()
	s.Cluster.Status = statusFrom(s, seen, d, r.Now())
	if equality.Semantic.DeepEqual(before.Status, s.Cluster.Status) {
		return nil
	}
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := client.IgnoreNotFound(r.Client.Status().Patch(ctx, s.Cluster, lock)); err != nil {
		return fmt.Errorf("publish status: %w", err)
	}
	r.warn(before, s.Cluster)
	if !d.Advances() {
		r.announce(ctx, before, s.Cluster, d)
	}
	return nil
}

// warn records an event when a setting turns out to be dangerous.
func (r *Reconciler) warn(before, after *v1alpha2.EtcdCluster) {
	const kind = v1alpha2.ConditionQuotaNearVolumeSize
	now, was := meta.FindStatusCondition(after.Status.Conditions, kind), meta.IsStatusConditionTrue(before.Status.Conditions, kind)
	if now != nil && !was {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, kind, "Observe", "%s", now.Message)
	}
}

// announce records an event when the cluster comes to rest, or begins to wait for something grave.
func (r *Reconciler) announce(ctx context.Context, before, after *v1alpha2.EtcdCluster, d plan.Decision) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha2.ConditionReady)
	switch {
	case was != nil && was.Reason == d.Reason:
	case d.Outlook == plan.Fulfilled:
		r.Recorder.Eventf(after, nil, corev1.EventTypeNormal, d.Reason, "Observe", "%s", d.Message)
	case d.Outlook == plan.Stuck || d.Grave():
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, d.Reason, "Observe", "%s", d.Message)
		log.FromContext(ctx).Info(d.Message, "rule", d.Rule, "reason", d.Reason)
	}
}

// statusFrom is what there is to tell. It is pure: the recorded facts are kept, everything else follows from what was seen.
func statusFrom(s *observe.Scene, seen plan.Cluster, d plan.Decision, now time.Time) v1alpha2.EtcdClusterStatus {
	old := s.Cluster.Status
	st := *old.DeepCopy()
	st.ObservedGeneration = s.Cluster.Generation
	st.Selector = resource.Selector(s.Cluster)
	st.LastOrdinal = max(old.LastOrdinal, s.LastOrdinal)
	st.Replacements = recent(s, now)
	st.ReadyMembers, st.UpdatedMembers, st.BrokenMembers = tally(seen)
	stillFailed(s.Cluster, &st)
	st.Leader, st.Version, st.DBSize, st.VolumeSize = "", "", nil, nil
	if l := s.Leader(); l != nil {
		st.Leader = l.Object.Name
	}
	st.Members = summaries(s, seen, old.Members, now)
	for _, m := range st.Members {
		if m.Version != "" && (st.Version == "" || older(m.Version, st.Version)) {
			st.Version = m.Version
		}
		st.DBSize, st.VolumeSize = larger(st.DBSize, m.DBSize), larger(st.VolumeSize, m.VolumeSize)
	}
	if d.Advances() || old.ObservedGeneration != st.ObservedGeneration {
		st.LastProgressTime = &metav1.Time{Time: now.Truncate(time.Second)}
	}
	conditions(&st, seen, d, now)
	return st
}

// larger is the larger of two sizes, either of which may not be known.
func larger(a, b *apiresource.Quantity) *apiresource.Quantity {
	if a == nil || b != nil && b.Cmp(*a) > 0 {
		return b
	}
	return a
}

func tally(seen plan.Cluster) (ready, updated, broken int32) {
	for _, m := range seen.Members {
		if m.Role == plan.Voter && m.Healthy && m.Ready {
			ready++
		}
		if m.AsAsked && !m.Stale && !m.Leaving {
			updated++
		}
		if plan.Unusable(m) {
			broken++
		}
	}
	return ready, updated, broken
}

func conditions(st *v1alpha2.EtcdClusterStatus, seen plan.Cluster, d plan.Decision, now time.Time) {
	set := func(kind string, holds bool, reason, message string) {
		value := metav1.ConditionFalse
		if holds {
			value = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{
			Type: kind, Status: value, Reason: reason, Message: message, ObservedGeneration: st.ObservedGeneration,
			LastTransitionTime: metav1.NewTime(now),
		})
	}
	only := func(kind string, holds bool, reason, message string) {
		if holds {
			set(kind, true, reason, message)
			return
		}
		meta.RemoveStatusCondition(&st.Conditions, kind)
	}
	moving := d.Outlook == plan.Working || d.Outlook == plan.Waiting
	set(v1alpha2.ConditionReady, d.Outlook == plan.Fulfilled, d.Reason, d.Message)
	only(v1alpha2.ConditionReconciling, moving, d.Reason, d.Message)
	only(v1alpha2.ConditionStalled, d.Outlook == plan.Stuck, d.Reason, d.Message)

	if ready := readiness(st, seen); ready.Reason != "" {
		set(v1alpha2.ConditionUpgradeReady, ready.Holds, ready.Reason, ready.Message)
	} else {
		meta.RemoveStatusCondition(&st.Conditions, v1alpha2.ConditionUpgradeReady)
	}
	progressing := plan.Progressing(seen, d)
	set(v1alpha2.ConditionProgressing, progressing.Holds, progressing.Reason, progressing.Message)
	available := plan.Available(seen)
	set(v1alpha2.ConditionAvailable, available.Holds, available.Reason, available.Message)
	degraded := plan.Degraded(seen)
	set(v1alpha2.ConditionDegraded, degraded.Holds, degraded.Reason, degraded.Message)
	tight := plan.QuotaNearVolumeSize(seen.Space)
	only(v1alpha2.ConditionQuotaNearVolumeSize, tight.Holds, tight.Reason, tight.Message)
	only(v1alpha2.ConditionEvenSize, seen.Want > 0 && seen.Want%2 == 0, v1alpha2.ReasonEvenSizeGainsNothing,
		fmt.Sprintf("%d members tolerate no more failures than %d; use an odd number", seen.Want, seen.Want-1))
}

package snapshot

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// Reasons of Events.
const (
	eventStarted  = "SnapshotStarted"
	eventRetried  = "SnapshotRetried"
	eventComplete = "SnapshotComplete"
	eventFailed   = "SnapshotFailed"
	eventWaiting  = "SnapshotWaiting"
	eventErased   = "SnapshotDeleted"
)

// tell records an Event, and counts, what has just been written down: each once, however often it is seen.
func (r *Reconciler) tell(before, after *v1alpha2.EtcdSnapshot, d plan.SnapshotDecision) {
	began := before.Status.Attempts == 0 && after.Status.Attempts > 0
	over := before.Status.Phase != after.Status.Phase && d.Record.Final()
	reason, message := news(before, after, d)
	kind := corev1.EventTypeWarning
	switch {
	case d.Failed != nil:
		r.Meter.Tried(clusterKey(after), d.Failed.Reason)
	case over && d.Done != nil:
		r.Meter.Tried(clusterKey(after), string(v1alpha2.SnapshotComplete))
		kind = corev1.EventTypeNormal
	case began:
		kind = corev1.EventTypeNormal
	}
	if reason != "" {
		r.Recorder.Eventf(after, nil, kind, reason, "Snapshot", "%s", message)
	}
	r.tellDrill(after, d)
}

// news is what people want to hear of a change; no reason if there is none.
func news(before, after *v1alpha2.EtcdSnapshot, d plan.SnapshotDecision) (reason, message string) {
	was, ready := readyOf(before), readyOf(after)
	ended := before.Status.Phase != after.Status.Phase
	switch {
	case ended && after.Status.Phase == v1alpha2.SnapshotComplete:
		return eventComplete, ready.Message
	case ended && after.Status.Phase == v1alpha2.SnapshotFailed:
		return eventFailed, ready.Reason + ": " + ready.Message
	case d.Failed != nil:
		return eventRetried, d.Failed.Reason + ": " + ready.Message
	case before.Status.Attempts == 0 && after.Status.Attempts > 0:
		return eventStarted, "EtcdCluster " + after.Spec.ClusterRef.Name + " is being saved to " + task.URI(task.Exact(after))
	case d.Reason != "" && was.Reason != d.Reason && (d.Outlook == plan.Waiting || d.Outlook == plan.Stuck):
		return eventWaiting, d.Reason + ": " + d.Message
	}
	return "", ""
}

func readyOf(s *v1alpha2.EtcdSnapshot) metav1.Condition {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func (r *Reconciler) tellDrill(s *v1alpha2.EtcdSnapshot, d plan.SnapshotDecision) {
	if d.Drill == "" {
		return
	}
	kind, reason := corev1.EventTypeWarning, "SnapshotDrill"+string(d.Drill)
	if d.Drill == plan.DrillVerified {
		kind, reason = corev1.EventTypeNormal, "SnapshotVerified"
	}
	r.Recorder.Eventf(s, nil, kind, reason, "Drill", "%s", s.Status.Verification.Message)
}

// tellRelease tells that what was stored is gone, before the EtcdSnapshot is.
func (r *Reconciler) tellRelease(s *scene, d plan.SnapshotDecision) {
	switch {
	case !s.known.Deleting || d.Done == nil:
	case d.Done.Foreign:
		r.Recorder.Eventf(s.snapshot, nil, corev1.EventTypeWarning, string(task.ForeignObject), "Delete", "left alone: %s", d.Done.Message)
	default:
		r.Recorder.Eventf(s.snapshot, nil, corev1.EventTypeNormal, eventErased, "Delete", "%s is deleted", task.URI(task.Exact(s.snapshot)))
	}
}

package authentication

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// conclude publishes, and gives how long to wait before looking again.
func (r *Reconciler) conclude(ctx context.Context, s *scene, d plan.AuthDecision, acted bool) (time.Duration, error) {
	if d.Reason == v1alpha2.ReasonCredentialsMissing || d.Reason == v1alpha2.ReasonAuthRequired || d.Reason == v1alpha2.ReasonRootRefused {
		d.Message = strings.Join(append([]string{d.Message}, s.troubles...), "; ")
	}
	return d.Recheck, r.publish(ctx, s, d, acted)
}

// publish writes the record, status.authEnabled and the condition AuthReady, and nothing else of status.
func (r *Reconciler) publish(ctx context.Context, s *scene, d plan.AuthDecision, acted bool) error {
	before := s.cluster
	after := before.DeepCopy()
	if s.forgotten {
		after.Status.Auth, after.Status.AuthEnabled = nil, false
		meta.RemoveStatusCondition(&after.Status.Conditions, v1alpha2.ConditionAuthReady)
	} else {
		after.Status.Auth = s.recorded()
		if s.looked() {
			after.Status.AuthEnabled = s.auth.Seen.On
		}
		meta.SetStatusCondition(&after.Status.Conditions, r.condition(before, d))
	}
	if !equality.Semantic.DeepEqual(before.Status, after.Status) {
		lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		if err := r.Client.Status().Patch(ctx, after.DeepCopy(), lock); err != nil {
			return fmt.Errorf("publish status: %w", err)
		}
	}
	r.tell(before, d, acted)
	return nil
}

// looked says whether etcd was looked at in this pass.
func (s *scene) looked() bool { return s.auth.Seen.In || s.auth.Seen.On }

func (r *Reconciler) condition(c *v1alpha2.EtcdCluster, d plan.AuthDecision) metav1.Condition {
	status := metav1.ConditionFalse
	if d.Outlook == plan.Fulfilled {
		status = metav1.ConditionTrue
	}
	return metav1.Condition{
		Type: v1alpha2.ConditionAuthReady, Status: status, Reason: d.Reason, Message: d.Message,
		ObservedGeneration: c.Generation, LastTransitionTime: metav1.NewTime(r.Now()),
	}
}

// tell records an event for what etcd was made to do, for coming to rest, and for what people have to know.
func (r *Reconciler) tell(c *v1alpha2.EtcdCluster, d plan.AuthDecision, acted bool) {
	was := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionAuthReady)
	_, ours := (plan.AuthRecord{}).With(d.Step)
	switch {
	case acted && !ours:
		r.Recorder.Eventf(c, nil, corev1.EventTypeNormal, d.Reason, "Authenticate", "%s", d.Message)
	case acted, d.Reason == "", was != nil && was.Reason == d.Reason:
	case d.Outlook == plan.Fulfilled:
		r.Recorder.Eventf(c, nil, corev1.EventTypeNormal, "AuthAsDesired", "Authenticate", "%s", d.Message)
	case d.Outlook == plan.Stuck, d.Reason == v1alpha2.ReasonCredentialsMissing:
		r.Recorder.Eventf(c, nil, corev1.EventTypeWarning, d.Reason, "Authenticate", "%s", d.Message)
	}
}

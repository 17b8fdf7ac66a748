package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=create;delete

// rehearse takes a step of trying etcd out.
func (r *Reconciler) rehearse(ctx context.Context, s *observe.Scene, step plan.Step) error {
	switch step := step.(type) {
	case plan.Rehearse:
		return r.createRehearsal(ctx, s)
	case plan.RecordRehearsal:
		return r.recordRehearsal(ctx, s, step)
	case plan.EndRehearsal:
		seen := client.Preconditions{UID: ptr.To(s.Rehearsal.UID)}
		if err := r.Client.Delete(ctx, s.Rehearsal, seen); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete Pod %s: %w", s.Rehearsal.Name, err)
		}
		return nil
	default:
		return fmt.Errorf("rehearse step %T: not known", step)
	}
}

// createRehearsal makes the Pod. That it is not let in, or that its name is somebody else's, is a result.
func (r *Reconciler) createRehearsal(ctx context.Context, s *observe.Scene) error {
	pod := resource.Rehearsal(s.Cluster, resource.RehearsalIntent{OperatorImage: r.OperatorImage, EtcdRepository: r.EtcdRepository})
	err := r.Client.Create(ctx, pod)
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsAlreadyExists(err):
		return r.recordRehearsal(ctx, s, plan.RecordRehearsal{Result: plan.Prevented, Message: observe.Brief(err.Error())})
	}
	return fmt.Errorf("create Pod %s: %w", pod.Name, err)
}

func (r *Reconciler) recordRehearsal(ctx context.Context, s *observe.Scene, step plan.RecordRehearsal) error {
	c := s.Cluster.DeepCopy()
	if c.Status.Rollout == nil {
		c.Status.Rollout = &v1alpha2.RolloutStatus{}
	}
	c.Status.Rollout.Rehearsal = &v1alpha2.RehearsalStatus{
		Template: resource.RehearsalHash(c), Result: observe.RehearsalResult(step.Result), Message: step.Message, Time: metav1.NewTime(r.Now()),
	}
	before := client.MergeFromWithOptions(s.Cluster, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, c, before); err != nil {
		return fmt.Errorf("record rehearsal in status: %w", err)
	}
	c.DeepCopyInto(s.Cluster)
	return nil
}

package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
		return r.latch(ctx, s, plan.RecordRehearsal{Result: plan.Prevented, Message: observe.Brief(err.Error())})
	}
	return fmt.Errorf("create Pod %s: %w", pod.Name, err)
}

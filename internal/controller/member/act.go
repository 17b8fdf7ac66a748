package member

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// act makes the one write of this pass, and tells of it.
func (r *Reconciler) act(ctx context.Context, s *scene, next plan.Realization) error {
	m := s.member
	switch next.Step {
	case plan.Rest:
		return nil
	case plan.CreateVolume:
		return r.create(ctx, m, resource.Claim(m), next)
	case plan.CreatePod:
		return r.create(ctx, m, resource.Pod(m, r.podIntent(s, resource.GrantNone)), next)
	case plan.CreateGrantedPod:
		return r.create(ctx, m, resource.Pod(m, r.podIntent(s, resource.GrantEmpty)), next)
	case plan.UseGrant:
		return r.recordGrant(ctx, m, v1alpha2.StartGrant{
			State: v1alpha2.GrantUsed, PodUID: string(s.pod.UID), VolumeUID: string(s.volumeUID()),
		})
	case plan.ReopenGrant:
		return r.recordGrant(ctx, m, v1alpha2.StartGrant{State: v1alpha2.GrantOpen})
	case plan.ReleasePod, plan.LabelPod, plan.LabelVolume, plan.SetVolumeAside, plan.ExpandVolume:
		return r.change(ctx, s, next.Step)
	case plan.DeletePod:
		return r.delete(ctx, m, s.pod, next)
	case plan.ForceDeletePod:
		return r.delete(ctx, m, s.pod, next, client.GracePeriodSeconds(0))
	case plan.DeleteVolume:
		return r.delete(ctx, m, s.claim, next)
	default:
		return fmt.Errorf("take step %s: unknown", next.Step)
	}
}

// change makes a write to an object that is there already.
func (r *Reconciler) change(ctx context.Context, s *scene, step plan.PartStep) error {
	switch step {
	case plan.ExpandVolume:
		return r.expand(ctx, s)
	case plan.ReleasePod:
		return r.patch(ctx, s.pod, func(o client.Object) { resource.Release(o.(*corev1.Pod)) })
	case plan.LabelPod:
		wanted := s.refreshed()
		return r.patch(ctx, s.pod, func(o client.Object) { resource.Refresh(wanted, o) })
	case plan.SetVolumeAside:
		return r.patch(ctx, s.claim, func(o client.Object) { resource.SetAside(o, s.member.Spec.Removal.Reason, r.Now()) })
	default:
		return r.patch(ctx, s.claim, func(o client.Object) { resource.MarkClaim(s.member, o.(*corev1.PersistentVolumeClaim)) })
	}
}

func (r *Reconciler) podIntent(s *scene, grant resource.Grant) resource.PodIntent {
	return resource.PodIntent{
		OperatorImage:  r.OperatorImage,
		EtcdRepository: r.EtcdRepository,
		VolumeUID:      s.volumeUID(),
		Grant:          grant,
		Certificates:   strings.Join(s.serials, ","),
		StoreAccess:    strings.Join(s.access, ","),
		Form:           s.cluster.Status.ClusterID == "",
	}
}

func (r *Reconciler) create(ctx context.Context, m *v1alpha2.EtcdMember, o client.Object, why plan.Realization) error {
	if err := r.Client.Create(ctx, o); err != nil {
		return fmt.Errorf("create %s %s: %w", kind(o), o.GetName(), err)
	}
	r.tell(m, o, "Created", why)
	return nil
}

// delete deletes the very object that was seen, unless it has changed since.
func (r *Reconciler) delete(
	ctx context.Context, m *v1alpha2.EtcdMember, o client.Object, why plan.Realization, how ...client.DeleteOption,
) error {
	uid, version := o.GetUID(), o.GetResourceVersion()
	how = append(how, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if err := r.Client.Delete(ctx, o, how...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %s %s: %w", kind(o), o.GetName(), err)
	}
	r.tell(m, o, "Deleted", why)
	return nil
}

func (r *Reconciler) tell(m *v1alpha2.EtcdMember, o client.Object, what string, why plan.Realization) {
	r.Recorder.Eventf(m, o, corev1.EventTypeNormal, kind(o)+what, string(why.Step),
		"%s %s %s: %s", what, kind(o), o.GetName(), why.Message)
}

// patch changes the object that was seen, unless somebody else has changed it since.
func (r *Reconciler) patch(ctx context.Context, seen client.Object, change func(client.Object)) error {
	changed := seen.DeepCopyObject().(client.Object)
	change(changed)
	if err := r.Client.Patch(ctx, changed, client.MergeFromWithOptions(seen, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("patch %s %s: %w", kind(seen), seen.GetName(), err)
	}
	return nil
}

func (r *Reconciler) recordGrant(ctx context.Context, m *v1alpha2.EtcdMember, grant v1alpha2.StartGrant) error {
	changed := m.DeepCopy()
	changed.Status.Grant = &grant
	return r.patchStatus(ctx, m, changed)
}

// patchStatus writes the difference, unless anybody has changed the member since: the cluster's controller writes here too.
func (r *Reconciler) patchStatus(ctx context.Context, seen, changed *v1alpha2.EtcdMember) error {
	if err := r.Client.Status().Patch(ctx, changed, client.MergeFromWithOptions(seen, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("patch status of EtcdMember %s: %w", seen.Name, err)
	}
	return nil
}

func kind(o metav1.Object) string {
	switch o.(type) {
	case *corev1.Pod:
		return "Pod"
	case *corev1.Secret:
		return "Secret"
	case *corev1.ConfigMap:
		return "ConfigMap"
	default:
		return "PersistentVolumeClaim"
	}
}

package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// keep deals with volumes that have no EtcdMember, or had none for a while.
func (r *Reconciler) keep(ctx context.Context, s *observe.Scene, step plan.Step) error {
	switch step := step.(type) {
	case plan.Adopt:
		return r.adopt(ctx, s, step.Name)
	case plan.Recall:
		return r.recall(ctx, s.Find(step.Name))
	case plan.SetAside:
		return r.setAside(ctx, claimNamed(s.Orphans, step.Volume))
	case plan.RetainVolume:
		return r.retain(ctx, s, step)
	case plan.DropVolume:
		return r.dropVolume(ctx, claimNamed(s.Aside, step.Volume))
	default:
		return fmt.Errorf("keep volumes in step %T: not known", step)
	}
}

func claimNamed(claims []*corev1.PersistentVolumeClaim, name string) *corev1.PersistentVolumeClaim {
	return claims[slices.IndexFunc(claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Name == name })]
}

// adopt creates the EtcdMember of a volume under its old name. etcd reads the initial cluster of a member with data only to
// find its name in it.
func (r *Reconciler) adopt(ctx context.Context, s *observe.Scene, name string) error {
	claim := claimNamed(s.Orphans, resource.ClaimName(name))
	peer := resource.Peer{Name: name, URL: resource.PeerURL(name, s.Cluster.Name, s.Cluster.Namespace, false)}
	return r.createMember(ctx, s, resource.MemberIntent{
		Ordinal: observe.Ordinal(claim), InitialCluster: resource.InitialCluster(peer),
	})
}

// recall records what the member was before its EtcdMember was lost.
func (r *Reconciler) recall(ctx context.Context, m *observe.Member) error {
	o := m.Object.DeepCopy()
	o.Status.MemberID, o.Status.IsVoter = m.Claim.Annotations[v1alpha2.AnnotationMemberID], true
	o.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: o.Status.MemberID, VolumeUID: m.VolumeUID()}
	before := client.MergeFromWithOptions(m.Object, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, o, before); err != nil {
		return fmt.Errorf("recall incarnation of %s: %w", o.Name, err)
	}
	return nil
}

func (r *Reconciler) setAside(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	changed := claim.DeepCopy()
	resource.SetAside(changed, "Orphaned", r.Now())
	if err := r.Client.Patch(ctx, changed, client.MergeFromWithOptions(claim, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("set aside volume %s: %w", claim.Name, err)
	}
	return nil
}

// retain lets a volume stay or go with the cluster.
func (r *Reconciler) retain(ctx context.Context, s *observe.Scene, step plan.RetainVolume) error {
	claims := slices.Clone(s.Aside)
	for _, m := range s.Members {
		if m.Claim != nil {
			claims = append(claims, m.Claim)
		}
	}
	claim := claimNamed(claims, step.Volume)
	changed := claim.DeepCopy()
	resource.Retain(s.Cluster, changed)
	if err := r.Client.Patch(ctx, changed, client.MergeFromWithOptions(claim, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("change the owner of volume %s: %w", claim.Name, err)
	}
	return nil
}

func (r *Reconciler) dropVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	seen := client.Preconditions{UID: ptr.To(claim.UID), ResourceVersion: ptr.To(claim.ResourceVersion)}
	if err := r.Client.Delete(ctx, claim, seen); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete volume %s: %w", claim.Name, err)
	}
	return nil
}

// recent are the replacements on record that still count: those of the last hour, and those of members that are still there.
func recent(s *observe.Scene, now time.Time) []v1alpha2.ReplacementRecord {
	return slices.DeleteFunc(slices.Clone(s.Cluster.Status.Replacements), func(r v1alpha2.ReplacementRecord) bool {
		return now.Sub(r.Time.Time) > time.Hour && s.Find(r.Member) == nil
	})
}

// unhealthySince is when m stopped to be healthy, nil while it is, and for a member that does not vote. One that does not let the
// operator in may well be healthy.
func unhealthySince(p plan.Member, before *metav1.Time, now time.Time) *metav1.Time {
	switch {
	case p.Healthy || p.Barred || p.Role != plan.Voter || p.Dormant:
		return nil
	case before != nil:
		return before
	}
	return &metav1.Time{Time: now.Truncate(time.Second)}
}

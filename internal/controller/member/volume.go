package member

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// size compares the member's volume with what the member asks for.
func (s *scene) size() resource.VolumeSize {
	if s.inMemory() || !s.ownsClaim() {
		return resource.VolumeSize{}
	}
	return resource.SizeOf(s.claim, s.member.Spec.Storage.Size)
}

// expand makes the claim ask for the member's size. That the API server does not let it, for a quota or for its class, is told, and
// is no failure of the member: it goes on with the volume that it has.
func (r *Reconciler) expand(ctx context.Context, s *scene) error {
	err := r.patch(ctx, s.claim, func(o client.Object) { resource.Expand(s.member, o.(*corev1.PersistentVolumeClaim)) })
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) {
		s.refused = said(err)
		return nil
	}
	return err
}

// said is what the API server answered, without what was asked of it.
func said(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Message
	}
	return err.Error()
}

// expanding says in a condition that the volume is to grow, since when, and how far it is. What was refused stays so until the
// claim is let ask, or has nothing to ask for any more.
func (s *scene) expanding(st *v1alpha2.EtcdMemberStatus, now metav1.Time) {
	size := s.size()
	before := meta.FindStatusCondition(st.Conditions, v1alpha2.ConditionVolumeExpanding)
	if !size.Short() {
		meta.RemoveStatusCondition(&st.Conditions, v1alpha2.ConditionVolumeExpanding)
		return
	}
	c := metav1.Condition{
		Type: v1alpha2.ConditionVolumeExpanding, Status: metav1.ConditionTrue, ObservedGeneration: s.member.Generation, LastTransitionTime: now,
	}
	switch {
	case s.refused != "":
		c.Reason, c.Message = v1alpha2.ReasonExpansionRefused, s.refused
	case size.Unasked() && before != nil && before.Reason == v1alpha2.ReasonExpansionRefused:
		c.Reason, c.Message = before.Reason, before.Message
	case size.Unasked():
		c.Reason, c.Message = v1alpha2.ReasonExpansionRequested, "the claim is about to ask for "+size.Wanted.String()
	default:
		c.Reason, c.Message = resource.Expansion(s.claim)
	}
	meta.SetStatusCondition(&st.Conditions, c)
}

// tellExpansion records an event when a volume has grown, and when it cannot.
func (r *Reconciler) tellExpansion(s *scene, changed *v1alpha2.EtcdMember) {
	before := meta.FindStatusCondition(s.member.Status.Conditions, v1alpha2.ConditionVolumeExpanding)
	after := meta.FindStatusCondition(changed.Status.Conditions, v1alpha2.ConditionVolumeExpanding)
	switch {
	case before != nil && after == nil && s.ownsClaim():
		has := s.claim.Status.Capacity[corev1.ResourceStorage]
		r.Recorder.Eventf(s.member, s.claim, corev1.EventTypeNormal, "VolumeExpanded", "Observe",
			"PersistentVolumeClaim %s has %s", s.claim.Name, has.String())
	case after == nil || before != nil && before.Reason == after.Reason:
	case after.Reason == v1alpha2.ReasonExpansionRefused || after.Reason == v1alpha2.ReasonExpansionFailed:
		r.Recorder.Eventf(s.member, s.claim, corev1.EventTypeWarning, "VolumeExpansion"+after.Reason, "Observe", "%s",
			fmt.Sprintf("PersistentVolumeClaim %s: %s", s.claim.Name, after.Message))
	}
}

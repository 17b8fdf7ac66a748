package member

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// publish writes status if it has changed. acted is what the step of this pass ended with.
func (r *Reconciler) publish(ctx context.Context, s *scene, next plan.Realization, acted error) error {
	if !s.member.DeletionTimestamp.IsZero() {
		return nil
	}
	changed := s.member.DeepCopy()
	now := metav1.NewTime(r.Now())
	changed.Status.Failure = s.account(s.failure(next), now)
	s.report(&changed.Status)
	for _, c := range s.conditions(&changed.Status, next, acted) {
		c.ObservedGeneration = changed.Generation
		c.LastTransitionTime = now
		meta.SetStatusCondition(&changed.Status.Conditions, c)
	}
	s.expanding(&changed.Status, now)
	if equality.Semantic.DeepEqual(s.member.Status, changed.Status) {
		return nil
	}
	if err := r.patchStatus(ctx, s.member, changed); err != nil {
		return err
	}
	if found, before := changed.Status.Failure, s.member.Status.Failure; found != nil && (before == nil || before.Reason != found.Reason) {
		r.Recorder.Eventf(s.member, nil, corev1.EventTypeWarning, found.Reason, "Observe", "%s", found.Message)
	}
	r.tellExpansion(s, changed)
	return nil
}

// report fills in the facts; what the cluster's controller writes is left alone.
func (s *scene) report(st *v1alpha2.EtcdMemberStatus) {
	st.ObservedGeneration = s.member.Generation
	st.Selector = resource.MemberSelector(s.member)
	st.PVCName, st.VolumeUID = "", string(s.volumeUID())
	if s.ownsClaim() && !s.inMemory() {
		st.PVCName = s.claim.Name
	}
	st.PodName, st.PodUID, st.Version, st.Replicas = "", "", "", 0
	if s.ownsPod() {
		st.PodName, st.PodUID, st.Version, st.Replicas = s.pod.Name, string(s.pod.UID), runningVersion(s.pod), 1
	}
}

// runningVersion is the version in the tag of the image.
func runningVersion(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if c.Name == resource.EtcdContainer {
			return c.Image[strings.LastIndex(c.Image, ":v")+len(":v"):]
		}
	}
	return ""
}

func (s *scene) conditions(st *v1alpha2.EtcdMemberStatus, next plan.Realization, acted error) []metav1.Condition {
	return []metav1.Condition{s.ready(st, next, acted), s.joined(), s.drifted(st)}
}

func (s *scene) ready(st *v1alpha2.EtcdMemberStatus, next plan.Realization, acted error) metav1.Condition {
	c := metav1.Condition{Type: v1alpha2.ConditionReady, Status: metav1.ConditionFalse}
	spec := s.member.Spec
	switch {
	case spec.Removal != nil:
		c.Reason, c.Message = v1alpha2.ReasonMemberLeaving, "the member leaves the cluster: "+spec.Removal.Reason
	case spec.Dormant:
		c.Reason, c.Message = v1alpha2.ReasonMemberDormant, "the member is parked; its volume is kept"
	case st.Failure != nil:
		c.Reason, c.Message = st.Failure.Reason, st.Failure.Message
	case acted != nil:
		c.Reason, c.Message = v1alpha2.ReasonMemberStarting, acted.Error()
	case podReady(s.pod):
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha2.ReasonMemberServing, "etcd serves linearizable reads"
	case next.Message != "":
		c.Reason, c.Message = v1alpha2.ReasonMemberStarting, next.Message
	case !etcdStarted(s.pod):
		c.Reason, c.Message = v1alpha2.ReasonMemberStarting, cmp.Or(s.course, "etcd starts")
	case !s.member.Status.IsVoter:
		c.Reason, c.Message = v1alpha2.ReasonMemberStarting, "etcd runs, and the member does not vote yet"
	default:
		c.Reason, c.Message = v1alpha2.ReasonMemberNotServing, "etcd runs and does not serve linearizable reads"
	}
	return c
}

func (s *scene) joined() metav1.Condition {
	if s.member.Status.IsVoter {
		return metav1.Condition{
			Type: v1alpha2.ConditionJoined, Status: metav1.ConditionTrue, Reason: v1alpha2.ReasonMemberVoter,
			Message: fmt.Sprintf("the member votes as %s", s.member.Status.MemberID),
		}
	}
	return metav1.Condition{
		Type: v1alpha2.ConditionJoined, Status: metav1.ConditionFalse, Reason: v1alpha2.ReasonMemberNotYetVoter,
		Message: "the member is not recorded as a voter yet",
	}
}

func (s *scene) drifted(st *v1alpha2.EtcdMemberStatus) metav1.Condition {
	if st.Version != "" && st.Version != s.member.Spec.Version {
		return metav1.Condition{
			Type: v1alpha2.ConditionVersionDrifted, Status: metav1.ConditionTrue, Reason: v1alpha2.ReasonMemberVersionDiffers,
			Message: fmt.Sprintf("the Pod runs %s, the spec asks for %s", st.Version, s.member.Spec.Version),
		}
	}
	return metav1.Condition{
		Type: v1alpha2.ConditionVersionDrifted, Status: metav1.ConditionFalse, Reason: v1alpha2.ReasonMemberVersionAsDesired,
		Message: "no Pod runs another version than the spec asks for",
	}
}

func podReady(pod *corev1.Pod) bool {
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func etcdStarted(pod *corev1.Pod) bool {
	c := resource.EtcdStatus(pod)
	return c != nil && c.Started != nil && *c.Started
}

func etcdRuns(pod *corev1.Pod) bool {
	c := resource.EtcdStatus(pod)
	return c != nil && c.State.Running != nil
}

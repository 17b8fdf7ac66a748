package member

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// failure is why the member cannot serve, nil if nothing speaks against it. Its texts are the same for the same failure.
// What is wrong with the volume or the node explains what is wrong with the Pod, so it goes first, unless the data are gone.
func (s *scene) failure(next plan.Realization) *finding {
	if next.Failure != "" {
		return &finding{MemberFailure: v1alpha2.MemberFailure{Reason: next.Failure, Message: next.Message}}
	}
	f := podFailure(s.pod)
	if node := s.nodeFailure(); node != nil && !conclusive(f) {
		return node
	}
	if f != nil {
		f.Message += s.advice(f.Reason)
	}
	return f
}

// conclusive says whether f is proof by itself that the member has to be replaced, whatever becomes of its node.
func conclusive(f *finding) bool {
	return f != nil && plan.Judge(plan.Finding{Reason: f.Reason, Proven: f.Proven}).Lost
}

// finding is a failure as it is seen now. Times counts the ends of the container that can be seen.
type finding struct {
	v1alpha2.MemberFailure
	broke bool // the end before them was seen too, and was another failure
}

// account ties what is found to the failure that is on record: since when, and how often in a row. now is when it was found.
func (s *scene) account(found *finding, now metav1.Time) *v1alpha2.MemberFailure {
	before := s.member.Status.Failure
	switch {
	case found == nil && s.unresolved(before):
		kept := before.DeepCopy()
		if !s.sawPod() {
			kept.RestartCount = uncounted
		}
		return kept
	case found == nil:
		return nil
	case before == nil || before.Reason != found.Reason || before.Since == nil:
		found.Since = &now
		return &found.MemberFailure
	}
	found.Since = before.Since
	if found.Times == 0 || found.broke {
		return &found.MemberFailure
	}
	counted := int32(uncounted)
	if s.sawPod() {
		counted = before.RestartCount
	}
	found.Times = before.Times + max(0, min(found.RestartCount-counted, found.Times))
	return &found.MemberFailure
}

// uncounted stands for the restart count of a container of which no end has been counted.
const uncounted = -1

// sawPod says whether the record speaks of the Pod that is there.
func (s *scene) sawPod() bool { return s.pod != nil && string(s.pod.UID) == s.member.Status.PodUID }

// unresolved says whether a failure that the container ended with is still the last word on the data, although the Pod that
// showed it is gone: etcd has not started since.
func (s *scene) unresolved(before *v1alpha2.MemberFailure) bool {
	return before != nil && before.Times > 0 && !s.member.Spec.Dormant && !etcdStarted(s.pod)
}

// podFailure is why a Pod cannot serve, nil if nothing speaks against it.
func podFailure(pod *corev1.Pod) *finding {
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return nil
	}
	if c := unscheduled(pod); c != nil {
		return &finding{MemberFailure: v1alpha2.MemberFailure{Reason: v1alpha2.FailureUnschedulable, Message: c.Message}}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if f := containerFailure(c); f != nil {
			return f
		}
	}
	return nil
}

// unscheduled is the condition that says that no node takes the Pod, nil if there is none.
func unscheduled(pod *corev1.Pod) *corev1.PodCondition {
	for i, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func containerFailure(c corev1.ContainerStatus) *finding {
	if w := c.State.Waiting; w != nil && strings.Contains(w.Reason, "Image") { // ErrImagePull and its kin
		return &finding{MemberFailure: v1alpha2.MemberFailure{
			Reason: v1alpha2.FailureImage, Message: fmt.Sprintf("the image %s cannot be pulled", c.Image),
		}}
	}
	if fetches(c) {
		return fetchFailure(c)
	}
	return endFailure(c)
}

// smallest is the least storage that etcd starts in: two log files of 64 MB, and a little for the database.
var smallest = resource.MustParse("192Mi")

// advice is what helps against a failure that comes from how the member is configured.
func (s *scene) advice(reason string) string {
	size := s.member.Spec.Storage.Size
	switch {
	case reason == v1alpha2.FailureDiskFull && size.Cmp(smallest) < 0:
		return fmt.Sprintf(" (etcd allots two log files of 64 MB each before it writes anything: spec.storage.size is %s, and "+
			"should be %s or more)", size.String(), smallest.String())
	case reason == v1alpha2.FailureOutOfMemory && s.inMemory():
		return " (with storage.medium Memory the data count towards the limit, too)"
	default:
		return ""
	}
}

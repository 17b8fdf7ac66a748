package snapshot

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// lingerWithin is how long the Pod of a Job that has failed may take to end before another try is begun beside it: its node does not
// answer, and what both would store belongs to the same EtcdSnapshot.
const lingerWithin = time.Minute

// tryOf is what a Job says by itself.
func tryOf(job *batchv1.Job, now time.Time) plan.Try {
	t := plan.Try{
		Job: job.Name, Number: resource.TryNumber(job), Request: job.Annotations[v1alpha2.AnnotationVerify],
		Going: !job.DeletionTimestamp.IsZero(),
	}
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch since := c.LastTransitionTime.Time; {
		case c.Type == batchv1.JobComplete:
			t.State, t.Ended = plan.TrySucceeded, since
		case c.Type == batchv1.JobFailed:
			t.State, t.Ended = plan.TryFailed, since
		case c.Type == batchv1.JobFailureTarget && t.State == plan.TryRunning && now.Sub(since) > lingerWithin:
			t.State, t.Ended, t.Lingers = plan.TryFailed, now, true
		}
	}
	t.Lingers = t.Lingers || job.Status.Active > 0 || job.Status.Terminating != nil && *job.Status.Terminating > 0
	return t
}

// hear adds what the agent, or else its Pod, has to say.
func (s *scene) hear(t *plan.Try, job *batchv1.Job, pod *corev1.Pod) {
	if t.State == plan.TryRunning {
		t.Message = waitsFor(pod)
		return
	}
	report := reportOf(pod)
	if t.State == plan.TrySucceeded && !whole(report, task.Kind(job.Labels[v1alpha2.LabelSnapshotTask])) {
		t.State = plan.TryFailed // it said that all is well, and not what it did: it has to say so again
		report = task.Report{Reason: task.Interrupted, Message: "the agent ended without saying what it has done"}
	}
	if t.State == plan.TrySucceeded {
		s.artifact = report.Artifact
		t.Message = report.Message
		return
	}
	if report.Succeeded || report.Reason == "" {
		report.Reason = task.Interrupted
	}
	t.Reason, t.Message = string(report.Reason), cmp.Or(report.Message, string(report.Reason))
	t.Foreign = report.Reason == task.ForeignObject
	t.Final, t.Damning = report.Reason.Final(), report.Reason.Damning()
	if why := endOf(job, pod); report.Reason == task.Interrupted && why != "" {
		t.Message = why
	}
}

// whole says whether a report of success tells what was done.
func whole(r task.Report, kind task.Kind) bool {
	if kind != task.Save {
		return r.Succeeded
	}
	a := r.Artifact
	return r.Succeeded && a != nil && a.URI != "" && a.SizeBytes > 0 && strings.HasPrefix(a.Checksum, "sha256:")
}

// reportOf is the agent's last word. That of a container before it counts if it failed.
func reportOf(pod *corev1.Pod) task.Report {
	if pod == nil {
		return task.ParseReport("")
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		ended := c.State.Terminated
		if ended == nil || c.Name != resource.AgentContainer && ended.ExitCode == 0 {
			continue
		}
		report := task.ParseReport(ended.Message)
		report.Succeeded = report.Succeeded && ended.ExitCode == 0 && c.Name == resource.AgentContainer
		return report
	}
	return task.ParseReport("")
}

// endOf is how an agent ended that had no time to say why.
func endOf(job *batchv1.Job, pod *corev1.Pod) string {
	for _, c := range job.Status.Conditions {
		if c.Type == batchv1.JobFailed && c.Reason == batchv1.JobReasonDeadlineExceeded {
			return "it was stopped at its deadline"
		}
	}
	if pod == nil {
		return "its Pod was deleted"
	}
	if pod.Status.Reason != "" {
		return strings.TrimSuffix(fmt.Sprintf("its Pod ended: %s: %s", pod.Status.Reason, pod.Status.Message), ": ")
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if ended := c.State.Terminated; ended != nil && ended.ExitCode != 0 && ended.Message == "" {
			return fmt.Sprintf("container %s ended with exit code %d (%s)", c.Name, ended.ExitCode, ended.Reason)
		}
	}
	return ""
}

// waitsFor is what keeps an agent from working, empty if nothing does.
func waitsFor(pod *corev1.Pod) string {
	if pod == nil {
		return "it has no Pod yet (its events tell why)"
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return cmp.Or(c.Message, c.Reason)
		}
	}
	for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if wait := c.State.Waiting; wait != nil && wait.Reason != "PodInitializing" {
			return strings.TrimSuffix(wait.Reason+": "+wait.Message, ": ")
		}
	}
	return ""
}

// working says whether the agent can be asked how far it is.
func working(pod *corev1.Pod) bool {
	return pod != nil && pod.Status.Phase == corev1.PodRunning && pod.Status.PodIP != "" && pod.DeletionTimestamp.IsZero()
}

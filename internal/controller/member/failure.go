package member

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// crashes is after how many restarts a container that is not up is said to crash again and again.
const crashes = 2

// podFailure is why a Pod cannot serve, nil if nothing speaks against it. The texts are the same for the same failure.
func podFailure(pod *corev1.Pod) *v1alpha2.MemberFailure {
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return nil
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return &v1alpha2.MemberFailure{Reason: v1alpha2.FailureUnschedulable, Message: c.Message}
		}
	}
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if f := containerFailure(c); f != nil {
			return f
		}
	}
	return nil
}

func containerFailure(c corev1.ContainerStatus) *v1alpha2.MemberFailure {
	if w := c.State.Waiting; w != nil && strings.Contains(w.Reason, "Image") { // ErrImagePull and its kin
		return &v1alpha2.MemberFailure{Reason: v1alpha2.FailureImage, Message: fmt.Sprintf("the image %s cannot be pulled", c.Image)}
	}
	end := lastEnd(c)
	if end == nil {
		return nil
	}
	if f := launcherRefusal(end); f != nil {
		return f
	}
	if c.RestartCount < crashes {
		return nil
	}
	message := fmt.Sprintf("%s ends again and again with exit code %d", c.Name, end.ExitCode)
	if why := lastWords(end.Message); why != "" {
		message += ": " + why
	}
	return &v1alpha2.MemberFailure{Reason: v1alpha2.FailureCrashing, Message: message, ExitCode: &end.ExitCode}
}

// lastEnd is how c ended last, nil if it is up, or has done what it was for.
func lastEnd(c corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.Ready || c.Started != nil && *c.Started {
		return nil
	}
	end := c.State.Terminated // the newest end is here for a moment before it moves on
	if end == nil {
		end = c.LastTerminationState.Terminated
	}
	if end != nil && end.ExitCode == 0 && c.Name != resource.EtcdContainer {
		return nil
	}
	return end
}

// refusals are the launcher's exit codes.
var refusals = map[int32]string{
	41: v1alpha2.FailureForeignData,
	42: v1alpha2.FailureDataLost,
	43: v1alpha2.FailureDataUnreadable,
}

func launcherRefusal(end *corev1.ContainerStateTerminated) *v1alpha2.MemberFailure {
	reason, known := refusals[end.ExitCode]
	if !known {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(end.Message), "\n")
	var said struct{ Reason, Message string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &said); err != nil || said.Reason != reason {
		return nil // etcd itself ended with this code
	}
	return &v1alpha2.MemberFailure{Reason: reason, Message: said.Message, ExitCode: &end.ExitCode}
}

// lastWords finds why etcd ended in the tail of its log, without what differs from one time to the next.
func lastWords(tail string) string {
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	for _, line := range slices.Backward(lines) {
		if panicked, found := strings.CutPrefix(line, "panic: "); found {
			return panicked
		}
		var entry struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Level != "fatal" && entry.Level != "panic" {
			continue
		}
		if entry.Error == "" {
			return entry.Msg
		}
		return entry.Msg + ": " + entry.Error
	}
	return ""
}

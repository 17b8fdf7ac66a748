package observe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// untold says whether the spec asks members for what etcd may refuse and nobody has been told before. Who was told it is the one who
// shows whether it works.
func (s *Scene) untold() bool {
	return s.Cluster.Status.Template != nil && resource.NeedsRehearsal(resource.Target(s.Cluster, false), s.Cluster) &&
		!slices.ContainsFunc(s.Members, func(m *Member) bool {
			return m.Object.Spec.Version == s.Cluster.Spec.Version &&
				equality.Semantic.DeepEqual(m.Object.Spec.Options, s.Cluster.Spec.Options)
		})
}

// rehearsed says whether the template of the spec may be given to members, as far as etcd may refuse it.
func (s *Scene) rehearsed() bool {
	record := s.rehearsalRecord()
	return !s.untold() || record != nil && record.Result == v1alpha2.RehearsalPassed
}

// rehearsalRecord is what was recorded of a rehearsal of the template of the spec, nil if nothing was.
func (s *Scene) rehearsalRecord() *v1alpha2.RehearsalStatus {
	r := s.Cluster.Status.Rollout
	if r == nil || r.Rehearsal == nil || r.Rehearsal.Template != resource.RehearsalHash(s.Cluster) {
		return nil
	}
	return r.Rehearsal
}

func (s *Scene) rehearsal(now time.Time) plan.Rehearsal {
	r := plan.Rehearsal{
		Due:     s.want() > 0 && s.untold() && s.permitted(),
		Version: s.Cluster.Spec.Version,
		Pod:     s.rehearsalPod(now),
		Apart:   s.timersApart(),
	}
	if record := s.rehearsalRecord(); record != nil {
		r.Result, r.Message, r.Ago = trials[record.Result], record.Message, now.Sub(record.Time.Time)
	}
	return r
}

var trials = map[v1alpha2.RehearsalResult]plan.Trial{
	v1alpha2.RehearsalPassed: plan.Passed, v1alpha2.RehearsalFailed: plan.RefusedByEtcd, v1alpha2.RehearsalPrevented: plan.Prevented,
}

// RehearsalResult is how a trial is recorded.
func RehearsalResult(t plan.Trial) v1alpha2.RehearsalResult {
	for result, trial := range trials {
		if trial == t {
			return result
		}
	}
	return ""
}

// timersApart says why members with the timers of the spec cannot be beside those that there are.
func (s *Scene) timersApart() string {
	of := func(name string, o *v1alpha2.EtcdOptions) plan.Timers {
		heartbeat, election := resource.Timers(o)
		return plan.Timers{Of: name, Heartbeat: heartbeat, Election: election}
	}
	var there []plan.Timers
	for _, m := range s.Members {
		if s.Cluster.Status.Template != nil && m.Object.Spec.Removal == nil {
			there = append(there, of(m.Object.Name, m.Object.Spec.Options))
		}
	}
	return plan.TimersApart(of("", s.Cluster.Spec.Options), there)
}

func (s *Scene) rehearsalPod(now time.Time) plan.RehearsalPod {
	pod := s.Rehearsal
	if pod == nil {
		return plan.RehearsalPod{}
	}
	p := plan.RehearsalPod{
		Exists:  true,
		Going:   pod.DeletionTimestamp != nil,
		Current: pod.Annotations[v1alpha2.AnnotationTemplate] == resource.RehearsalHash(s.Cluster),
		Age:     now.Sub(pod.CreationTimestamp.Time),
	}
	p.Result, p.Message = rehearsalEnd(pod)
	p.Void = p.Result != plan.Passed && p.Result != plan.RefusedByEtcd && isEndedByNode(pod)
	if p.Result == plan.Untried {
		p.Obstacle, p.Unplaced, p.Repelled = keptBy(pod), unplaced(pod), repels(s.Cluster)
	}
	return p
}

// repels says whether members of c may let no other Pod onto their nodes: required anti-affinity holds both ways.
func repels(c *v1alpha2.EtcdCluster) bool {
	requires := func(a *corev1.Affinity) bool {
		return a != nil && a.PodAntiAffinity != nil && len(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) > 0
	}
	return requires(c.Spec.Affinity) || c.Status.Template != nil && requires(c.Status.Template.Affinity)
}

// isEndedByNode says whether a Pod was ended from outside: evicted, preempted, or not admitted by its node.
func isEndedByNode(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodFailed && (pod.Status.Reason != "" || slices.ContainsFunc(pod.Status.Conditions,
		func(c corev1.PodCondition) bool {
			return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
		}))
}

// launcherRefused is what the launcher ends with when etcd does not start.
const launcherRefused = 45

// rehearsalEnd is what the containers of a rehearsal ended with.
func rehearsalEnd(pod *corev1.Pod) (plan.Trial, string) {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		end := c.State.Terminated
		switch {
		case end == nil, end.ExitCode == 0 && c.Name != resource.RehearsalContainer:
			continue
		case end.ExitCode == 0:
			return plan.Passed, ""
		case end.Reason == "OOMKilled":
			return plan.RefusedByEtcd, "it was killed at its memory limit: spec.resources is not enough for etcd to start"
		}
		var said struct{ Reason, Message string }
		if end.ExitCode == launcherRefused && json.Unmarshal([]byte(end.Message), &said) == nil && said.Message != "" {
			return plan.RefusedByEtcd, said.Message
		}
		return plan.Prevented, Brief(fmt.Sprintf("container %s ended with exit code %d: %s %s", c.Name, end.ExitCode, end.Reason, end.Message))
	}
	return plan.Untried, ""
}

// keptBy is what keeps the containers of a Pod from starting, in the kubelet's words.
func keptBy(pod *corev1.Pod) string {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" && w.Reason != "" {
			return Brief(fmt.Sprintf("image %s: %s: %s", c.Image, w.Reason, w.Message))
		}
	}
	return ""
}

// unplaced is why no node takes a Pod, in the scheduler's words.
func unplaced(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return Brief(c.Message)
		}
	}
	return ""
}

// Brief is text in one line that fits into a condition.
func Brief(text string) string {
	const most = 400
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " ..."
	}
	return text
}

// space is the quota that members are told, and the smallest volume of one.
func (s *Scene) space() (sp plan.Space) {
	if o := s.Cluster.Spec.Options; o != nil && o.QuotaBackendBytes != nil {
		sp.Quota = *o.QuotaBackendBytes
	}
	for _, m := range s.Members {
		size := m.Object.Spec.Storage.Size
		if m.Claim != nil {
			if actual, known := m.Claim.Status.Capacity[corev1.ResourceStorage]; known {
				size = actual
			}
		}
		if bytes := size.Value(); sp.Volume == 0 || bytes < sp.Volume {
			sp.Volume = bytes
		}
	}
	return sp
}

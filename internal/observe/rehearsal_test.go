package observe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// asking is a cluster of one member, all of which is on record, and whose spec asks for another version.
func asking() *Scene {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", UID: "uid"}}
	c.Spec.Version, c.Spec.Replicas = "3.6.14", new(int32(1))
	m := resource.Member(c, resource.MemberIntent{Ordinal: 1})
	record := resource.TemplateOf(m)
	c.Status.Template = &record
	c.Spec.Version = "3.6.16"
	return &Scene{Cluster: c, Members: []*Member{{Object: m}}}
}

func (s *Scene) triedOut(r v1alpha2.RehearsalResult) {
	s.Cluster.Status.Rollout = &v1alpha2.RolloutStatus{Rehearsal: &v1alpha2.RehearsalStatus{
		Template: resource.RehearsalHash(s.Cluster), Result: r, Time: metav1.NewTime(noon.Add(-time.Minute)),
	}}
}

func TestWhatEtcdMayRefuseIsGivenToNobodyBeforeItWasTriedOut(t *testing.T) {
	for _, tc := range []struct {
		claim   string
		change  func(*Scene)
		due     bool
		target  string
		refused string
	}{
		{"another version", func(*Scene) {}, true, "3.6.14", ""},
		{"another version that was tried out", func(s *Scene) { s.triedOut(v1alpha2.RehearsalPassed) }, true, "3.6.16", ""},
		{"another version that was refused", func(s *Scene) { s.triedOut(v1alpha2.RehearsalFailed) }, true, "3.6.14", ""},
		{"one that could not be tried out", func(s *Scene) { s.triedOut(v1alpha2.RehearsalPrevented) }, true, "3.6.14", ""},
		{"another version after another one was tried out", func(s *Scene) {
			s.triedOut(v1alpha2.RehearsalPassed)
			s.Cluster.Spec.Version = "3.6.17"
		}, true, "3.6.14", ""},
		{"another option", func(s *Scene) {
			s.Cluster.Spec.Version, s.Cluster.Spec.Options = "3.6.14", &v1alpha2.EtcdOptions{MaxTxnOps: new(int32(3))}
		}, true, "3.6.14", ""},
		{"the same", func(s *Scene) { s.Cluster.Spec.Version = "3.6.14" }, false, "3.6.14", ""},
		{"more memory", func(s *Scene) {
			s.Cluster.Spec.Version = "3.6.14"
			s.Cluster.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("1Gi")}
		}, false, "3.6.14", ""},
		{"what a member has", func(s *Scene) { s.Members[0].Object.Spec.Version = "3.6.16" }, false, "3.6.16", ""},
		{"a cluster that has nothing to go back to", func(s *Scene) { s.Cluster.Status.Template = nil }, false, "3.6.16", ""},
		{"a cluster that is paused", func(s *Scene) { s.Cluster.Spec.Replicas = new(int32(0)) }, false, "3.6.14", ""},
		{"what has failed already", func(s *Scene) {
			s.Cluster.Status.Rollout = &v1alpha2.RolloutStatus{Failed: &v1alpha2.FailedRollout{
				Template: resource.TemplateHash(resource.Template(s.Cluster)),
			}}
		}, false, "3.6.14", ""},
		{"timers that are far from those of a member", func(s *Scene) {
			s.Cluster.Spec.Options = &v1alpha2.EtcdOptions{ElectionTimeoutMilliseconds: new(int32(6000))}
		}, false, "3.6.14", s1 + " has heartbeats every 100ms and elections after 1s, the spec asks for 100ms and 6s"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			s := asking()
			tc.change(s)
			got := s.rehearsal(noon)
			if got.Due != tc.due || !strings.Contains(got.Apart, tc.refused) || (got.Apart != "") != (tc.refused != "") {
				t.Errorf("due: %t, apart: %q", got.Due, got.Apart)
			}
			if target := s.Target().Spec.Version; target != tc.target {
				t.Errorf("members are to have %s", target)
			}
		})
	}
}

var s1 = resource.MemberName("db", "uid", 1)

func TestThePodOfARehearsalTellsHowItCameOut(t *testing.T) {
	state := func(s corev1.ContainerState) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{Name: resource.RehearsalContainer, Image: "etcd:v3.6.16", State: s}}
	}
	ended := func(code int32, reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodFailed
			end := &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}
			p.Status.ContainerStatuses = state(corev1.ContainerState{Terminated: end})
		}
	}
	waiting := func(reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = state(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
		}
	}
	for _, tc := range []struct {
		claim  string
		change func(*corev1.Pod)
		want   plan.RehearsalPod
	}{
		{"it runs", func(*corev1.Pod) {}, plan.RehearsalPod{}},
		{"it is made", waiting("PodInitializing", ""), plan.RehearsalPod{}},
		{"etcd served", ended(0, "Completed", ""), plan.RehearsalPod{Result: plan.Passed}},
		{"etcd does not start", ended(45, "Error", `{"reason":"RehearsalFailed","message":"unknown flag","volume":""}`),
			plan.RehearsalPod{Result: plan.RefusedByEtcd, Message: "unknown flag"}},
		{"it is too large for its limit", ended(137, "OOMKilled", ""),
			plan.RehearsalPod{
				Result: plan.RefusedByEtcd, Message: "it was killed at its memory limit: spec.resources is not enough for etcd to start",
			}},
		{"the launcher has another idea", ended(1, "Error", "etcd-launcher: \n no"),
			plan.RehearsalPod{Result: plan.Prevented, Message: "container rehearsal ended with exit code 1: Error etcd-launcher: no"}},
		{"it is evicted", func(p *corev1.Pod) {
			ended(137, "Error", "")(p)
			p.Status.Reason = "Evicted"
		}, plan.RehearsalPod{Result: plan.Prevented, Message: "container rehearsal ended with exit code 137: Error ", Void: true}},
		{"its node goes down", func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodFailed
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
		}, plan.RehearsalPod{Void: true}},
		{"it is evicted after etcd has served", func(p *corev1.Pod) {
			ended(0, "Completed", "")(p)
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
		}, plan.RehearsalPod{Result: plan.Passed}},
		{"its image is not there", waiting("ErrImagePull", "manifest unknown"),
			plan.RehearsalPod{Obstacle: "image etcd:v3.6.16: ErrImagePull: manifest unknown"}},
		{"no node takes it", func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes"}}
		}, plan.RehearsalPod{Unplaced: "0/3 nodes"}},
		{"it goes", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: noon} }, plan.RehearsalPod{Going: true}},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			s := asking()
			s.Rehearsal = resource.Rehearsal(s.Cluster, resource.RehearsalIntent{})
			s.Rehearsal.CreationTimestamp = metav1.NewTime(noon.Add(-time.Second))
			tc.change(s.Rehearsal)
			want := tc.want
			want.Exists, want.Current, want.Age = true, true, time.Second
			got := s.rehearsalPod(noon)
			if got.Message = strings.TrimSpace(got.Message); got.Message != strings.TrimSpace(want.Message) {
				t.Errorf("it says %q, want %q", got.Message, want.Message)
			}
			if got.Message = want.Message; got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			s.Cluster.Spec.Version = "3.6.17"
			if s.rehearsalPod(noon).Current {
				t.Error("it counts for another template")
			}
		})
	}
}

func TestTheSmallestVolumeCounts(t *testing.T) {
	s := asking()
	s.Cluster.Spec.Options = &v1alpha2.EtcdOptions{QuotaBackendBytes: new(int64(900))}
	s.Members[0].Object.Spec.Storage.Size = apiresource.MustParse("2000")
	claim := &corev1.PersistentVolumeClaim{}
	s.Members = append(s.Members, &Member{Object: s.Members[0].Object, Claim: claim})
	if got := s.space(); got != (plan.Space{Quota: 900, Volume: 2000}) {
		t.Errorf("got %+v", got)
	}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: apiresource.MustParse("1000")}
	if got := s.space(); got != (plan.Space{Quota: 900, Volume: 1000}) {
		t.Errorf("got %+v", got)
	}
}

package resource_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestARehearsalIsTakenForAMemberByNobody(t *testing.T) {
	c := fullCluster()
	c.Spec.AdditionalMetadata = &v1alpha2.AdditionalMetadata{Labels: map[string]string{
		v1alpha2.LabelMember: "stolen", v1alpha2.LabelRole: v1alpha2.RoleVoter, v1alpha2.LabelOrdinal: "9",
		"app.kubernetes.io/component": "member", "app.kubernetes.io/name": "etcd",
	}}
	pod := resource.Rehearsal(c, resource.RehearsalIntent{})
	for name, selector := range map[string]map[string]string{
		"member Pods":            resource.MemberPodLabels(c.UID),
		"the headless Service":   resource.HeadlessService(c).Spec.Selector,
		"the client Service":     resource.ClientService(c).Spec.Selector,
		"the disruption budget":  resource.DisruptionBudget(c, 3, 3).Spec.Selector.MatchLabels,
		"scrapers and VPAs":      {"app.kubernetes.io/name": "etcd", "app.kubernetes.io/instance": c.Name},
		"whoever selects voters": {v1alpha2.LabelRole: v1alpha2.RoleVoter},
	} {
		if labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s include the Pod of a rehearsal", name)
		}
	}
	if pod.Labels[v1alpha2.LabelMember] != "" || pod.Labels[v1alpha2.LabelOrdinal] != "" || len(pod.Spec.Containers[0].Ports) > 0 {
		t.Errorf("it looks like a member: %v", pod.Labels)
	}
	if !resource.IsRehearsal(pod) || resource.IsRehearsal(resource.Pod(member(c), resource.PodIntent{})) {
		t.Error("a rehearsal is not told from a member")
	}
}

func TestARehearsalIsAnotherOneForWhatItMayComeOutDifferentlyFor(t *testing.T) {
	for _, tc := range []struct {
		claim                 string
		change                func(*v1alpha2.EtcdClusterSpec)
		needed, distinguished bool
	}{
		{"nothing", func(*v1alpha2.EtcdClusterSpec) {}, false, false},
		{"a version", func(s *v1alpha2.EtcdClusterSpec) { s.Version = "3.5.36" }, true, true},
		{"an option", func(s *v1alpha2.EtcdClusterSpec) { s.Options.MaxTxnOps = new(int32(5)) }, true, true},
		{"no options", func(s *v1alpha2.EtcdClusterSpec) { s.Options = nil }, true, true},
		{"secrets of a registry", func(s *v1alpha2.EtcdClusterSpec) { s.ImagePullSecrets = nil }, false, true},
		{"other nodes", func(s *v1alpha2.EtcdClusterSpec) {
			s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
		}, false, true},
		{"labels", func(s *v1alpha2.EtcdClusterSpec) { s.AdditionalMetadata = nil }, false, false},
		{"memory", func(s *v1alpha2.EtcdClusterSpec) { s.Resources = corev1.ResourceRequirements{} }, false, false},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			before, after := fullCluster(), fullCluster()
			tc.change(&after.Spec)
			if got := resource.NeedsRehearsal(before, after); got != tc.needed {
				t.Errorf("needed: %t", got)
			}
			if got := resource.RehearsalHash(before) != resource.RehearsalHash(after); got != tc.distinguished {
				t.Errorf("distinguished: %t", got)
			}
		})
	}
}

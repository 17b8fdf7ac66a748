package resource_test

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestMemberNamesOfAClusterNeverRepeat(t *testing.T) {
	for _, uid := range []string{clusterUID, "", "another"} {
		seen := map[string]int64{}
		for ordinal := range int64(20000) {
			name := resource.MemberName("db", types.UID(uid), ordinal)
			if earlier, repeated := seen[name]; repeated {
				t.Fatalf("ordinals %d and %d of %q are both %s", earlier, ordinal, uid, name)
			}
			seen[name] = ordinal
		}
	}
}

func TestMemberNameIsADNSLabelAndBelongsToTheUID(t *testing.T) {
	longest := "a23456789-123456789-123456789-123456789-123456789-123456"
	if len(longest) != 56 {
		t.Fatalf("the longest cluster name has %d characters", len(longest))
	}
	name := resource.MemberName(longest, clusterUID, 7)
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		t.Errorf("%s: %v", name, problems)
	}
	if !regexp.MustCompile(`-[a-z0-9]{5}$`).MatchString(name) {
		t.Errorf("%s has another suffix", name)
	}
	if again := resource.MemberName(longest, "another-uid", 7); again == name {
		t.Errorf("a cluster of another UID has the member %s too", name)
	}
}

func TestSelectorsMatchTheMemberPodsOfOneCluster(t *testing.T) {
	c := plainCluster()
	pod := resource.Pod(member(c), resource.PodIntent{})
	stranger := plainCluster()
	stranger.UID = "another-uid"
	other := resource.Pod(member(stranger), resource.PodIntent{})

	for name, text := range map[string]string{"cluster": resource.Selector(c), "member": resource.MemberSelector(member(c))} {
		selector, err := labels.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if !selector.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s: %s does not match the Pod's %v", name, text, pod.Labels)
		}
		if selector.Matches(labels.Set(other.Labels)) {
			t.Errorf("%s: %s matches a Pod of another cluster of this name", name, text)
		}
		if selector.Matches(labels.Set(resource.HeadlessService(c).Labels)) {
			t.Errorf("%s: %s matches another component", name, text)
		}
	}
	if client := resource.ClientService(c).Spec.Selector; labels.SelectorFromSet(client).Matches(labels.Set(pod.Labels)) {
		t.Error("the client Service selects a member that does not vote yet")
	}
}

func TestDisruptionBudgetKeepsAQuorumOfTheLargerNumber(t *testing.T) {
	for _, tt := range []struct{ voters, want, keeps int32 }{
		{3, 3, 2}, {3, 5, 3}, {5, 3, 3}, {3, 0, 2}, {1, 1, 1}, {2, 2, 2}, {0, 0, 1},
	} {
		if got := resource.DisruptionBudget(plainCluster(), tt.voters, tt.want).Spec.MinAvailable.IntVal; got != tt.keeps {
			t.Errorf("%d voters, %d wanted: keeps %d, not %d", tt.voters, tt.want, got, tt.keeps)
		}
	}
}

func TestAManualEditIsRepairedAndNothingElseIsTouched(t *testing.T) {
	c := plainCluster()
	desired := resource.ClientService(c)
	served := desired.DeepCopy()
	served.Spec.ClusterIP = "10.0.0.7"
	served.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
	served.Spec.SessionAffinity = corev1.ServiceAffinityNone
	served.Labels["added-by"] = "somebody"
	if !resource.Current(desired, served) {
		t.Error("what the API server fills in counts as drift")
	}
	for name, edit := range map[string]func(*corev1.Service){
		"a narrower selector": func(s *corev1.Service) { s.Spec.Selector["zone"] = "a" },
		"another port":        func(s *corev1.Service) { s.Spec.Ports[0].Port = 1 },
		"one port more":       func(s *corev1.Service) { s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "x", Port: 1}) },
		"not-ready addresses": func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true },
		"a label changed":     func(s *corev1.Service) { s.Labels[v1alpha2.LabelClusterUID] = "" },
	} {
		edited := served.DeepCopy()
		edit(edited)
		if resource.Current(desired, edited) {
			t.Errorf("%s goes unnoticed", name)
		}
		if diff := cmp.Diff(served, resource.Correct(desired, edited)); diff != "" {
			t.Errorf("%s is not repaired (-want +got):\n%s", name, diff)
		}
	}
}

func TestBudgetDriftIsNoticed(t *testing.T) {
	c := plainCluster()
	if resource.Current(resource.DisruptionBudget(c, 5, 5), resource.DisruptionBudget(c, 3, 3)) {
		t.Error("a budget for fewer voters counts as current")
	}
	if !resource.Current(resource.DisruptionBudget(c, 3, 3), resource.DisruptionBudget(c, 3, 3)) {
		t.Error("the same budget counts as drift")
	}
}

func TestOnlyAPodWithAGrantIsHeld(t *testing.T) {
	m := member(plainCluster())
	granted := resource.Pod(m, resource.PodIntent{Grant: resource.GrantEmpty, VolumeUID: "v"})
	if !resource.HoldsGrant(granted) || !resource.Held(granted) {
		t.Error("a Pod with a grant is free to start")
	}
	resource.Release(granted)
	if !resource.HoldsGrant(granted) || resource.Held(granted) {
		t.Error("a released Pod is held still, or has lost its grant")
	}
	plain := resource.Pod(m, resource.PodIntent{VolumeUID: "v"})
	if resource.HoldsGrant(plain) || resource.Held(plain) {
		t.Error("a Pod without a grant is held")
	}
	if !resource.StartsOn(plain, "v") || resource.StartsOn(plain, "w") {
		t.Error("a Pod does not tell the volume it was made for")
	}
}

func TestAFounderFoundsOnlyWhileTheClusterIsNotRecorded(t *testing.T) {
	c := plainCluster()
	founder := member(c)
	joiner := resource.Member(c, resource.MemberIntent{Ordinal: 4})
	for _, tt := range []struct {
		name  string
		m     *v1alpha2.EtcdMember
		form  bool
		state string
	}{
		{"a founder before", founder, true, "new"},
		{"a founder after", founder, false, "existing"},
		{"a joiner before", joiner, true, "existing"},
		{"a joiner after", joiner, false, "existing"},
	} {
		args := resource.Pod(tt.m, resource.PodIntent{Form: tt.form}).Spec.Containers[0].Args
		if !slices.Contains(args, "--initial-cluster-state="+tt.state) {
			t.Errorf("%s does not start with state %s: %v", tt.name, tt.state, args)
		}
	}
}

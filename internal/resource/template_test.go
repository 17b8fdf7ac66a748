package resource_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestAPodIsMadeAnewOnlyWhenItsMemberWasGivenOtherSettings(t *testing.T) {
	c := plainCluster()
	m := member(c)
	first := resource.Pod(m, resource.PodIntent{})
	if resource.Stale(m, first) {
		t.Error("a Pod that was just made is stale")
	}
	// A default that a new version of the API fills in, or a hand that edits an EtcdMember, restarts nobody.
	m.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(5000))}
	if resource.Stale(m, first) {
		t.Error("a Pod is stale although nobody let its member start anew")
	}
	c.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(6000))}
	c.Spec.Storage.Size = apiresource.MustParse("5Gi")
	resource.Update(c, m, m.Spec.PeerURL, false)
	if *m.Spec.Options.SnapshotCount != 6000 || m.Spec.Storage.Size.Cmp(c.Spec.Storage.Size) == 0 || !resource.Stale(m, first) {
		t.Errorf("the member has %d and %s", *m.Spec.Options.SnapshotCount, m.Spec.Storage.Size.String())
	}
	second := resource.Pod(m, resource.PodIntent{})
	resource.Update(c, m, m.Spec.PeerURL, false)
	if third := resource.Pod(m, resource.PodIntent{}); !resource.Stale(m, first) || !resource.Stale(m, second) || resource.Stale(m, third) {
		t.Error("after a second update both earlier Pods are stale, and the next one is not")
	}
}

func TestEveryDifferenceHasAClass(t *testing.T) {
	before, after := plainCluster(), fullCluster()
	after.Spec.Affinity = &corev1.Affinity{}
	after.Spec.Storage = v1alpha2.StorageSpec{Size: apiresource.MustParse("9Gi"), StorageClassName: new("fast")}
	after.Annotations = map[string]string{v1alpha2.AnnotationRestartedAt: "now"}
	restarts := []string{
		"version", "resources", "affinity", "topologySpreadConstraints", "options", "imagePullSecrets", "restartedAt",
	}
	live, grow, replace := []string{"additionalMetadata"}, []string{"storage.size"}, []string{"storage.storageClassName"}
	want := resource.Changes{Live: live, Restart: restarts, Grow: grow, Replace: replace}
	if diff := cmp.Diff(want, resource.Differences(after, member(before), true)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want.Grow, want.Replace = nil, slices.Concat(grow, replace)
	if diff := cmp.Diff(want, resource.Differences(after, member(before), false)); diff != "" {
		t.Errorf("on a volume that does not grow (-want +got):\n%s", diff)
	}
	m := member(before)
	m.Spec.Storage.Medium = v1alpha2.StorageMediumMemory
	if got := resource.Differences(after, m, true); len(got.Restart)+len(got.Grow) > 0 || !slices.Contains(got.Replace, "options") {
		t.Errorf("a member in memory would be restarted: %v", got)
	}
	if got := resource.Differences(before, member(before), true); !cmp.Equal(got, resource.Changes{}) {
		t.Errorf("a new member differs in %v", got)
	}
	rewritten := plainCluster()
	rewritten.Spec.Storage.Size = apiresource.MustParse("1024Mi")
	if got := resource.Differences(rewritten, member(before), true); !cmp.Equal(got, resource.Changes{}) {
		t.Errorf("the same size written differently is a difference in %v", got)
	}
}

func TestTheTargetIsTheSpecOrWhatMembersWereLastBroughtTo(t *testing.T) {
	old, c := plainCluster(), fullCluster()
	if resource.Target(c, false) != c {
		t.Error("a cluster without a record has a target that is not its spec")
	}
	m := member(old)
	record := resource.TemplateOf(m)
	c.Status.Template = &record
	if resource.Target(c, true) != c {
		t.Error("a spec that is cleared is not the target")
	}
	target := resource.Target(c, false)
	if diff := cmp.Diff(record, resource.Template(target)); diff != "" {
		t.Errorf("the target differs from what is on record (-want +got):\n%s", diff)
	}
	if got, want := resource.Differences(target, m, true), (resource.Changes{Live: []string{"additionalMetadata"}}); !cmp.Equal(got, want) {
		t.Errorf("with the target that it has, a member differs in %v", got)
	}
	if resource.TemplateHash(record) == resource.TemplateHash(resource.Template(c)) {
		t.Error("two templates have one hash")
	}
}

func TestARestartIsAskedForOnce(t *testing.T) {
	c := plainCluster()
	m := member(c)
	c.Annotations = map[string]string{v1alpha2.AnnotationRestartedAt: "noon"}
	if got := resource.Differences(c, m, true).Restart; !slices.Equal(got, []string{"restartedAt"}) {
		t.Fatalf("asked to restart, the member differs in %v", got)
	}
	resource.Update(c, m, m.Spec.PeerURL, false)
	record := resource.TemplateOf(m)
	c.Status.Template = &record
	if got := resource.Pod(m, resource.PodIntent{}).Annotations[v1alpha2.AnnotationRestartedAt]; got != "noon" {
		t.Errorf("the Pod says %q", got)
	}
	c.Annotations = nil
	if got := resource.Differences(c, m, true).Restart; got != nil {
		t.Errorf("that the annotation goes is a difference in %v", got)
	}
}

func TestAdaptedMembersWearWhatIsAddedAndNothingElseIsTaken(t *testing.T) {
	t.Parallel()
	c := plainCluster()
	c.Spec.AdditionalMetadata = &v1alpha2.AdditionalMetadata{
		Labels: map[string]string{"team": "a", "old": "1"}, Annotations: map[string]string{"note": "x"},
	}
	m := resource.Member(c, resource.MemberIntent{Ordinal: 1})
	own := m.Labels[v1alpha2.LabelMember]
	m.Labels["somebody"], m.Annotations[v1alpha2.AnnotationMemberID] = "else", "1f"
	c.Spec.AdditionalMetadata = &v1alpha2.AdditionalMetadata{
		Labels: map[string]string{"team": "b", v1alpha2.LabelMember: "stolen"}, Annotations: map[string]string{v1alpha2.AnnotationMemberID: "2f"},
	}
	resource.Adapt(c, m)
	if m.Labels["team"] != "b" || m.Labels["old"] != "" || m.Labels["somebody"] != "else" || m.Labels[v1alpha2.LabelMember] != own {
		t.Errorf("wears the labels %v", m.Labels)
	}
	if _, ok := m.Annotations["note"]; ok || m.Annotations[v1alpha2.AnnotationMemberID] != "1f" {
		t.Errorf("wears the annotations %v", m.Annotations)
	}
}

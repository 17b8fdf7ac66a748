package resource_test

import (
	"slices"
	"testing"

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
	c.Spec.Version = "3.7.3"
	restart, renewal := resource.Differences(c, m)
	if !slices.Equal(restart, []string{"options"}) || !slices.Equal(renewal, []string{"version"}) {
		t.Errorf("a restart takes over %v, a new member %v", restart, renewal)
	}
	resource.Update(c, m, m.Spec.PeerURL)
	if *m.Spec.Options.SnapshotCount != 6000 || m.Spec.Version == c.Spec.Version || !resource.Stale(m, first) {
		t.Errorf("the member has %d and %s", *m.Spec.Options.SnapshotCount, m.Spec.Version)
	}
	second := resource.Pod(m, resource.PodIntent{})
	resource.Update(c, m, m.Spec.PeerURL)
	if third := resource.Pod(m, resource.PodIntent{}); !resource.Stale(m, first) || !resource.Stale(m, second) || resource.Stale(m, third) {
		t.Error("after a second update both earlier Pods are stale, and the next one is not")
	}
}

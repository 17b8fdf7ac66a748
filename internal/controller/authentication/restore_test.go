package authentication

import (
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// fresh is a cluster whose members have started from a snapshot that was taken with authentication on. Nothing is on record of it.
func fresh(t *testing.T) *world {
	t.Helper()
	w := settled(t)
	c := w.cluster()
	formed := c.Status.ClusterID
	c.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{}}
	must(t, w.store.Update(t.Context(), c))
	c.Status = v1alpha2.EtcdClusterStatus{InitialMembers: founders, TLS: c.Status.TLS}
	must(t, w.store.Status().Update(t.Context(), c))
	must(t, w.store.Delete(t.Context(), w.secret()))
	var members v1alpha2.EtcdMemberList
	must(t, w.store.List(t.Context(), &members))
	for _, m := range members.Items {
		m.Spec.Bootstrap = true
		must(t, w.store.Update(t.Context(), &m))
		m.Status = v1alpha2.EtcdMemberStatus{Grant: &v1alpha2.StartGrant{State: v1alpha2.GrantUsed, VolumeUID: "volume-of-" + m.Name}}
		must(t, w.store.Status().Update(t.Context(), &m))
	}
	w.strange, w.writes = true, nil
	if seen := w.look(); seen.ClusterID != 0 || seen.SeenID != 0 || !seen.Barred() {
		t.Fatalf("the world is not as it should be: %+v, formed as %s", seen, formed)
	}
	return w
}

func (w *world) changedEtcd() bool {
	return slices.ContainsFunc(w.writes, func(what string) bool { return strings.HasPrefix(what, "etcd ") })
}

// TestTheOperatorIsLetInToWhatCameWithASnapshotBeforeTheClusterHasFormed: its ID is recorded only once a member has answered.
func TestTheOperatorIsLetInToWhatCameWithASnapshotBeforeTheClusterHasFormed(t *testing.T) {
	w := fresh(t)
	w.put("root", "another-secret")
	w.settle()
	w.ready(v1alpha2.ReasonRootRefused, "put the one that etcd has into root's Secret")
	w.put("root", "first-secret")
	w.settle()
	if seen := w.look(); seen.SeenID == 0 || seen.Barred() {
		t.Fatalf("nobody answers the operator: %+v", seen)
	}
	if w.changedEtcd() {
		t.Errorf("etcd was changed before the cluster had formed: %v", w.writes)
	}
	c := w.cluster()
	c.Status.ClusterID = "c1"
	must(t, w.store.Status().Update(t.Context(), c))
	w.mustHide("first-secret", "another-secret", "apps-secret")
}

func TestAClusterThatHasNotFormedIsLeftAloneUnlessItAsksWhoCalls(t *testing.T) {
	w := fresh(t)
	c := w.cluster()
	c.Spec.Bootstrap = nil
	must(t, w.store.Update(t.Context(), c))
	if w.settle(); len(w.writes) > 0 {
		t.Errorf("it is not from a snapshot, and led to %v", w.writes)
	}
	w = fresh(t)
	w.put(resource.OperatorRootName(demo.Name), "") // none of ours
	must(t, w.as("root", "first-secret").DisableAuth(t.Context()))
	w.writes = nil
	if w.settle(); len(w.writes) > 0 {
		t.Errorf("nobody asks who calls, and it led to %v", w.writes)
	}
}

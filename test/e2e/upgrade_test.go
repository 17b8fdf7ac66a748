//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// of runs a version of etcd.
func of(version string) option { return func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version } }

// TestVersionIsChangedUnderLoad goes up a minor after a snapshot, and back down again.
func TestVersionIsChangedUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, of("3.5.35"))
	claim, _ := w.shelf()
	w.Expect(testbed.Create(w.ctx, w.yearly(claim))).To(gomega.Succeed())
	before := w.identity()
	w.bring("3.6.16")
	w.Expect(w.safeguards("3.6.16")).To(gomega.Equal(1), "snapshots before")
	w.bring("3.5.35")
	w.expectSurvivors(before)
	w.settle(w.load)
}

// TestClusterInMemoryGoesUpAMinor: its members are replaced one at a time, and it cannot go back down.
func TestClusterInMemoryGoesUpAMinor(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, memory)
	before := w.identity()
	w.bring("3.7.3")
	w.Expect(w.identity().ClusterID).To(gomega.Equal(before.ClusterID))
	w.refusesVersion("3.6.16", "a cluster in memory cannot be downgraded")
	w.settle(w.load)
}

// yearly says where snapshots go, and takes none during a test.
func (c *cluster) yearly(claim string) *v1alpha2.EtcdSnapshotSchedule {
	o := &v1alpha2.EtcdSnapshotSchedule{}
	o.Namespace, o.Name = c.namespace, "yearly"
	o.Spec.ClusterRef.Name, o.Spec.Schedule = c.name, "0 0 1 1 *"
	o.Spec.Destination = v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: claim}}
	return o
}

// safeguards counts the complete snapshots that were taken before a version.
func (c *cluster) safeguards(version string) (n int) {
	c.t.Helper()
	var all v1alpha2.EtcdSnapshotList
	c.Expect(testbed.List(c.ctx, &all, client.InNamespace(c.namespace))).To(gomega.Succeed())
	for _, s := range all.Items {
		if s.Labels[v1alpha2.LabelBeforeVersion] == version && s.Status.Phase == v1alpha2.SnapshotComplete {
			n++
		}
	}
	return n
}

// bring changes the version, and waits until every member and the cluster are of it. No more than one voter may be away at a time.
func (w *ward) bring(version string) {
	w.t.Helper()
	size := int(w.get().Status.ReadyMembers)
	from, fewest, began := w.get().Status.Version, w.watchReady(), time.Now()
	w.load.Journal.TakeGap()
	w.change(of(version))
	w.awaitVersion(version, size)
	w.t.Logf("etcd %s to %s with %d members: %.1f s, longest gap %d ms", from, version, size, time.Since(began).Seconds(),
		w.load.Journal.TakeGap().Took.Milliseconds())
	w.Expect(fewest()).To(gomega.BeNumerically(">=", size-1), "ready members")
	w.verify(w.load)
}

// awaitVersion asks etcd itself, and what the operator says.
func (w *ward) awaitVersion(version string, size int) {
	w.t.Helper()
	minor := version[:strings.LastIndex(version, ".")]
	w.awaitFor(2*patience, "all members run "+version, func() {
		o := w.get()
		w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("True"))
		w.Expect(condition(o, v1alpha2.ConditionUpgradeReady)).To(gomega.BeEmpty())
		w.Expect(o.Status.Version).To(gomega.Equal(version))
		w.Expect(o.Status.Template.Version).To(gomega.Equal(version))
		w.Expect(o.Status.UpdatedMembers).To(gomega.BeEquivalentTo(size))
		if r := o.Status.Rollout; r != nil {
			w.Expect(r.Downgrade).To(gomega.BeNil())
			w.Expect(r.Failed).To(gomega.BeNil())
			w.Expect(r.Checks).To(gomega.BeEmpty())
		}
		all, err := w.endpoints(w.ctx)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		w.Expect(all).To(gomega.HaveLen(size))
		for _, one := range all {
			st, err := w.dial(one).Status(w.soon(), one)
			w.Expect(err).NotTo(gomega.HaveOccurred())
			w.Expect(st.Version).To(gomega.Equal(version))
			if minor != "3.5" { // which tells nothing of its data
				w.Expect(st.StorageVersion).To(gomega.HavePrefix(minor+"."), one)
				w.Expect(st.DowngradeInfo.GetEnabled()).To(gomega.BeFalse(), one)
			}
		}
	})
}

// refusesVersion asks for a version that cannot be had: the API server says why, and nothing is touched.
func (w *ward) refusesVersion(version, why string) {
	w.t.Helper()
	starts := w.starts()
	o := w.get()
	of(version)(o)
	w.Expect(testbed.Update(w.ctx, o)).To(gomega.MatchError(gomega.ContainSubstring(why)))
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
}

// stalls waits until the operator says that a version cannot be had, and that nothing was touched for it.
func (w *ward) stalls(version, reason, why string, starts map[string]int32) {
	w.t.Helper()
	w.change(of(version))
	w.await("it is said why "+version+" cannot be had", func() {
		w.Expect(condition(w.get(), v1alpha2.ConditionReady)).To(gomega.And(gomega.HavePrefix("False "+reason), gomega.ContainSubstring(why)))
	})
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
	w.Expect(condition(w.get(), v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True"))
}

// TestVersionThatCannotBeHadTouchesNobody: each is refused with the way to go, and what can be had still can.
func TestVersionThatCannotBeHadTouchesNobody(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, of("3.5.35"))
	before, starts := w.identity(), w.starts()
	w.refusesVersion("3.7.3", "set version to 3.6.16 first")
	w.refusesVersion("4.0.0", "version must be of a supported minor")
	w.stalls("3.6.99", "RehearsalFailed", "etcd:v3.6.99", starts) // there is no such image
	w.change(of("3.5.35"))
	w.awaitReady(3)
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
	w.expectSurvivors(before)
	w.settle(w.load)
}

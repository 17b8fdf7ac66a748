//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// TestVersionThatDoesNotStartTouchesNobody: it is tried out alone first.
func TestVersionThatDoesNotStartTouchesNobody(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	w.Expect(testbed.Retag(t, "3.5.35", "3.7.97")).To(gomega.Succeed()) // 3.5 does not know the flags of 3.7
	w.stalls("3.7.97", "RehearsalFailed", "flag provided but not defined", w.starts())
	w.settle(w.load)
}

// TestVersionThatDoesNotTakeTheDataCostsOneMember: it starts alone, crashes on the data of the first member, and is taken back.
func TestVersionThatDoesNotTakeTheDataCostsOneMember(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	w.Expect(testbed.Break(t, "3.7.3", "3.7.9")).To(gomega.Succeed())
	before, starts, fewest := w.identity(), w.starts(), w.watchReady()
	w.change(of("3.7.9"))
	failed := w.awaitWithdrawn(v1alpha2.FailureCrashing)
	w.touchedOnly(failed, starts)
	w.Expect(fewest()).To(gomega.BeNumerically(">=", 2), "ready members")
	w.change(of("3.6.16"))
	w.awaitReady(3)
	w.expectSurvivors(before)
	w.settle(w.load)
}

// TestUpgradeIsTakenBackFromAMemberWhoseVolumeIsFull: etcd runs out of space in its first moments with another minor.
func TestUpgradeIsTakenBackFromAMemberWhoseVolumeIsFull(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	victim := follower(w.cluster)
	node, dir := w.limit(victim)
	w.change(of("3.7.3"))
	w.await(victim+" is given the version", func() { w.Expect(w.member(victim).Spec.Version).To(gomega.Equal("3.7.3")) })
	w.Expect(testbed.FillVolume(w.ctx, node, dir)).To(gomega.Succeed())
	w.fatten()
	w.await("it is taken back", func() {
		w.Expect(w.get().Status.Rollout).To(gomega.HaveField("Failed.Reason", v1alpha2.FailureDiskFull))
		for _, m := range w.members() {
			w.Expect(m.Spec.Version).To(gomega.Equal("3.6.16"))
		}
	})
	w.Expect(testbed.EmptyVolume(w.ctx, node, dir)).To(gomega.Succeed())
	w.Expect(w.awaitWithdrawn(v1alpha2.FailureDiskFull)).To(gomega.Equal(victim))
	w.withoutPod(victim, func() { w.Expect(testbed.FreeVolume(w.ctx, node, dir)).To(gomega.Succeed()) })
	w.change(of("3.6.16"))
	w.awaitReady(3)
	w.expectSurvivors(before)
	w.settle(w.load)
}

// awaitWithdrawn waits until all members are well with what they had, and the operator names the one that was not, and why.
func (w *ward) awaitWithdrawn(reason string) (failed string) {
	w.t.Helper()
	w.await("all members have what they had", func() {
		o := w.get()
		w.Expect(o.Status.Rollout).NotTo(gomega.BeNil())
		w.Expect(o.Status.Rollout.Failed).NotTo(gomega.BeNil())
		failed = o.Status.Rollout.Failed.Member
		w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.And(gomega.HavePrefix("False RolloutFailed"),
			gomega.ContainSubstring(failed+": "+reason+": "+o.Status.Rollout.Failed.Message)))
		w.Expect(o.Status.Rollout.Failed.Message).NotTo(gomega.BeEmpty())
		w.Expect(o.Status.ReadyMembers).To(gomega.BeEquivalentTo(3))
		w.Expect(o.Status.Version).To(gomega.Equal(o.Status.Template.Version))
	})
	w.t.Log(condition(w.get(), v1alpha2.ConditionReady))
	return failed
}

// touchedOnly holds that all others run as they did.
func (w *ward) touchedOnly(member string, starts map[string]int32) {
	w.t.Helper()
	for _, p := range w.pods() {
		if p.Name != member {
			w.Expect(starts).To(gomega.HaveKeyWithValue(string(p.UID)+" etcd", int32(0)), p.Name+" was restarted")
		}
	}
}

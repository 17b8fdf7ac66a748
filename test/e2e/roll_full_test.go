//go:build e2e && full

package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// TestRollWaitsForADrainedNode drains the node of a member while another one is restarted for a new version. Nobody else is restarted until
// the node is back, and the rollout is no failure. Not parallel: it closes a node to everybody.
func TestRollWaitsForADrainedNode(t *testing.T) {
	c := newCluster(t, newPlaceEverywhere(t).apart)
	c.awaitReady(3)
	w := &ward{c, c.write()}
	before, fewest := w.identity(), w.watchReady()
	w.change(of("3.7.3"))
	var first string
	w.await("a member is given the version", func() {
		for _, m := range w.members() {
			if m.Spec.Version == "3.7.3" {
				first = m.Name
			}
		}
		w.Expect(first).NotTo(gomega.BeEmpty())
	})
	var drained string
	for _, name := range w.memberNames() {
		if name != first {
			drained = name
		}
	}
	node := w.pod(drained).Spec.NodeName
	t.Cleanup(func() {
		if _, err := testbed.Kubectl(t, "uncordon", node); err != nil {
			t.Error(err)
		}
	})
	_, err := testbed.Kubectl(t, "drain", node, "--pod-selector="+v1alpha2.LabelCluster+"="+w.name, "--delete-emptydir-data", "--timeout=120s")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.await(drained+" has no node", func() { w.Expect(unschedulable(w.pod(drained))).To(gomega.BeTrue()) })
	starts := w.podUIDs()
	w.expectNoReplacement(10*time.Second, before, nil)
	for name, uid := range w.podUIDs() {
		w.Expect(starts).To(gomega.HaveKeyWithValue(name, uid), name+" was restarted while "+drained+" was away")
	}
	w.Expect(condition(w.get(), v1alpha2.ConditionReady)).To(gomega.ContainSubstring(drained))

	_, err = testbed.Kubectl(t, "uncordon", node)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.awaitVersion("3.7.3", 3)
	w.Expect(fewest()).To(gomega.BeNumerically(">=", 2), "ready members")
	w.expectSurvivors(before)
	w.settle(w.load)
}

//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// killNode takes the power from a node, and gives it back when the test ends at the latest.
func killNode(t *testing.T, node string) (restore func()) {
	t.Helper()
	g := gomega.NewWithT(t)
	g.Expect(testbed.KillNode(t.Context(), node)).To(gomega.Succeed())
	done := false
	restore = func() {
		if done {
			return
		}
		done = true
		ctx := context.Background()
		g.Expect(testbed.RestoreNode(ctx, node)).To(gomega.Succeed())
		g.Eventually(func() (bool, error) { return testbed.NodeReady(ctx, node) }, patience, "500ms").Should(gomega.BeTrue(), node+" is back")
		g.Expect(testbed.UntaintOutOfService(ctx, node)).To(gomega.Succeed())
		g.Eventually(func() (bool, error) { return testbed.NodeFree(ctx, node) }, patience, "100ms").Should(gomega.BeTrue(), node+" is free")
	}
	t.Cleanup(restore)
	return restore
}

// on is a member on a node.
func (c *cluster) on(node string) string {
	c.t.Helper()
	for _, p := range c.pods() {
		if p.Spec.NodeName == node {
			return p.Name
		}
	}
	c.t.Fatalf("no member of %s is on %s", c.name, node)
	return ""
}

// Not parallel: it takes a node from everybody. One cluster gives the node little time, the other one enough to come back.
func TestMembersOfALostNodeAreReplacedAfterTheirGraceAndNotBefore(t *testing.T) {
	short := newWard(t, 3, nodeGrace(5))
	long := newWard(t, 3)
	memory := newWard(t, 3, memory, nodeGrace(5))
	before, kept := short.identity(), long.identity()
	memories := memory.identity()
	victim, patient, forgetful := short.on("node3"), long.on("node3"), memory.on("node3")
	restore := killNode(t, "node3")

	long.awaitFailure(patient, v1alpha2.FailureNodeLost)
	short.awaitReplaced(victim, v1alpha2.FailureNodeLost)
	memory.awaitReplaced(forgetful, v1alpha2.FailureNodeLost)
	short.awaitReady(3)
	memory.awaitReady(3)
	short.expectSurvivors(before, victim)
	memory.expectSurvivors(memories, forgetful)
	short.Expect(short.claim(victim).Labels).To(gomega.HaveKey(v1alpha2.LabelSetAside))

	long.Expect(long.replacements()).To(gomega.BeEmpty())
	restore()
	long.awaitReady(3)
	long.Expect(long.identity()).To(gomega.Equal(kept))
	for _, w := range []*ward{short, long, memory} {
		w.settle(w.load)
	}
}

// anywhere makes volumes that every node reaches, as a network disk is, and lets the members have those.
func anywhere(t *testing.T, n int) option {
	t.Helper()
	class, err := testbed.SharedVolumes(t, n)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.StorageClassName = &class }
}

// Not parallel: it takes a node from everybody. The data are not lost with the node, so the member waits, and goes on elsewhere as soon
// as it is certain that it runs no more on the old one.
func TestMemberOfADeadNodeGoesOnElsewhereWhenItsDataAreThere(t *testing.T) {
	ways := map[string]func(ctx context.Context, node string) error{"out-of-service": testbed.TaintOutOfService}
	if full {
		ways["deleted"] = testbed.DeleteNode
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			w := newWard(t, 3, anywhere(t, 3), nodeGrace(1))
			before, victim := w.identity(), w.on("node3")
			pod := w.pod(victim)
			restore := killNode(t, "node3")
			w.awaitFailure(victim, v1alpha2.FailureNodeDown)
			w.expectNoReplacement(5*time.Second, w.names(), nil)
			w.Expect(w.pod(victim).UID).To(gomega.Equal(pod.UID), "nobody knows yet that it runs no more")

			w.Expect(way(w.ctx, "node3")).To(gomega.Succeed())
			w.awaitReady(3)
			w.Expect(w.pod(victim).Spec.NodeName).NotTo(gomega.Equal("node3"))
			w.Expect(w.identity()).To(gomega.Equal(before))
			w.Expect(w.replacements()).To(gomega.BeEmpty())
			restore()
			w.settle(w.load)
		})
	}
}

// Not parallel: it cuts a node off from the API server. The members see each other, and go on.
func TestMemberOnANodeThatTheControlPlaneLosesIsKept(t *testing.T) {
	w := newWard(t, 3, nodeGrace(1))
	before, recorded := w.identity(), w.replacements()
	w.Expect(testbed.CutNodeFromHost(w.ctx, "node3")).To(gomega.Succeed())
	t.Cleanup(func() {
		if err := testbed.HealNode(context.Background(), "node3"); err != nil {
			t.Error(err)
		}
	})
	w.await("the node is not ready", func() {
		ready, err := testbed.NodeReady(w.ctx, "node3")
		w.Expect(err).NotTo(gomega.HaveOccurred())
		w.Expect(ready).To(gomega.BeFalse())
	})
	w.expectNoReplacement(10*time.Second, w.names(), recorded)
	w.Expect(testbed.HealNode(w.ctx, "node3")).To(gomega.Succeed())
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.settle(w.load)
}

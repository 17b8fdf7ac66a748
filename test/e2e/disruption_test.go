//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestEachMemberMayLoseItsPodInTurnUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	load := c.write()
	c.loseEachPodInTurn()
	c.settle(load)
}

// loseEachPodInTurn deletes the Pods of a cluster of three, each when the one before is back as the member that it was.
func (c *cluster) loseEachPodInTurn() {
	c.t.Helper()
	before := c.identity()
	for _, name := range c.memberNames() {
		c.deletePod(name, true)
		c.awaitReady(3)
		c.Expect(c.identity()).To(gomega.Equal(before))
	}
}

// Not parallel: it closes a node to everybody.
func TestDrainOfASecondNodeIsRefusedWhileAMemberIsDown(t *testing.T) { drain(t) }

// Not parallel: it closes a node to everybody.
func TestDrainIsAsSafeWhileTheOperatorDies(t *testing.T) {
	kills := killAtRandom(t)
	drain(t)
	if kills() == 0 {
		t.Error("the operator was never killed")
	}
}

func drain(t *testing.T) {
	t.Helper()
	c := newCluster(t, newPlaceEverywhere(t).apart)
	c.awaitReady(3)
	load := c.write()
	pods := c.pods()
	first, second := pods[0], pods[1]
	t.Cleanup(func() {
		if _, err := testbed.Kubectl(t, "uncordon", first.Spec.NodeName); err != nil {
			t.Error(err)
		}
	})

	_, err := testbed.Kubectl(t, "drain", first.Spec.NodeName, "--pod-selector="+v1alpha2.LabelCluster+"="+c.name,
		"--delete-emptydir-data", "--timeout=60s")
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.await("the drained member is down and counted", func() {
		c.Expect(unschedulable(c.pod(first.Name))).To(gomega.BeTrue())
		c.Expect(c.get().Status.ReadyMembers).To(gomega.BeEquivalentTo(2))
	})
	c.Expect(apierrors.IsTooManyRequests(evict(c.ctx, &second))).To(gomega.BeTrue(), "the budget refuses a second one")
	c.awaitAcks(load, 20)

	_, err = testbed.Kubectl(t, "uncordon", first.Spec.NodeName)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.awaitReady(3)
	c.await("the second may go now", func() { c.Expect(evict(c.ctx, &second)).To(gomega.Succeed()) })
	c.await("it comes back", func() { c.Expect(c.pod(second.Name).UID).NotTo(gomega.Equal(second.UID)) })
	c.awaitReady(3)
	c.settle(load)
}

func newPlaceEverywhere(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	p.open("node1", "node2", "node3")
	return p
}

func evict(ctx context.Context, p *corev1.Pod) error {
	return testbed.SubResource("eviction").Create(ctx, p, &policyv1.Eviction{})
}

//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestScaleUpAndDownLosesNoWrite(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	load := c.write()
	founders := c.identity()

	c.scale(5)
	c.awaitReady(5)
	five := c.identity()
	c.Expect(five.ClusterID).To(gomega.Equal(founders.ClusterID))
	for name, id := range founders.Members {
		c.Expect(five.Members).To(gomega.HaveKeyWithValue(name, id))
	}
	c.verify(load)

	// The youngest is the first to go, unless it leads: a follower is missed less.
	names := c.memberNames()
	youngest := names[len(names)-1]
	c.lead(youngest)
	c.scale(3)
	c.awaitReady(3)
	c.Expect(c.memberNames()).To(gomega.ContainElement(youngest))
	c.Expect(c.memberIDs()).To(gomega.HaveLen(3))
	c.Expect(c.claims()).To(gomega.HaveLen(3), "the volumes of members that left are deleted")
	c.settle(load)
}

// A follower that was chosen to leave may have become the leader meanwhile. The operator finds that out before it acts: here the
// intent to remove the leader is on record while the operator keeps its hands off. Nothing else runs beside it: an operator that is
// killed takes its Events along, and leaders change under load.
func TestLeaderThatHasToLeaveHandsOverFirst(t *testing.T) {
	c := newCluster(t)
	c.awaitReady(3)
	c.scale(5)
	c.awaitReady(5)
	load := c.write()
	names := c.memberNames()
	victim := names[len(names)-1]
	c.lead(victim)

	o := c.get()
	before := client.MergeFrom(o.DeepCopy())
	o.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
	c.Expect(testbed.Patch(c.ctx, o, before)).To(gomega.Succeed())
	c.awaitCondition(v1alpha2.ConditionReady, "False ReconcilingDisabled")
	c.scale(3)
	m := c.member(victim)
	c.Expect(testbed.Unlock(c.ctx, m)).To(gomega.Succeed())
	was := client.MergeFrom(m.DeepCopy())
	m.Spec.Removal = &v1alpha2.MemberRemoval{Reason: "ScaledDown"}
	c.Expect(testbed.Patch(c.ctx, m, was)).To(gomega.Succeed())
	c.lead(victim)

	o = c.get()
	before = client.MergeFrom(o.DeepCopy())
	delete(o.Annotations, v1alpha2.AnnotationReconcile)
	c.Expect(testbed.Patch(c.ctx, o, before)).To(gomega.Succeed())
	c.awaitReady(3)
	c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim))
	c.awaitEvent("MovingLeader")
	c.settle(load)
}

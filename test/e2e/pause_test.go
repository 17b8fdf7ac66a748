//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestPausedClusterComesBackAsItWas(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	load := c.write()
	before := c.identity()

	c.scale(0)
	o := c.awaitCondition(v1alpha2.ConditionReady, "True Paused")
	c.Expect(condition(o, v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("False Paused"))
	c.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.BeEmpty())
	c.Expect(o.Status.ReadyMembers).To(gomega.BeZero())
	c.Expect(c.pods()).To(gomega.BeEmpty())
	c.Expect(c.claims()).To(gomega.HaveLen(3))
	c.Consistently(c.pods, "3s", "500ms").Should(gomega.BeEmpty())

	c.scale(3)
	c.awaitReady(3)
	c.Expect(c.identity()).To(gomega.Equal(before))
	c.awaitAcks(load, 20)
	c.settle(load)
}

//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestMemoryMemberThatLosesItsPodIsReplacedUnderANewName(t *testing.T) {
	t.Parallel()
	c := newCluster(t, memory)
	c.awaitReady(3)
	load := c.write()
	ever := c.memberNames()
	id := c.get().Status.ClusterID
	for _, victim := range []string{follower(c), c.leader()} {
		c.t.Logf("deleting the Pod of %s", victim)
		c.deletePod(victim, false)
		c.await(victim+" is replaced", func() {
			c.Expect(c.memberNames()).To(gomega.HaveLen(3))
			c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim))
			c.Expect(c.replacements()).To(gomega.ContainElement(victim + " " + v1alpha2.FailureMemoryLost))
		})
		c.awaitReady(3)
		for _, name := range c.memberNames() {
			c.Expect(name).NotTo(gomega.Equal(victim))
		}
		ever = append(ever, c.memberNames()[2])
	}
	unique := map[string]bool{}
	for _, name := range ever {
		unique[name] = true
	}
	c.Expect(unique).To(gomega.HaveLen(5), "three founders and two newcomers: %v", ever)
	c.Expect(c.get().Status.ClusterID).To(gomega.Equal(id))
	c.Expect(c.claims()).To(gomega.BeEmpty())
	c.settle(load)
}

// follower is a member that does not lead.
func follower(c *cluster) string {
	c.t.Helper()
	leader := c.leader()
	for _, name := range c.memberNames() {
		if name != leader {
			return name
		}
	}
	c.t.Fatal("there is no follower")
	return ""
}

//go:build e2e && full

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestEveryMinorIsCreatedScaledAndPaused(t *testing.T) {
	for _, version := range []string{"3.5.35", "3.7.3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version })
			c.Expect(c.awaitReady(3).Status.Version).To(gomega.Equal(version))
			load := c.write()
			c.scale(4)
			c.awaitReady(4)
			c.scale(3)
			c.awaitReady(3)
			before := c.identity()
			c.scale(0)
			c.awaitCondition(v1alpha2.ConditionReady, "True Paused")
			c.scale(3)
			c.awaitReady(3)
			c.Expect(c.identity()).To(gomega.Equal(before))
			c.settle(load)
		})
	}
}

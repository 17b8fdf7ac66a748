//go:build e2e && full

package e2e

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
)

// TestEveryWayBetweenVersions goes from the oldest minor to the newest and back, as far as etcd allows, with 3 and 5 members, while the
// operators are killed at random.
func TestEveryWayBetweenVersions(t *testing.T) {
	kills := killAtRandom(t)
	t.Run("all", func(t *testing.T) {
		for _, size := range []int32{3, 5} {
			t.Run(fmt.Sprintf("%d members with volumes", size), func(t *testing.T) {
				t.Parallel()
				w := newWard(t, size, of("3.5.35"))
				before := w.identity()
				for _, version := range []string{"3.6.14", "3.6.16", "3.7.3", "3.6.16", "3.5.35"} {
					w.bring(version)
				}
				w.expectSurvivors(before)
				w.settle(w.load)
			})
			t.Run(fmt.Sprintf("%d members in memory", size), func(t *testing.T) {
				t.Parallel()
				w := newWard(t, size, memory, of("3.5.35"))
				before := w.identity()
				w.bring("3.6.16")
				w.bring("3.7.3")
				w.Expect(w.identity().ClusterID).To(gomega.Equal(before.ClusterID))
				w.settle(w.load)
			})
		}
	})
	if n := kills(); n < 20 {
		t.Errorf("the operator was killed %d times: too few to tell anything", n)
	}
}

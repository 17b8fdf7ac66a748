//go:build e2e

package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// TestLearnersJoinAnIdleClusterWithALongHistory: a learner that gets more than 5000 entries by a snapshot, and loses its first request
// to the change of connections that follows, serves only when somebody writes. Nobody does, so the operator has to.
func TestLearnersJoinAnIdleClusterWithALongHistory(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	const entries = 6000
	c.fill(entries)
	w := &ward{cluster: c}
	for range 3 { // not every learner loses it
		victim := follower(c)
		w.lose(victim, v1alpha2.FailureRequested, func() { w.askForReplacement(victim) })
	}
	w.Expect(w.replacements()).To(gomega.HaveEach(gomega.HaveSuffix(v1alpha2.FailureRequested)))
	etcd := c.dialAll()
	stored, err := etcd.Get(t.Context(), "fill/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || stored.Count != entries {
		t.Errorf("%d of %d entries are left: %v", stored.Count, entries, err)
	}
}

// fill makes so many entries.
func (c *cluster) fill(entries int) {
	c.t.Helper()
	etcd, next := c.dialAll(), make(chan int)
	var writers sync.WaitGroup
	for range 32 {
		writers.Go(func() {
			for n := range next {
				if _, err := etcd.Put(c.t.Context(), fmt.Sprintf("fill/%d", n), "value"); err != nil {
					c.t.Error(err)
				}
			}
		})
	}
	for n := range entries {
		next <- n
	}
	close(next)
	writers.Wait()
}

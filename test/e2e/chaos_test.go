//go:build e2e

package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// The operator is killed without warning, again and again, while clusters go through their lives. Not parallel: no other test is to
// wait for an operator that has just begun.
func TestOperatorMayDieAtAnyTime(t *testing.T) {
	kills := killAtRandom(t)
	t.Run("lives", func(t *testing.T) {
		t.Run("of a cluster with volumes", liveWithVolumes)
		t.Run("of a cluster in memory", liveInMemory)
		t.Run("of a cluster that changes its version", liveThroughVersions)
	})
	if n := kills(); n < 5 {
		t.Errorf("the operator was killed %d times: too few to tell anything", n)
	}
}

func liveWithVolumes(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	load := c.write()
	founders := c.identity()

	c.scale(5)
	c.awaitReady(5)
	c.verify(load)

	c.scale(0)
	c.awaitCondition(v1alpha2.ConditionReady, "True Paused")
	c.Expect(c.pods()).To(gomega.BeEmpty())
	c.scale(5)
	c.awaitReady(5)

	c.scale(3)
	c.awaitReady(3)
	c.verify(load)

	before := c.identity()
	c.loseEachPodInTurn()
	c.Expect(before.ClusterID).To(gomega.Equal(founders.ClusterID))
	c.settle(load)
}

func liveInMemory(t *testing.T) {
	t.Parallel()
	c := newCluster(t, memory)
	c.awaitReady(3)
	load := c.write()
	for range 2 {
		victim := c.leader()
		c.deletePod(victim, false)
		c.await(victim+" is replaced", func() { c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim)) })
		c.awaitReady(3)
	}
	c.settle(load)
}

func liveThroughVersions(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	w.bring("3.7.3")
	w.bring("3.6.16")
	w.expectSurvivors(before)
	w.settle(w.load)
}

// killAtRandom kills the leading operator at random times until the function that it returns is called, which tells how often.
func killAtRandom(t *testing.T) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var (
		running sync.WaitGroup
		killed  int
		source  = random(t)
	)
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(between(source, 200*time.Millisecond, 5*time.Second)):
			}
			name, err := testbed.KillOperator(ctx)
			switch {
			case err == nil:
				killed++
				t.Logf("%s: killed %s", time.Now().Format("15:04:05.000"), name)
			case errors.Is(err, bed.ErrNoLeader) || ctx.Err() != nil:
			default:
				t.Logf("%s: killed nobody: %v", time.Now().Format("15:04:05.000"), err)
			}
		}
	})
	stop = sync.OnceValue(func() int {
		cancel()
		running.Wait()
		return killed
	})
	t.Cleanup(func() { stop() })
	return stop
}

func between(source *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(source.Int64N(int64(most-least)))
}

//go:build e2e

package e2e

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// With five voters etcd adds a new member while one is lost: the lost one goes only when the new one can take its place.
func TestFiveMembersReplaceOneWithoutBecomingFewer(t *testing.T) {
	t.Parallel()
	w := newWard(t, 5, generous)
	sizes := w.watchSizes()
	victim := w.leader()
	w.lose(victim, v1alpha2.FailureDataLost, func() { w.harmVolume(victim, bed.Wipe) })
	least, most := sizes()
	w.Expect(least).To(gomega.BeNumerically(">=", 4), "fewest voters that etcd listed")
	w.Expect(most).To(gomega.Equal(6), "most members that etcd listed: the new one came before the lost one went")
	w.settle(w.load)
}

func TestFiveMembersReplaceTwoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	w := newWard(t, 5, generous)
	sizes := w.watchSizes()
	before, names := w.identity(), w.memberNames()
	victims := []string{names[1], names[3]}
	began := time.Now()
	for _, victim := range victims {
		w.harmVolume(victim, bed.Wipe)
	}
	for _, victim := range victims {
		w.awaitReplaced(victim, v1alpha2.FailureDataLost)
	}
	w.awaitReady(5)
	t.Logf("both were replaced after %.1f s", time.Since(began).Seconds())
	w.expectSurvivors(before, victims...)
	// etcd adds nobody while two are lost: the first one has to go before, and three who are well are better than four with one lost.
	least, _ := sizes()
	w.Expect(least).To(gomega.BeNumerically(">=", 3), "fewest voters that etcd listed")
	w.settle(w.load)
}

// watchSizes asks etcd again and again until the func that it returns is called, which tells the fewest voters and the most members
// that were seen.
func (w *ward) watchSizes() func() (fewestVoters, mostMembers int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	fewest, most := 1000, 0
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if voters, members, ok := w.sizes(ctx); ok {
				fewest, most = min(fewest, voters), max(most, members)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	stop := func() (int, int) {
		cancel()
		running.Wait()
		return fewest, most
	}
	w.t.Cleanup(func() { stop() })
	return stop
}

func (w *ward) sizes(ctx context.Context) (voters, members int, ok bool) {
	all, err := w.endpoints(ctx)
	if err != nil || len(all) == 0 {
		return 0, 0, false
	}
	etcd, err := w.dialer()(all...)
	if err != nil {
		return 0, 0, false
	}
	defer etcd.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	list, err := etcd.MemberList(ctx)
	if err != nil {
		return 0, 0, false
	}
	for _, m := range list.Members {
		if !m.IsLearner {
			voters++
		}
	}
	return voters, len(list.Members), true
}

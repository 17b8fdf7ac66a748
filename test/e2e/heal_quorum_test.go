//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// quorumLost is two of three members whose volumes are spoiled and mended by shell scripts: $1 is the volume, $2 a place beside it.
func quorumLost(t *testing.T, spoil, mend, kind, stands string) {
	t.Helper()
	w := newWard(t, 3, nodeGrace(1), volumeTTL(0))
	before, victims := w.identity(), []string{w.leader(), follower(w.cluster)}
	dirs := map[string]string{}
	for _, victim := range victims {
		dirs[victim] = w.volume(victim)
		aside := dirs[victim] + ".aside"
		t.Cleanup(func() { os.RemoveAll(aside) })
	}
	for _, victim := range victims {
		w.harmVolume(victim, func(volume string) error {
			shell(t, spoil, volume, volume+".aside")
			return nil
		})
	}
	w.await("the loss is told with its numbers", func() {
		o := w.get()
		w.Expect(condition(o, v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("False QuorumLost"))
		text := condition(o, kind)
		w.Expect(text).To(gomega.And(gomega.ContainSubstring("QuorumLost"), gomega.ContainSubstring("1 of 3 voters answer, 2 must agree"),
			gomega.ContainSubstring("alive: "), gomega.ContainSubstring(stands)))
		for _, victim := range victims {
			w.Expect(text).To(gomega.ContainSubstring(victim))
		}
	})
	w.awaitEvent("QuorumLost")
	w.expectNoReplacement(5*time.Second, w.names(), nil)
	w.Expect(w.claims()).To(gomega.HaveLen(3))

	w.change(manual) // the first one back makes a quorum, which would replace the other one
	for _, victim := range victims {
		shell(t, mend, dirs[victim], dirs[victim]+".aside")
		w.deletePod(victim, true)
	}
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.settle(w.load)
}

func TestQuorumThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	quorumLost(t, `chmod 0 "$1/data/member"`, `chmod 700 "$1/data/member"`, v1alpha2.ConditionReady, "could start: ")
}

func TestQuorumWhoseDataAreGoneIsToldAndNothingIsMadeWorse(t *testing.T) {
	t.Parallel()
	quorumLost(t, keep, giveBack, v1alpha2.ConditionStalled, "gone: ")
}

// One of two that are away returns: the cluster serves again, and replaces the other one.
func TestClusterHealsAsSoonAsItHasQuorumAgain(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, lost, away := w.identity(), w.leader(), follower(w.cluster)
	data := filepath.Join(w.volume(away), "data", "member")
	w.harmVolume(away, func(string) error { return os.Chmod(data, 0) })
	w.deleteClaim(lost)
	w.await("quorum is lost", func() {
		w.Expect(condition(w.get(), v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("False QuorumLost"))
	})
	w.expectNoReplacement(3*time.Second, w.names(), nil)
	w.Expect(os.Chmod(data, 0o700)).To(gomega.Succeed())
	w.awaitReplaced(lost, claimGone)
	w.awaitReady(3)
	w.expectSurvivors(before, lost)
	w.settle(w.load)
}

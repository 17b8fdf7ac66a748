package quorum_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// smallestMajority counts up until those who agree outnumber those who do not.
func smallestMajority(n int) int {
	agree := 0
	for agree <= n-agree {
		agree++
	}
	return agree
}

func TestSizeIsTheSmallestMajority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1000).Draw(t, "voters")
		if got, want := quorum.Size(n), smallestMajority(n); got != want {
			t.Fatalf("Size(%d) = %d, want %d", n, got, want)
		}
	})
}

func TestAnyTwoQuorumsShareAVoter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1000).Draw(t, "voters")
		if 2*quorum.Size(n) <= n {
			t.Fatalf("two disjoint quorums of %d fit into %d voters", quorum.Size(n), n)
		}
	})
}

func TestToleranceIsHowManyMayFailBeforeTheMajorityIsGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(-1, 1000).Draw(t, "voters")
		may := 0
		for n-may-1 >= smallestMajority(n) {
			may++
		}
		if got := quorum.Tolerance(n); got != may {
			t.Fatalf("Tolerance(%d) = %d, want %d", n, got, may)
		}
	})
}

func TestAnEvenSizeGainsNothing(t *testing.T) {
	for n := 1; n < 20; n += 2 {
		if quorum.Tolerance(n) != quorum.Tolerance(n+1) {
			t.Errorf("%d voters tolerate %d failures, %d tolerate %d", n, quorum.Tolerance(n), n+1, quorum.Tolerance(n+1))
		}
	}
}

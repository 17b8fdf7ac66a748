package plan

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// hashed is a hash over revisions 5 to 9.
func hashed(id uint64, hash uint32) Hash { return Hash{ID: id, Hash: hash, Revision: 9, Compact: 5} }

func missing(id uint64) Hash { return Hash{ID: id, Missing: "connection refused"} }

func TestOnlyAMajorityWithEqualDataSaysWhoIsRight(t *testing.T) {
	racing := Hash{ID: 3, Hash: 7, Revision: 9, Compact: 8}
	for _, tc := range []struct {
		claim    string
		hashes   []Hash
		want     Agreement
		compared []uint64
		diverged []uint64
		again    bool
		says     string
	}{
		{claim: "all agree", hashes: []Hash{hashed(3, 7), hashed(1, 7), hashed(2, 7)}, want: Agreed, compared: []uint64{1, 2, 3},
			says: "3 of 3 voters hold the same data at revision 9"},
		{claim: "a majority agrees, and one does not answer", hashes: []Hash{hashed(1, 7), hashed(2, 7), missing(3)}, want: Agreed,
			compared: []uint64{1, 2}, says: "3 did not answer: connection refused"},
		{claim: "one differs from a majority", hashes: []Hash{hashed(1, 6), hashed(2, 7), hashed(3, 7)}, want: Diverged,
			compared: []uint64{1, 2, 3}, diverged: []uint64{1}, says: "other data than [1]"},
		{claim: "two of five differ, also from each other",
			hashes: []Hash{hashed(1, 7), hashed(5, 1), hashed(2, 7), hashed(4, 2), hashed(3, 7)}, want: Diverged,
			compared: []uint64{1, 2, 3, 4, 5}, diverged: []uint64{4, 5}},
		{claim: "two that differ are no majority", hashes: []Hash{hashed(1, 6), hashed(2, 7)}, want: Unclear, compared: []uint64{1, 2},
			says: "1 of 2 voters hold the same data at revision 9, 2 must agree"},
		{claim: "two against one, with two that do not answer, are no majority of five",
			hashes: []Hash{hashed(1, 7), hashed(2, 7), hashed(3, 6), missing(4), missing(5)}, want: Unclear, compared: []uint64{1, 2, 3}},
		{claim: "who answers alone agrees with nobody",
			hashes: []Hash{hashed(1, 7), missing(2), missing(3)}, want: Unclear, compared: []uint64{1}},
		{claim: "nobody answers", hashes: []Hash{missing(1)}, want: Unclear},
		{claim: "there is nobody", want: Unclear},
		{claim: "hashes over other revisions say nothing about each other", hashes: []Hash{hashed(1, 6), hashed(2, 6), racing}, want: Agreed,
			compared: []uint64{1, 2}, again: true, says: "1 could not be compared"},
		{claim: "not even equal ones", hashes: []Hash{hashed(1, 7), missing(2), racing}, want: Unclear, compared: []uint64{1}, again: true},
		{claim: "one member is its own majority", hashes: []Hash{hashed(1, 7)}, want: Agreed, compared: []uint64{1}},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			before := slices.Clone(tc.hashes)
			c := Compare(tc.hashes)
			if c.Agreement != tc.want || !slices.Equal(c.Compared, tc.compared) || !slices.Equal(c.Diverged, tc.diverged) || c.Again != tc.again {
				t.Errorf("got %+v", c)
			}
			if !strings.Contains(c.Message, tc.says) {
				t.Errorf("it says %q, want %q in it", c.Message, tc.says)
			}
			if !slices.Equal(before, tc.hashes) {
				t.Error("what was passed in has changed")
			}
		})
	}
}

func TestADivergedMemberIsNamedOnlyByTwoComparisons(t *testing.T) {
	all := Compare([]Hash{hashed(1, 7), hashed(2, 7), hashed(3, 7)})
	third := Compare([]Hash{hashed(1, 7), hashed(2, 7), hashed(3, 6)})
	second := Compare([]Hash{hashed(1, 7), hashed(2, 6), hashed(3, 7)})
	for _, tc := range []struct {
		claim       string
		first, then Consistency
		want        Agreement
	}{
		{"twice the same", third, third, Diverged},
		{"first one, then another", third, second, Unclear},
		{"first one, then nobody", third, all, Unclear},
		{"who agrees need not do it twice", all, all, Agreed},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			got := tc.first.Repeated(tc.then)
			if got.Agreement != tc.want || (len(got.Diverged) > 0) != (tc.want == Diverged) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestComparisonsAreDueWhenSomebodyWaitsOrThePeriodIsOver(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	for _, tc := range []struct {
		claim string
		known Comparisons
		in    time.Duration
		never bool
	}{
		{claim: "within an hour by default", known: Comparisons{Period: time.Hour, Now: minute(0), Last: minute(0)}, in: time.Hour},
		{claim: "at the cluster's own minute", known: Comparisons{Period: time.Hour, Phase: 20 * time.Minute, Now: minute(0), Last: minute(0)},
			in: 20 * time.Minute},
		{claim: "at once when it is over", known: Comparisons{Period: time.Hour, Now: minute(90), Last: minute(0)}},
		{claim: "never without a period", known: Comparisons{Now: minute(90), Last: minute(0)}, never: true},
		{claim: "never of a cluster that is off", known: Comparisons{Off: true, Period: time.Hour, Now: minute(90), Last: minute(0),
			Suspect: minute(80)}, never: true},
		{claim: "at once when data are said to be inconsistent", known: Comparisons{Period: time.Hour, Now: minute(5), Last: minute(1),
			Suspect: minute(4), Covered: true}},
		{claim: "also without a period", known: Comparisons{Now: minute(5), Last: minute(1), Suspect: minute(4), Covered: true}},
		{claim: "not within the second in which it is said, which status cannot tell from before",
			known: Comparisons{Now: minute(5), Last: minute(1), Suspect: minute(5), Covered: true}, in: time.Second},
		{claim: "not again when it was compared since then", known: Comparisons{Period: time.Hour, Now: minute(5), Last: minute(4),
			Suspect: minute(3), Covered: true}, in: 55 * time.Minute},
		{claim: "at once when a change of the minor waits for it", known: Comparisons{Period: time.Hour, Now: minute(20), Last: minute(1),
			Covered: true, Awaited: true}},
		{claim: "and then every 10 s", known: Comparisons{Now: minute(5), Last: minute(5), Covered: true, Awaited: true}, in: 10 * time.Second},
		{claim: "never of a cluster that is off, whatever waits", known: Comparisons{Off: true, Now: minute(90), Last: minute(0), Awaited: true},
			never: true},
		{claim: "again when others vote now, 10 s later", known: Comparisons{Period: time.Hour, Now: minute(5), Last: minute(5),
			Suspect: minute(3)}, in: 10 * time.Second},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			in, due := tc.known.Due()
			if due == tc.never || in != tc.in {
				t.Errorf("due %v in %s, want %v in %s", due, in, !tc.never, tc.in)
			}
		})
	}
}

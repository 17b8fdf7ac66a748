package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// Agreement is what a comparison of the voters' data came to.
type Agreement string

// What a comparison may come to, as in package v1alpha2.
const (
	Agreed   Agreement = "Agreed"
	Diverged Agreement = "Diverged"
	Unclear  Agreement = "Unclear"
)

// Hash is what a listed voter answered when it was asked for the hash of its data.
type Hash struct {
	ID       uint64
	Missing  string // why there is no answer; empty if there is one
	Hash     uint32
	Revision int64 // up to which was hashed
	Compact  int64 // from which was hashed
}

// Consistency is the outcome of a comparison.
type Consistency struct {
	Agreement Agreement
	Revision  int64
	Compared  []uint64 // sorted
	Diverged  []uint64 // sorted
	Message   string
	// Again says that some answers could not be compared with the others, as happens while etcd is written to or compacted.
	Again bool
}

// Compare weighs the hashes of all listed voters. Only hashes over the same revisions say something about each other.
func Compare(hashes []Hash) Consistency {
	answers := slices.DeleteFunc(slices.Clone(hashes), func(h Hash) bool { return h.Missing != "" })
	group := largest(answers, func(h Hash) [2]int64 { return [2]int64{h.Revision, h.Compact} })
	same := largest(group, func(h Hash) uint32 { return h.Hash })
	c := Consistency{Agreement: Unclear, Compared: ids(group), Again: len(group) < len(answers)}
	if len(group) > 0 {
		c.Revision = group[0].Revision
	}
	n, need := len(hashes), quorum.Size(len(hashes))
	switch {
	case n == 0 || len(same) < need:
		c.Message = fmt.Sprintf("%d of %d voters hold the same data at revision %d, %d must agree", len(same), n, c.Revision, need)
	case len(same) == len(group):
		c.Agreement = Agreed
		c.Message = fmt.Sprintf("%d of %d voters hold the same data at revision %d", len(same), n, c.Revision)
	default:
		c.Agreement = Diverged
		c.Diverged = ids(slices.DeleteFunc(slices.Clone(group), func(h Hash) bool { return h.Hash == same[0].Hash }))
		c.Message = fmt.Sprintf("%d of %d voters hold the same data at revision %d, and other data than %x", len(same), n, c.Revision, c.Diverged)
	}
	if len(answers) > len(group) {
		c.Message += fmt.Sprintf("; %d could not be compared", len(answers)-len(group))
	}
	for _, h := range hashes {
		if h.Missing != "" {
			c.Message += fmt.Sprintf("; %x did not answer: %s", h.ID, h.Missing)
		}
	}
	return c
}

// largest is the largest group of hashes with an equal key; of two that are equally large the one that comes first.
func largest[K comparable](hashes []Hash, key func(Hash) K) (most []Hash) {
	for _, h := range hashes {
		group := slices.DeleteFunc(slices.Clone(hashes), func(other Hash) bool { return key(other) != key(h) })
		if len(group) > len(most) {
			most = group
		}
	}
	return most
}

func ids(hashes []Hash) []uint64 {
	var all []uint64
	for _, h := range hashes {
		all = append(all, h.ID)
	}
	slices.Sort(all)
	return all
}

// Repeated takes the word of a comparison that found somebody diverged only if a second one found the same: a member is
// replaced for it.
func (c Consistency) Repeated(second Consistency) Consistency {
	if c.Agreement != Diverged || second.Agreement == Diverged && slices.Equal(c.Diverged, second.Diverged) {
		return second
	}
	second.Agreement, second.Diverged = Unclear, nil
	second.Message = "two comparisons came to different results: " + c.Message + "; then: " + second.Message
	return second
}

const (
	// CompareAgain is the distance of comparisons that something is waiting for.
	CompareAgain = 10 * time.Second
	// tick is the resolution of the times in status: a comparison within it is not known to be newer than what it is made for.
	tick = time.Second
)

// Comparisons is what is known of those that were made of a cluster.
type Comparisons struct {
	Off    bool          // the cluster is paused, or has not formed, or is not to be touched
	Period time.Duration // of the regular ones; 0 means none
	Phase  time.Duration // within the period: no two clusters are to be compared at the same time
	Now    time.Time
	Last   time.Time // when the last one was made; when the cluster was created if there was none
	// Suspect is since when etcd, or a member, says that data are inconsistent; zero if nobody does.
	Suspect time.Time
	// Covered says that the last one was over all voters that are there now.
	Covered bool
	// Awaited says that a change of the minor waits for one.
	Awaited bool
}

// Due says in how long the next comparison is to be made; false if nothing but a change calls for one.
func (c Comparisons) Due() (time.Duration, bool) {
	if c.Off {
		return 0, false
	}
	var next time.Time
	if c.Period > 0 {
		next = c.Last.Add(-c.Phase).Truncate(c.Period).Add(c.Period + c.Phase)
	}
	if !c.Suspect.IsZero() && (!c.Covered || !c.Last.After(c.Suspect)) {
		urgent := c.Suspect.Add(tick)
		if retry := c.Last.Add(CompareAgain); retry.After(urgent) {
			urgent = retry
		}
		next = sooner(next, urgent)
	}
	if c.Awaited {
		next = sooner(next, c.Last.Add(CompareAgain))
	}
	if next.IsZero() {
		return 0, false
	}
	return max(next.Sub(c.Now), 0), true
}

// sooner is the earlier of two times, where the first may be none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

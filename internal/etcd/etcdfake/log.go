package etcdfake

import (
	"slices"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/quorum"
)

// entry is the end of a log: the entry and everything before it. A nil entry is the empty log.
type entry struct {
	prev        *entry
	index, term uint64
	state       *state // after this entry
	key         string // of a write
}

// state is what a log has come to, apart from the keys. It is never modified.
type state struct {
	members []etcd.Member // ordered by ID
	removed []uint64
	alarms  []etcd.Alarm
	auth    authority
	compact int64  // revision up to which the history is gone
	version string // of the cluster, MAJOR.MINOR; empty until it is decided
	target  string // of the downgrade that is enabled, MAJOR.MINOR; empty if none is
	lifted  bool   // 3.5 only: alarms are raised and refuse nothing, because another one was disarmed
}

func (e *entry) at() uint64 {
	if e == nil {
		return 0
	}
	return e.index
}

// revision is that of the key space: 1 when it is empty, and one more for each write.
func (e *entry) revision() int64 {
	count := int64(1)
	for ; e != nil; e = e.prev {
		if e.key != "" {
			count++
		}
	}
	return count
}

func (e *entry) sum() *state {
	if e == nil {
		return &state{}
	}
	return e.state
}

// newer reports whether e is more up to date than other: raft.(*raftLog).isUpToDate.
func (e *entry) newer(other *entry) bool {
	if e == nil || other == nil {
		return e != nil
	}
	return e.term > other.term || e.term == other.term && e.index > other.index
}

// continues reports whether e goes on from other.
func (e *entry) continues(other *entry) bool {
	for e.at() > other.at() {
		e = e.prev
	}
	return e == other
}

func (e *entry) then(term uint64, s *state, key string) *entry {
	return &entry{prev: e, index: e.at() + 1, term: term, state: s, key: key}
}

// genesis is the log that every founder starts with: bootstrap.go, bootstrapRaftFromCluster.
func genesis(founders []etcd.Member) *entry {
	var e *entry
	for _, m := range founders {
		e = e.then(1, &state{members: byID(append(slices.Clone(e.sum().members), m))}, "")
	}
	return e
}

func (s *state) member(id uint64) (etcd.Member, bool) {
	for _, m := range s.members {
		if m.ID == id {
			return m, true
		}
	}
	return etcd.Member{}, false
}

func (s *state) votes(id uint64) bool {
	m, listed := s.member(id)
	return listed && !m.Learner
}

func (s *state) voters() []etcd.Member {
	return slices.DeleteFunc(slices.Clone(s.members), func(m etcd.Member) bool { return m.Learner })
}

func (s *state) majority() int { return quorum.Size(len(s.voters())) }

// The changes below validate as api/membership.(*RaftCluster).ValidateConfigurationChange does when a change is applied.

// add lists one more learner. etcd answers for a reused ID as if it had been removed, or existed.
func (s *state) add(m etcd.Member) (*state, error) {
	if slices.Contains(s.removed, m.ID) {
		return nil, etcd.ErrMemberNotFound
	}
	learners := 0
	for _, other := range s.members {
		if other.ID == m.ID || slices.Contains(other.PeerURLs, m.PeerURLs[0]) {
			return nil, etcd.ErrPeerURLExists
		}
		if other.Learner {
			learners++
		}
	}
	if learners > 0 { // api/membership.ValidateMaxLearnerConfig
		return nil, etcd.ErrTooManyLearners
	}
	return s.with(append(slices.Clone(s.members), m)), nil
}

func (s *state) promote(id uint64) (*state, error) {
	m, listed := s.member(id)
	if !listed {
		return nil, etcd.ErrMemberNotFound
	}
	if !m.Learner {
		return nil, etcd.ErrNotLearner
	}
	m.Learner = false
	return s.replace(m), nil
}

func (s *state) readdress(id uint64, peerURL string) (*state, error) {
	m, listed := s.member(id)
	if !listed {
		return nil, etcd.ErrMemberNotFound
	}
	for _, other := range s.members {
		if other.ID != id && slices.Contains(other.PeerURLs, peerURL) {
			return nil, etcd.ErrPeerURLExists
		}
	}
	m.PeerURLs = []string{peerURL}
	return s.replace(m), nil
}

func (s *state) remove(id uint64) (*state, error) {
	if _, listed := s.member(id); !listed {
		return nil, etcd.ErrMemberNotFound
	}
	next := s.with(slices.DeleteFunc(slices.Clone(s.members), func(m etcd.Member) bool { return m.ID == id }))
	next.removed = append(slices.Clone(s.removed), id)
	return next, nil
}

func (s *state) replace(m etcd.Member) *state {
	members := slices.Clone(s.members)
	members[slices.IndexFunc(members, func(old etcd.Member) bool { return old.ID == m.ID })] = m
	return s.with(members)
}

func (s *state) with(members []etcd.Member) *state {
	next := *s
	next.members = byID(members)
	return &next
}

func byID(members []etcd.Member) []etcd.Member {
	slices.SortFunc(members, func(a, b etcd.Member) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return members
}

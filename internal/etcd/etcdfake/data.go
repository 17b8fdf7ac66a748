package etcdfake

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/quorum"
)

// HashKV implements etcd.Reader: storage/mvcc.(*store).hashByRev. It takes no quorum.
func (c *client) HashKV(ctx context.Context, revision int64) (etcd.HashKV, error) {
	var hash etcd.HashKV
	err := c.call(ctx, "HashKV", false, notByLearner(c.byRoot(func(p *Process) error {
		var err error
		hash, err = p.data.hash(revision)
		return err
	})))
	return hash, err
}

// hash leaves out that etcd keeps the hashes of its last compactions, and answers those for their very revisions.
func (v *volume) hash(revision int64) (etcd.HashKV, error) {
	now, compacted := v.log.revision(), v.log.sum().compact
	switch {
	case revision == 0:
		revision = now
	case revision < compacted:
		return etcd.HashKV{}, etcd.ErrCompacted
	case revision > now:
		return etcd.HashKV{}, etcd.ErrFutureRevision
	}
	keys := v.log.keys()[:revision-1]
	sum := crc32.ChecksumIEEE(fmt.Append(nil, compacted, v.damage, keys))
	return etcd.HashKV{Hash: sum, Revision: revision, CompactRevision: compacted}, nil
}

// keys are those that were written, in the order of the writes: the one at i has revision i+2.
func (e *entry) keys() []string {
	var keys []string
	for ; e != nil; e = e.prev {
		if e.key != "" {
			keys = append(keys, e.key)
		}
	}
	slices.Reverse(keys)
	return keys
}

// Compact drops the history before a revision, as a client of the cluster does.
func (p *Process) Compact(revision int64) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	defer p.world.settle()
	switch {
	case p.refuses(etcd.AlarmCorrupt):
		return ErrCorrupt
	case revision <= p.state().compact:
		return etcd.ErrCompacted
	case revision > p.data.log.revision():
		return etcd.ErrFutureRevision
	}
	s := *p.state()
	s.compact = revision
	if err := p.world.commit(p, &s, ""); err != nil {
		return changed(err)
	}
	if l := p.world.leaderOf(p); l != nil && l.args.CheckAtCompaction {
		return l.compare()
	}
	return nil
}

// compare is etcdserver.(*corruptionChecker).CompactHashCheck: the leader raises an alarm for everybody whose hash is not that of
// a majority of the members; without one, and on 3.5, for nobody in particular.
func (p *Process) compare() error {
	groups := map[uint32][]uint64{}
	for _, m := range p.state().members {
		q := p.world.member(p.data.clusterID, m.ID)
		if q == nil || !p.world.linked(p, q) {
			continue
		}
		hash, err := q.data.hash(p.data.log.revision())
		if err == nil {
			groups[hash.Hash] = append(groups[hash.Hash], m.ID)
		}
	}
	if len(groups) < 2 {
		return nil
	}
	nobody, named, majority := etcd.Alarm{Type: etcd.AlarmCorrupt}, []etcd.Alarm{}, false
	for _, ids := range groups {
		if len(ids) >= quorum.Size(len(p.state().members)) {
			majority = true
			continue
		}
		for _, id := range ids {
			named = append(named, etcd.Alarm{MemberID: id, Type: etcd.AlarmCorrupt})
		}
	}
	if !majority || before36(p.args.Version) {
		return p.raise(nobody)
	}
	return p.raise(named...)
}

// differs reports whether a member that starts finds a serving peer with other data at the same revision, on whichever side the
// fault is: etcdserver.(*corruptionChecker).InitialCheck. 3.5 knows its peers only from a snapshot; here it always does.
func (w *World) differs(p *Process) bool {
	mine, _ := p.data.hash(0)
	for _, m := range p.state().members {
		q := w.member(p.data.clusterID, m.ID)
		if q == nil || !w.linked(p, q) {
			continue
		}
		theirs, err := q.data.hash(mine.Revision)
		if err == nil && theirs.CompactRevision == mine.CompactRevision && theirs.Hash != mine.Hash {
			return true
		}
	}
	return false
}

package etcdfake

import (
	"slices"
	"time"
)

// lostLog is what raft dies with when the leader knows that a member held more than it has.
const lostLog = "tocommit is out of range [lastIndex]. Was the raft log corrupted, truncated, or lost?"

// settle lets everything happen that would happen without further events.
func (w *World) settle() {
	for {
		w.connect()
		w.depose()
		if !w.expel() && !w.elect() && !w.replicate() && !w.publish() {
			return
		}
	}
}

// connect notes since when the members have been in touch: rafthttp.Transporter.ActiveSince.
func (w *World) connect() {
	for _, p := range w.processes {
		before := p.peers
		p.peers = map[uint64]peer{}
		for _, m := range p.state().members {
			q := w.member(p.data.clusterID, m.ID)
			switch {
			case q == nil || q == p || !w.linked(p, q):
			case before[m.ID].process == q:
				p.peers[m.ID] = before[m.ID]
			default:
				p.peers[m.ID] = peer{process: q, since: w.clock.Now()}
			}
		}
	}
}

// expel stops members that learn of their removal: rafthttp answers them with 410, or they apply it themselves. etcd's exit
// code is 0 for one that was removed while it ran; for one that starts afterwards it may be 0 or 1.
func (w *World) expel() bool {
	for _, p := range w.processes {
		for _, q := range w.processes {
			if !w.linked(p, q) || !slices.Contains(q.state().removed, p.data.memberID) {
				continue
			}
			if p.serving {
				p.end(0, "the member has been permanently removed from the cluster")
			} else {
				p.end(1, "server is stopping")
			}
			return true
		}
	}
	return false
}

// depose makes leaders without a majority step down, and members let go of leaders that are gone: raft.Config.CheckQuorum.
func (w *World) depose() {
	for _, p := range w.processes {
		if p.leads() && w.supporters(p) < p.state().majority() {
			p.leader, p.match = 0, nil
		}
	}
	for _, p := range w.processes {
		if w.leaderOf(p) == nil {
			p.leader = 0
		}
	}
}

// leaderOf is the member that p follows, if it leads and p is in touch with it.
func (w *World) leaderOf(p *Process) *Process {
	if p.leader == 0 {
		return nil
	}
	l := w.member(p.data.clusterID, p.leader)
	if l == nil || !l.leads() || !w.linked(p, l) {
		return nil
	}
	if _, listed := l.state().member(p.data.memberID); !listed {
		return nil
	}
	return l
}

// supporters counts the voters, by p's own list, that p is in touch with and that follow nobody else.
func (w *World) supporters(p *Process) int {
	count := 0
	for _, v := range p.state().voters() {
		q := w.member(p.data.clusterID, v.ID)
		if q != nil && w.linked(p, q) && (q.leader == 0 || q.leader == p.data.memberID) {
			count++
		}
	}
	return count
}

// elect lets a leaderless voter with a most recent log win, if a majority would vote for it: raft.(*raft).campaign.
func (w *World) elect() bool {
	candidates := slices.DeleteFunc(slices.Clone(w.processes), func(p *Process) bool {
		return p.leader != 0 || !p.state().votes(p.data.memberID)
	})
	slices.SortStableFunc(candidates, func(a, b *Process) int {
		switch {
		case a.data.log.newer(b.data.log), !b.data.log.newer(a.data.log) && a.data.memberID < b.data.memberID:
			return -1
		}
		return 1
	})
	for _, c := range candidates {
		votes := 0
		for _, v := range c.state().voters() {
			q := w.member(c.data.clusterID, v.ID)
			if q != nil && w.linked(c, q) && q.leader == 0 && !q.data.log.newer(c.data.log) {
				votes++
			}
		}
		if votes >= c.state().majority() {
			w.enthrone(c)
			return true
		}
	}
	return false
}

// enthrone makes p the leader of everybody it is in touch with.
func (w *World) enthrone(p *Process) {
	term := p.data.term
	var subjects []*Process
	for _, q := range w.processes {
		if _, listed := p.state().member(q.data.memberID); listed && w.linked(p, q) {
			subjects = append(subjects, q)
			term = max(term, q.data.term)
		}
	}
	for _, q := range subjects {
		q.leader, q.match, q.data.term = p.data.memberID, nil, term+1
	}
	p.match = map[uint64]uint64{p.data.memberID: p.data.log.at()}
	w.propose(p, p.state(), "")
	w.monitored = time.Time{} // server.go, monitorClusterVersions waits for the first commit in a term
}

// propose appends to the log of leader l, if a majority takes it over.
func (w *World) propose(l *Process, s *state, key string) bool {
	if !w.commits(l) {
		return false
	}
	l.data.log = l.data.log.then(l.data.term, s, key)
	l.match[l.data.memberID] = l.data.log.at()
	w.replicate()
	return true
}

// commits reports whether l leads and a majority of the voters takes over its entries.
func (w *World) commits(l *Process) bool {
	if l == nil || !l.leads() {
		return false
	}
	count := 0
	for _, v := range l.state().voters() {
		if q := w.member(l.data.clusterID, v.ID); q != nil && w.leaderOf(q) == l && !w.stalled[q.args.PeerURL] {
			count++
		}
	}
	return count >= l.state().majority()
}

// replicate brings followers up to date. One that lost what it held, or holds what its leader never saw, dies:
// raft.(*raftLog).commitTo and maybeAppend.
func (w *World) replicate() bool {
	changed := false
	for _, p := range w.processes {
		for _, l := range w.processes {
			if l == p || p.exit != nil || !l.leads() || !w.linked(p, l) {
				continue
			}
			if _, listed := l.state().member(p.data.memberID); listed && w.follow(p, l) {
				changed = true
			}
		}
	}
	return changed
}

func (w *World) follow(p, l *Process) bool {
	if p.leader != 0 && p.leader != l.data.memberID {
		return false
	}
	changed := p.leader == 0
	p.leader, p.data.term = l.data.memberID, max(p.data.term, l.data.term)
	switch {
	case p.data.log.at() < l.match[p.data.memberID]:
		p.end(2, lostLog)
		return true
	case w.stalled[p.args.PeerURL]:
		return changed
	case !l.data.log.continues(p.data.log):
		p.end(2, "entry conflict with committed entry")
		return true
	}
	changed = changed || p.data.log != l.data.log
	if p.since == nil {
		p.since = l.data.log
	}
	p.data.log = l.data.log
	l.match[p.data.memberID] = p.data.log.at()
	return changed
}

// publish lets a member that has started tell its name and client URL: server.go, publishV3. Until that is committed and it
// has seen it, etcd serves no client: embed.(*serveCtx).serve waits for ReadyNotify.
func (w *World) publish() bool {
	for _, p := range w.processes {
		l := w.leaderOf(p)
		if p.serving || w.stalled[p.args.PeerURL] || !w.commits(l) {
			continue
		}
		m, _ := l.state().member(p.data.memberID)
		m.Name, m.ClientURLs = p.args.Name, []string{p.args.ClientURL}
		p.serving = true
		w.propose(l, l.state().replace(m), "")
		return true
	}
	return false
}

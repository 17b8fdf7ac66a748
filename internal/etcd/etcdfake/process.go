package etcdfake

import (
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// Process is an etcd that was started.
type Process struct {
	world *World
	args  Args
	data  *volume
	exit  *Exit

	since   *entry // the end of its log when it started, or was first caught up: it forgot the tokens of before
	serving bool   // it answers clients
	leader  uint64
	match   map[uint64]uint64 // while it leads: how much of its log each member holds
	peers   map[uint64]peer   // the members that it is in touch with

	dbSize, dbSizeInUse int64
}

type peer struct {
	process *Process
	since   time.Time
}

// Stop ends the process with exit code 0, unless it has ended before. Its volume stays as it is.
func (p *Process) Stop() {
	p.world.change(func() { p.end(0, "") })
}

// Exited says how the process ended; nil while it runs.
func (p *Process) Exited() *Exit {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.exit
}

// Ready reports whether the member would answer 200 on /readyz: it serves clients, votes, and reads linearizably.
func (p *Process) Ready() bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.serving && p.state().votes(p.data.memberID) && p.world.reads(p) == nil && !p.alarmed(etcd.AlarmCorrupt)
}

// Put writes a key through this member, as a client of the cluster does. Without an error the write is acknowledged.
func (p *Process) Put(key string) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	defer p.world.settle()
	return changed(p.put(key))
}

func (p *Process) put(key string) error {
	switch {
	case p.world.answers(p) != nil:
		return p.world.answers(p)
	case p.state().learns(p.data.memberID):
		return etcd.ErrLearnerRefuses
	case p.refuses(etcd.AlarmCorrupt):
		return ErrCorrupt
	case p.refuses(etcd.AlarmNoSpace):
		return ErrNoSpace
	}
	return p.world.commit(p, p.state(), key)
}

// Keys lists the keys that this member holds, in the order of the writes.
func (p *Process) Keys() []string {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.data.log.keys()
}

// SetDBSize sets what the member says of its database, in bytes.
func (p *Process) SetDBSize(total, inUse int64) {
	p.world.change(func() { p.dbSize, p.dbSizeInUse = total, inUse })
}

func (p *Process) state() *state { return p.data.log.sum() }

func (p *Process) leads() bool { return p.exit == nil && p.match != nil && p.leader == p.data.memberID }

// end takes the process out of the world. It leaves the slice alone that callers may be ranging over.
func (p *Process) end(code int, message string) {
	if p.exit != nil {
		return
	}
	p.exit = &Exit{Code: code, Message: message}
	p.serving, p.leader, p.match = false, 0, nil
	p.world.processes = slices.DeleteFunc(slices.Clone(p.world.processes), func(q *Process) bool { return q == p })
}

package etcdfake

import (
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// World is a network of etcd members and the volumes they keep their data on. It is safe for concurrent use.
type World struct {
	clock clock.PassiveClock

	mu        sync.Mutex
	volumes   map[string]*volume
	processes []*Process // that run, in the order of their start
	founded   map[string]*entry
	cuts      map[[2]string]bool
	stalled   map[string]bool
	hidden    map[string]bool
	presented map[string]*x509.Certificate
	damages   uint64
	monitored time.Time // when leaders looked at versions last
	inject    func(Call) Fault
}

// volume is a data directory.
type volume struct {
	formatted bool // it has a write-ahead log
	clusterID uint64
	memberID  uint64
	term      uint64
	log       *entry
	damage    uint64 // 0 as long as it holds what its log says
	storage   string // version of the database, MAJOR.MINOR; empty before 3.6
}

// New makes an empty World that lives by clock.
func New(clock clock.PassiveClock) *World {
	return &World{
		clock:   clock,
		volumes: map[string]*volume{},
		founded: map[string]*entry{},
		cuts:    map[[2]string]bool{},
		stalled: map[string]bool{},
		hidden:  map[string]bool{},

		presented: map[string]*x509.Certificate{},
	}
}

// Dialer connects to the members by their client URLs.
func (w *World) Dialer() etcd.Dialer { return dialer{w} }

// HasData reports whether a volume has a write-ahead log, which is etcd's own test for a member that has started before.
func (w *World) HasData(volume string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.volumes[volume]
	return v != nil && v.formatted
}

// Wipe empties a volume. A process that runs on it keeps its open files until it ends.
func (w *World) Wipe(volume string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.volumes, volume)
}

// Copy makes to hold what from holds now, as a storage snapshot does.
func (w *World) Copy(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := volume{}
	if v := w.volumes[from]; v != nil {
		data = *v
	}
	w.volumes[to] = &data
}

// Corrupt changes a value that the volume holds, each time another one. Nobody notices before hashes are compared.
func (w *World) Corrupt(volume string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.volumes[volume]; v != nil && v.formatted {
		w.damages++
		v.damage = w.damages
	}
}

// Cut parts the members with these peer URLs from each other.
func (w *World) Cut(peerURL, other string) {
	w.change(func() { w.cuts[[2]string{peerURL, other}] = true })
}

// Heal undoes every Cut.
func (w *World) Heal() { w.change(func() { clear(w.cuts) }) }

// Stall keeps the member with this peer URL from taking over new entries, as if it were slow, until it is called with false.
// The member stays in touch and can lead nothing new.
func (w *World) Stall(peerURL string, on bool) { w.change(func() { w.stalled[peerURL] = on }) }

// Hide makes the member with this client URL leave calls unanswered; its peers still see it.
func (w *World) Hide(clientURL string, on bool) { w.change(func() { w.hidden[clientURL] = on }) }

// Call is a request of a client to a member.
type Call struct {
	Endpoint string
	Method   string // as in etcd.Client
	Changes  bool   // it is one that changes something
}

// Fault is what goes wrong with a call. The zero Fault is nothing.
type Fault struct {
	Err  error // what the caller gets
	Done bool  // the member does what it was asked all the same
}

// Inject asks f, before each call, what shall go wrong with it. f may use the World; nil injects nothing.
func (w *World) Inject(f func(Call) Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inject = f
}

// Process is the running member at a client URL, or nil.
func (w *World) Process(clientURL string) *Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.find(func(p *Process) bool { return p.args.ClientURL == clientURL })
}

func (w *World) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	w.settle()
}

func (w *World) find(is func(*Process) bool) *Process {
	if i := slices.IndexFunc(w.processes, is); i >= 0 {
		return w.processes[i]
	}
	return nil
}

func (w *World) member(clusterID, memberID uint64) *Process {
	return w.find(func(p *Process) bool { return p.data.clusterID == clusterID && p.data.memberID == memberID })
}

// linked reports whether two running members exchange messages: rafthttp refuses peers of another cluster.
func (w *World) linked(p, q *Process) bool {
	a, b := p.args.PeerURL, q.args.PeerURL
	return p.data.clusterID == q.data.clusterID && !w.cuts[[2]string{a, b}] && !w.cuts[[2]string{b, a}]
}

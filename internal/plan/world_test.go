package plan

import (
	"errors"
	"fmt"
	"strings"
)

// truth is one member as it really is: what etcd lists, what its process does and what its EtcdMember says.
type truth struct {
	role     Role
	process  process
	caughtUp bool // learner
	ready    bool // its probe would pass
	lost     bool
	broken   bool
	gone     bool // neither Pod nor volume is left

	founder, admitted, recorded, votes bool
	dormant, leaving, confirmed        bool

	given, runs template // by its EtcdMember, and by its Pod

	condemned  bool // its replacement is on record
	orphan     bool // it has no EtcdMember
	remembered bool // its volume says that it votes
	aside      bool // its volume was taken out of use
}

// template is what members are made from. The first one is what they have had.
type template int8

const (
	unknown   template = -1
	templates template = 3
)

type process int8

const (
	noPod    process = iota
	starting         // the kubelet brings it up
	up               // serves peers and answers the operator
	hidden           // serves peers, but the operator cannot reach it
	down             // somebody has to repair something
)

func (p process) connected() bool { return p == up || p == hidden }

// foreign is an entry of etcd's list without an EtcdMember.
type foreign int8

const (
	nobody        foreign = iota
	unstarted             // a learner that we added, whose EtcdMember was deleted before it started
	foreignVoter          // somebody's own member
	foreignMember         // somebody's own learner
)

const (
	room     = 8 // more members than any run ever has
	nameable = "abcdefgh"
	cluster  = 0xc1
)

// world is a whole cluster as it really is. Equal worlds have equal futures.
type world struct {
	members  [room]truth
	n        int
	leader   int // index, -1 for none
	want     int
	founders int // recorded in status
	formed   bool
	memory   bool
	opened   bool // the client Service exists
	orphans  bool
	stranger foreign
	overdue  bool
	spent    bool     // the budget of replacements
	manual   bool     // people decide about replacements
	asks     template // by the spec
	known    template // on record
	failed   bool     // it is on record that somebody did not come up with what is asked for
	bad      uint8    // templates that nobody comes up with
	renews   bool     // only new members can have another template
	eager    bool     // Kubernetes and etcd move in every pass; else only when the operator has nothing to do
}

// key is a world in few bytes: equal worlds have equal keys.
type key struct {
	members [room]uint32
	cluster uint64
}

func (w *world) key() (k key) {
	for i := range w.n {
		m := &w.members[i]
		k.members[i] = 1<<31 | uint32(m.role)<<8 | uint32(m.process)<<4 | bits(m.caughtUp, m.ready, m.lost, m.broken)
		k.members[i] |= bits(m.gone, m.founder, m.admitted, m.recorded, m.votes, m.dormant, m.leaving, m.confirmed) << 12
	}
	for i := range w.n {
		m := &w.members[i]
		k.members[i] |= bits(m.condemned, m.orphan, m.remembered, m.aside)<<21 | uint32(m.given)<<25 | uint32(m.runs)<<27
	}
	k.cluster = uint64(w.leader+1)<<32 | uint64(w.want)<<24 | uint64(w.founders)<<16 | uint64(w.stranger)<<12 |
		uint64(bits(w.formed, w.memory, w.opened, w.orphans, w.overdue, w.eager, w.spent, w.manual))
	k.cluster |= uint64(w.asks)<<40 | uint64(w.known+1)<<44 | uint64(w.bad)<<52 | uint64(bits(w.renews, w.failed))<<60
	return k
}

func bits(flags ...bool) (b uint32) {
	for _, f := range flags {
		b <<= 1
		if f {
			b |= 1
		}
	}
	return b
}

func (w *world) count(is func(truth) bool) (n int) {
	for i := range w.n {
		if is(w.members[i]) {
			n++
		}
	}
	return n
}

func (w *world) any(is func(truth) bool) bool { return w.count(is) > 0 }

// voters are those that etcd lists. Until a cluster has formed, the static list of founders holds.
func (w *world) voters() int {
	if !w.formed && w.founders > 0 {
		return w.founders
	}
	n := w.count(func(m truth) bool { return m.role == Voter })
	if w.stranger == foreignVoter {
		n++
	}
	return n
}

func (w *world) learners() int {
	n := w.count(func(m truth) bool { return m.role == Learner })
	if w.stranger == unstarted || w.stranger == foreignMember {
		n++
	}
	return n
}

// connected counts voters that etcd can count on; the foreign voter is up.
func (w *world) connected() int {
	n := w.count(func(m truth) bool { return m.role == Voter && m.process.connected() })
	if w.stranger == foreignVoter {
		n++
	}
	return n
}

func (w *world) reachable() int {
	return w.count(func(m truth) bool { return m.role == Voter && m.process == up })
}

func majority(n int) int { return n/2 + 1 }

func (w *world) agrees() bool { return w.voters() > 0 && w.connected() >= majority(w.voters()) }

// answers: the operator can reach a voter of a cluster that agrees.
func (w *world) answers() bool { return w.agrees() && w.reachable() > 0 }

// holders counts the voters whose data can come back.
func (w *world) holders() int {
	return w.count(func(m truth) bool { return m.role == Voter && !m.lost })
}

// settle drops a leader that cannot lead.
func (w *world) settle() {
	if l := w.leader; l >= 0 && (l >= w.n || w.members[l].role != Voter || !w.members[l].process.connected() || !w.agrees()) {
		w.leader = -1
	}
}

// act does what a step says, as Kubernetes and etcd would, or refuses as they would.
func (w *world) act(s Step) error {
	defer w.settle()
	if s != Step(Nothing{}) {
		w.overdue = false
	}
	switch s := s.(type) {
	case Nothing:
	case Apply:
		w.opened = true
	case NameFounders:
		w.founders = s.Count
	case CreateFounder:
		return w.create(truth{role: Voter, process: starting, ready: true, founder: true, admitted: true})
	case RecordCluster:
		w.formed = true
	case CreateMember:
		return w.create(truth{ready: true})
	case Record:
		m := w.at(s.Member)
		m.recorded, m.votes, m.remembered = true, s.Voter, s.Voter && !w.memory
	case Admit:
		m := w.at(s.Member)
		m.admitted, m.process, m.runs = true, starting, m.given
	case MarkLeaving:
		w.named(s.Name).leaving = true
	case ConfirmRemoval:
		w.named(s.Name).confirmed = true
	case DeleteMember:
		w.drop(w.index(s.Name))
	case Park:
		w.named(s.Name).dormant = true
	case Wake:
		w.named(s.Name).dormant = false
	case AddLearner:
		return w.addLearner(w.named(s.Name))
	case Promote:
		return w.promote(w.at(s.Member))
	case MoveLeader:
		return w.moveLeader(w.index(s.From.Name), w.index(s.To.Name))
	case Remove:
		return w.remove(w.at(s.Member))
	case RemoveStranger:
		return w.removeStranger(s.ID)
	default:
		return w.keep(s)
	}
	return nil
}

// keep does what concerns replacements and volumes.
func (w *world) keep(s Step) error {
	switch s := s.(type) {
	case RecordReplacement:
		w.named(s.Name).condemned = true
	case Adopt:
		m := w.named(s.Name)
		m.orphan, m.recorded, m.votes, m.admitted, m.founder = false, false, false, true, false
	case Recall:
		w.named(s.Name).recorded, w.named(s.Name).votes = true, true
	case SetAside:
		w.named(strings.TrimPrefix(s.Volume, volumeOf)).aside = true
		w.sweep()
	case Update:
		w.named(s.Name).given = w.target()
	case RecordTemplate:
		w.known = w.members[0].given
	case RecordFailure:
		w.failed = true
	default:
		return fmt.Errorf("step %T: not known", s)
	}
	return nil
}

// target is what members are to have now.
func (w *world) target() template {
	if w.failed && w.known != unknown {
		return w.known
	}
	return w.asks
}

// isStale members are about to be made anew.
func isStale(m truth) bool { return m.process != noPod && m.runs != m.given }

const volumeOf = "data-"

// sweep forgets members of which nothing is left.
func (w *world) sweep() {
	for i := w.n - 1; i >= 0; i-- {
		if m := w.members[i]; m.orphan && m.role == Unlisted && (m.aside || m.lost) {
			w.drop(i)
		}
	}
}

func (w *world) create(m truth) error {
	if w.n == room {
		return errors.New("too many members")
	}
	w.members[w.n] = m
	w.members[w.n].given, w.members[w.n].runs = w.target(), w.target()
	w.n++
	return nil
}

func (w *world) drop(i int) {
	copy(w.members[i:], w.members[i+1:w.n])
	w.n--
	w.members[w.n] = truth{}
	switch {
	case w.leader == i:
		w.leader = -1
	case w.leader > i:
		w.leader--
	}
}

func (w *world) index(name string) int    { return int(name[0] - nameable[0]) }
func (w *world) named(name string) *truth { return &w.members[w.index(name)] }
func (w *world) at(r Ref) *truth          { return w.named(r.Name) }

func isStayer(m truth) bool     { return !m.leaving && !m.orphan }
func isIll(m truth) bool        { return m.process == down || m.process == hidden }
func healthyVoter(m truth) bool { return m.role == Voter && m.process == up }

func (w *world) hasIllVoter() bool {
	return w.any(func(m truth) bool { return m.role == Voter && isIll(m) })
}

// healthyButFor counts the healthy voters without m.
func (w *world) healthyButFor(m truth) int {
	if healthyVoter(m) {
		return w.reachable() - 1
	}
	return w.reachable()
}

// What follows refuses what etcd 3.7.3 refuses: server/etcdserver/server.go.

func (w *world) addLearner(m *truth) error {
	switch {
	case !w.answers():
		return errNoLeader
	case m.role != Unlisted:
		return errors.New("peer URL exists")
	case w.learners() > 0:
		return errors.New("too many learners")
	case !w.mayAdd():
		return errUnhealthy
	}
	m.role = Learner
	return nil
}

// promote takes a learner that has died meanwhile: etcd does not look whether it is still there.
func (w *world) promote(m *truth) error {
	switch {
	case !w.answers():
		return errNoLeader
	case m.role != Learner:
		return errors.New("not a learner")
	case !m.caughtUp:
		return errors.New("learner not ready")
	}
	m.role = Voter
	return nil
}

func (w *world) moveLeader(from, to int) error {
	switch {
	case !w.answers():
		return errNoLeader
	case w.leader != from || !healthyVoter(w.members[to]):
		return errors.New("bad transferee")
	}
	w.leader = to
	return nil
}

func (w *world) remove(m *truth) error {
	switch {
	case !w.answers():
		return errNoLeader
	case m.role == Unlisted:
		return errors.New("member not found")
	case !w.mayRemove(*m):
		return errUnhealthy
	}
	m.role = Unlisted
	if m.process.connected() {
		m.process = down // a removed member's process ends itself
	}
	return nil
}

func (w *world) removeStranger(id uint64) error {
	switch {
	case !w.answers():
		return errNoLeader
	case id == strangers[unstarted].ID:
		w.stranger = nobody
		return nil
	}
	m := &w.members[id-1]
	if !w.mayRemove(*m) {
		return errUnhealthy
	}
	m.role = Unlisted
	w.sweep()
	return nil
}

var (
	errNoLeader  = errors.New("no leader")
	errUnhealthy = errors.New("unhealthy cluster, or not enough started members")
)

// mayAdd is etcd's mayAddMember for a learner.
func (w *world) mayAdd() bool { return w.voters() == 1 || w.connected() >= majority(w.voters()+1) }

// mayRemove is etcd's mayRemoveMember.
func (w *world) mayRemove(m truth) bool {
	return m.role != Voter || w.voters() > 1 && (!m.process.connected() || w.connected()-1 >= majority(w.voters()-1))
}

// tick lets Kubernetes and etcd move. It says whether anything has.
func (w *world) tick() bool {
	before := *w
	for i := range w.n {
		w.members[i].move(w.memory, w.bad)
	}
	w.settle()
	if w.leader < 0 && w.agrees() {
		for i := range w.n { // the least convenient wins: one that leaves, then the youngest
			m := w.members[i]
			if m.role == Voter && m.process.connected() && (w.leader < 0 || m.leaving || !w.members[w.leader].leaving) {
				w.leader = i
			}
		}
	}
	return *w != before
}

func (m *truth) move(memory bool, bad uint8) {
	switch {
	case m.confirmed:
		m.process, m.gone = noPod, true
	case m.orphan:
		m.process = noPod
	case m.dormant:
		m.process = noPod
		m.lost = m.lost || memory
	case isStale(*m) && m.process == down && (m.lost || bad>>m.runs&1 == 0): // something else is wrong with it
		m.runs = m.given
	case isStale(*m) && !memory:
		m.process, m.ready = noPod, m.role != Voter
	case m.process == noPod && m.admitted && !m.lost:
		m.process, m.runs = starting, m.given
		if m.broken || m.role == Unlisted {
			m.process = down
		}
	case m.process == starting && (m.role == Unlisted || bad>>m.runs&1 > 0):
		m.process = down
	case m.process == starting:
		m.process = up
	case m.process == up && m.role == Learner:
		m.caughtUp, m.ready = true, true
	case m.process == up:
		m.ready = true
	case m.process == noPod && m.admitted:
		m.process = down
	}
}

// kill ends a process. What it had in memory is lost.
func (w *world) kill(i int) {
	w.members[i].process = down
	w.members[i].lost = w.members[i].lost || w.memory
	w.settle()
}

// heal repairs everything that a human or a kubelet can repair. Lost data stays lost.
func (w *world) heal() {
	if w.known == unknown || w.memory {
		w.bad = 0 // nothing leads back
	}
	for i := range w.n {
		m := &w.members[i]
		m.broken = false
		if isIll(*m) && w.bad>>m.runs&1 == 0 && m.role != Unlisted && !m.lost && !m.orphan {
			m.process, m.ready = up, true
		}
	}
	w.overdue, w.orphans, w.spent, w.manual = false, false, false, false
	if w.stranger != unstarted {
		w.stranger = nobody
	}
	if w.memory && w.want == 0 {
		w.want = 1
	}
	if !w.formed && w.founders == 0 {
		w.founders = w.n
	}
	w.settle()
}

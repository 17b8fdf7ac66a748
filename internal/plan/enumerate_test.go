package plan

import (
	"fmt"
	"slices"
	"testing"
)

// most members of an enumerated cluster.
const most = 5

var (
	serving = truth{role: Voter, process: up, admitted: true, recorded: true, votes: true, ready: true}
	learner = truth{role: Learner, process: up, admitted: true, recorded: true}
	joiner  = truth{ready: true}
)

// kinds are the states a member of a formed cluster can be in. A cluster is a multiset of them.
var kinds = []truth{
	serving,
	serving.but(func(m *truth) { m.process = down }),
	serving.but(func(m *truth) { m.process = hidden }),
	serving.but(func(m *truth) { m.process, m.lost = down, true }),
	serving.but(func(m *truth) { m.process, m.lost, m.condemned = down, true, true }),
	serving.but(func(m *truth) { m.process, m.broken = down, true }),
	serving.but(func(m *truth) { m.process, m.orphan, m.remembered = noPod, true, true }),
	serving.but(func(m *truth) { m.process, m.orphan, m.lost = noPod, true, true }),
	serving.but(func(m *truth) { m.process, m.remembered, m.recorded, m.votes = noPod, true, false, false }), // adopted
	serving.but(func(m *truth) { m.process = starting }),
	serving.but(func(m *truth) { m.ready = false }),
	serving.but(func(m *truth) { m.founder, m.recorded, m.votes = true, false, false }),
	serving.but(func(m *truth) { m.votes = false }), // just promoted
	serving.but(func(m *truth) { m.leaving = true }),
	serving.but(func(m *truth) { m.leaving, m.process = true, down }),
	serving.but(func(m *truth) { m.leaving, m.process, m.lost = true, down, true }),
	serving.but(func(m *truth) { m.dormant = true }), // its Pod is about to stop
	serving.but(func(m *truth) { m.dormant, m.process = true, noPod }),
	serving.but(func(m *truth) { m.dormant, m.process, m.leaving = true, noPod, true }),

	learner.but(func(m *truth) { m.admitted, m.recorded, m.process = false, false, noPod }),
	learner.but(func(m *truth) { m.recorded, m.process = false, starting }),
	learner, // lags
	learner.but(func(m *truth) { m.caughtUp = true }),
	learner.but(func(m *truth) { m.caughtUp, m.recorded = true, false }),
	learner.but(func(m *truth) { m.process, m.lost = down, true }),
	learner.but(func(m *truth) { m.process, m.condemned = down, true }),
	learner.but(func(m *truth) { m.process, m.orphan = noPod, true }),
	learner.but(func(m *truth) { m.leaving = true }),
	learner.but(func(m *truth) { m.dormant, m.process = true, noPod }),

	joiner,
	joiner.but(func(m *truth) { m.leaving = true }),
	serving.but(func(m *truth) { m.role, m.process = Unlisted, down }), // removed by somebody else
	serving.but(func(m *truth) { m.role, m.process, m.leaving, m.confirmed = Unlisted, down, true, true }),
	serving.but(func(m *truth) { m.role, m.process, m.leaving, m.confirmed, m.gone = Unlisted, noPod, true, true, true }),
}

func (m truth) but(change func(*truth)) truth {
	change(&m)
	return m
}

// eachMultiset calls visit with the members of every formed cluster of up to size members whose number is shard modulo
// shards: all multisets of kinds that etcd allows.
func eachMultiset(shard, shards, size int, visit func(world)) {
	number := 0
	var choose func(w world, from int)
	choose = func(w world, from int) {
		if number++; number%shards == shard && w.possible() {
			visit(w)
		}
		if w.n == size {
			return
		}
		for k := from; k < len(kinds); k++ {
			if kinds[k].role == Learner && w.learners() > 0 {
				continue
			}
			bigger := w
			bigger.members[w.n] = kinds[k]
			bigger.n++
			choose(bigger, k)
		}
	}
	choose(world{formed: true, opened: true, leader: -1}, 0)
}

// possible: a voter whose vote is not on record was promoted by one whose vote is.
func (w *world) possible() bool {
	return !w.any(isNewVoter) || w.any(func(m truth) bool { return m.role == Voter && !isNewVoter(m) })
}

func isLostOrStuck(m truth) bool { return m.lost || m.role == Learner }

func isNewVoter(m truth) bool { return m.role == Voter && !m.votes && !m.founder && !m.remembered }

// vary visits the clusters that have the members of w: times wanted size, leader and a change of the spec. Storage medium,
// strangers and a missing client Service come alone, not times each other.
func vary(w world, visit func(*world)) {
	dormant := w.any(func(m truth) bool { return m.dormant })
	for w.want = range most + 1 {
		for _, w.leader = range w.leaders() {
			visit(&w)
			if w.n > 0 {
				visit(w.but(func(w *world) { w.asks = 1 }))
			}
		}
		if !dormant && (w.want == 0 || !w.agrees()) {
			visit(w.but(func(w *world) { w.memory = true }))
		}
		if w.any(isLostOrStuck) {
			visit(w.but(func(w *world) { w.spent = true }))
			visit(w.but(func(w *world) { w.manual = true }))
			visit(w.but(func(w *world) { w.overdue = true }))
		}
		if w.n < most {
			visit(w.but(func(w *world) { w.opened, w.founders = false, most }))
			for s := unstarted; s <= foreignMember; s++ {
				if s == foreignVoter || w.learners() == 0 {
					visit(w.but(func(w *world) { w.stranger = s }))
				}
			}
		}
	}
}

func (w world) but(change func(*world)) *world {
	change(&w)
	w.settle()
	return &w
}

// leaders are the members that can lead, one of each kind, or none while they elect one.
func (w *world) leaders() []int {
	leaders := []int{-1}
	for i := range w.n {
		m := w.members[i]
		if m.role == Voter && m.process.connected() && w.agrees() && (i == 0 || m != w.members[i-1]) {
			leaders = append(leaders, i)
		}
	}
	return leaders
}

// eachBeginning calls visit with every cluster that has not formed yet.
func eachBeginning(visit func(*world)) {
	founder := truth{role: Voter, founder: true, admitted: true, ready: true}
	for want := range most + 1 {
		visit(&world{leader: -1, want: want, known: unknown})
		visit(&world{leader: -1, want: want, known: unknown, orphans: true})
		for founders := 0; founders <= most; founders++ { // 0: status was lost
			var create func(w world, from process)
			create = func(w world, from process) {
				visit(&w)
				if w.n == max(founders, 3) && founders == 0 || founders > 0 && w.n == founders {
					return
				}
				for _, p := range []process{starting, up, down} {
					if p >= from {
						bigger := w
						bigger.members[w.n] = founder.but(func(m *truth) { m.process = p })
						bigger.n++
						create(bigger, p)
					}
				}
			}
			create(world{leader: -1, want: want, known: unknown, founders: founders}, starting)
		}
	}
}

// TestNoStepIsUnsafe asks for the next step of every small cluster.
func TestNoStepIsUnsafe(t *testing.T) {
	var multisets, clusters [shards]int
	t.Run("shard", func(t *testing.T) {
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				var c Cluster
				eachMultiset(shard, shards, most, func(w world) {
					multisets[shard]++
					vary(w, func(w *world) {
						clusters[shard]++
						judge(t, w, &c)
					})
				})
			})
		}
	})
	beginnings := 0
	var c Cluster
	eachBeginning(func(w *world) { beginnings++; judge(t, w, &c) })
	formed, total := 0, beginnings
	for shard := range shards {
		formed, total = formed+multisets[shard], total+clusters[shard]
	}
	t.Logf("%d clusters: %d multisets of up to %d members in %d states, times wanted size, leader and more, and %d beginnings: "+
		"no step is unsafe", total, formed, most, len(kinds), beginnings)
	if total < clustersAtLeast && !t.Failed() {
		t.Errorf("%d clusters, there were %d", total, clustersAtLeast)
	}
}

// clustersAtLeast tells an enumeration that has lost clusters from one that is safe.
const clustersAtLeast = 8_900_000

const shards = 2 // more would play more worlds twice

func judge(t *testing.T, w *world, c *Cluster) {
	w.observe(c)
	d := Next(*c)
	if s := wrong(w, d); s != "" {
		t.Fatalf("%s: %s %s: %s\n%s", s, d.Rule, describe(d.Step), d.Message, describeWorld(w))
	}
}

// TestKindsAreDistinct: a kind listed twice would count clusters twice.
func TestKindsAreDistinct(t *testing.T) {
	for i, k := range kinds {
		if slices.Contains(kinds[:i], k) {
			t.Errorf("kind %d is listed twice", i)
		}
	}
}

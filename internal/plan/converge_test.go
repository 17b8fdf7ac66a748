package plan

import (
	"fmt"
	"slices"
	"testing"
)

// fate is where a world ends up by itself.
type fate struct {
	end    world
	reason string
}

// history plays worlds to their end and remembers: equal worlds have equal fates.
type history struct {
	t      *testing.T
	seen   Cluster
	fates  map[key]*fate
	lives  int
	passes int
	ends   map[string]int // how many lives first came to rest for this reason
}

// remembered bounds the memory of a history. Neighbours in the enumeration share most of their fates.
const remembered = 200_000

func newHistory(t *testing.T) *history {
	return &history{t: t, fates: map[key]*fate{}, ends: map[string]int{}}
}

// pass is one reconcile. Everything the operator does in a world that held still must be safe and taken by etcd.
func (h *history) pass(w world) (world, Decision) {
	h.passes++
	w.observe(&h.seen)
	d := Next(h.seen)
	if s := wrong(&w, d); s != "" {
		h.fail(w, d, s)
	}
	next := w
	if d.Step != Step(Nothing{}) {
		if err := next.act(d.Step); err != nil {
			h.fail(w, d, err.Error())
		}
		if s := damage(w, next, d.Step); s != "" {
			h.fail(w, d, s)
		}
		if !w.eager {
			return next, d
		}
	}
	next.tick()
	return next, d
}

func (h *history) fail(w world, d Decision, why string) {
	h.t.Helper()
	h.t.Fatalf("%s: %s %s: %s: %s\n%s", why, d.Rule, describe(d.Step), d.Reason, d.Message, describeWorld(&w))
}

// damage says what a step has broken.
func damage(before, after world, s Step) string {
	_, parks := s.(Park)
	switch {
	case before.agrees() && !after.agrees() && !parks:
		return "the step took the majority away"
	case before.stranger != foreignVoter && before.holders() >= majority(before.voters()) && after.holders() < majority(after.voters()):
		return "the step left the data with a minority"
	}
	return ""
}

// play goes on until nothing moves any more, not even because waiting has become overdue.
func (h *history) play(w world) *fate {
	f, path := (*fate)(nil), []key(nil)
	for f == nil {
		k := w.key()
		known, ok := h.fates[k]
		if ok && known == nil {
			_, d := h.pass(w)
			h.fail(w, d, fmt.Sprintf("goes round in circles, %d passes", len(path)))
		}
		if ok {
			f = known
			break
		}
		h.fates[k] = nil
		path = append(path, k)
		next, d := h.pass(w)
		switch {
		case next != w:
			w = next
		case d.Step != Step(Nothing{}):
			h.fail(w, d, "the step changes nothing")
		case !w.overdue:
			w.overdue = true
		default:
			f = &fate{w, d.Reason}
		}
	}
	for _, p := range path {
		h.fates[p] = f
	}
	return f
}

// disturb lets the world go on for a while, then ends a process: before a pass, or between its look and its step.
func (h *history) disturb(w world, dice *dice) world {
	for range dice.roll(8) {
		w, _ = h.pass(w)
	}
	alive := make([]int, 0, room)
	for i := range w.n {
		if p := w.members[i].process; p.connected() || p == starting {
			alive = append(alive, i)
		}
	}
	if len(alive) == 0 {
		return w
	}
	victim := alive[dice.roll(len(alive))]
	if dice.roll(2) == 0 {
		w.kill(victim)
		return w
	}
	w.observe(&h.seen)
	d := Next(h.seen)
	w.kill(victim)
	if d.Step != Step(Nothing{}) {
		_ = w.act(d.Step) // etcd may take it or refuse it: the operator looks again
	}
	return w
}

// end plays w to its end, and again when all that can be repaired is repaired.
func (h *history) end(w world) {
	f := h.play(w)
	h.lives++
	h.ends[f.reason]++
	if len(h.fates) > remembered {
		clear(h.fates)
	}
	right, ok := rightful[f.reason]
	if !ok || !right(&f.end) {
		_, d := h.pass(f.end)
		h.fail(f.end, d, "not a rightful end")
	}
	healed := f.end
	healed.heal()
	f = h.play(healed)
	switch {
	case f.end.hopeless():
		if !slices.Contains([]string{"BootstrapFailed", "NoMembers", "QuorumLost", "ClusterUnreachable", "Paused"}, f.reason) {
			_, d := h.pass(f.end)
			h.fail(f.end, d, "the data is lost, and nobody says so")
		}
	case f.reason == "RolloutFailed" && rightful[f.reason](&f.end):
	case f.reason != "AsDesired" && f.reason != "Paused":
		_, d := h.pass(f.end)
		h.fail(f.end, d, "everything is repaired, but it is not as asked for")
	}
}

// hopeless: the data of a majority cannot come back.
func (w *world) hopeless() bool { return (w.formed || w.n > 0) && w.holders() < majority(w.voters()) }

// rightful says when a reason to rest is the right one.
var rightful = map[string]func(*world) bool{
	"AsDesired": (*world).fulfilled,
	"Paused":    (*world).fulfilled,

	// Before it has formed.
	"StatusLost":            func(w *world) bool { return !w.formed && w.founders == 0 && w.n > 0 },
	"VolumesWithoutMembers": func(w *world) bool { return !w.formed && w.orphans },
	"BootstrapFailed":       func(w *world) bool { return !w.formed && !w.agrees() },

	// Nothing can be changed.
	"NoMembers":  func(w *world) bool { return w.formed && !w.any(isListedVoter) },
	"QuorumLost": func(w *world) bool { return w.formed && !w.answers() },
	"ClusterUnreachable": func(w *world) bool {
		return w.formed && !w.any(func(m truth) bool { return m.role != Unlisted && m.process == up })
	},
	"UnknownMember": func(w *world) bool {
		return w.stranger == foreignVoter || w.stranger == foreignMember || w.manual && w.any(isForlorn)
	},
	"ReplacementBudgetSpent": func(w *world) bool { return w.spent && w.any(isLostOrStuck) },
	"ReplacementManual":      func(w *world) bool { return w.manual && w.any(isLostOrStuck) },
	"CannotPause":            func(w *world) bool { return w.memory && w.want == 0 },

	// A change waits for somebody.
	"GrowRefused": func(w *world) bool { return w.count(isStayer) < w.want && !w.safeToAdd() },
	"JoinRefused": func(w *world) bool { return w.any(isNewcomer) && !w.safeToAdd() },
	"LearnerStarting": func(w *world) bool {
		return (w.spent || w.reachable() < majority(w.voters())) && w.any(func(m truth) bool { return m.role == Learner && isIll(m) })
	},
	"PromotionRefused": func(w *world) bool { return w.hasIllVoter() && w.any(func(m truth) bool { return m.role == Learner }) },
	"ShrinkRefused":    func(w *world) bool { return w.count(isStayer) > w.want && w.hasIllVoter() },
	"RemovalRefused": func(w *world) bool {
		return w.any(isForlorn) || w.hasIllVoter() && (w.stranger == unstarted || w.any(isOnItsWayOut))
	},
	"ReplacementRefused": func(w *world) bool {
		return w.hasIllVoter() && w.any(func(m truth) bool { return m.lost && !m.leaving })
	},
	"MemberNotReady": func(w *world) bool { return w.any(isIll) },
	"MemberBroken":   func(w *world) bool { return w.any(func(m truth) bool { return m.broken }) },
	"RolloutFailed":  (*world).wentBack,
}

func isListedVoter(m truth) bool { return m.role == Voter && !isForlorn(m) }
func isNewcomer(m truth) bool    { return m.role == Unlisted && !m.leaving }
func isForlorn(m truth) bool     { return m.orphan && (m.lost || m.aside) }
func isOnItsWayOut(m truth) bool { return m.role != Unlisted && m.leaving }

// safeToAdd is etcd's rule on what the operator can know.
func (w *world) safeToAdd() bool {
	return w.learners() == 0 && (w.voters() == 1 || w.reachable() >= majority(w.voters()+1))
}

// dice are loaded: the same world gets the same rolls.
type dice struct{ seed uint64 }

func (d *dice) roll(sides int) int {
	d.seed = d.seed*6364136223846793005 + 1442695040888963407
	return int(d.seed >> 33 % uint64(sides))
}

// livesAtLeast tells an enumeration that has lost clusters from one in which all come to rest.
const livesAtLeast = 2_200_000

// TestEveryClusterComesToRest plays every multiset of member states with every wanted size, and every beginning.
func TestEveryClusterComesToRest(t *testing.T) {
	histories := make([]*history, shards+1)
	t.Run("shard", func(t *testing.T) {
		for shard := range shards {
			t.Run(fmt.Sprint(shard), func(t *testing.T) {
				t.Parallel()
				h := newHistory(t)
				eachMultiset(shard, shards, most, func(w world) {
					for w.want = range most + 1 {
						h.live(w)
					}
				})
				histories[shard] = h
			})
		}
	})
	h := newHistory(t)
	eachBeginning(func(w *world) {
		for range 4 * disturbOneIn { // each dies in many ways
			h.live(*w)
		}
	})
	histories[shards] = h
	if t.Failed() {
		return
	}
	lives, passes := 0, 0
	ends := map[string]int{}
	for _, h := range histories {
		lives, passes = lives+h.lives, passes+h.passes
		for reason, n := range h.ends {
			ends[reason] += n
		}
	}
	t.Logf("%d lives of %d passes: all come to rest, and to what is asked for once everything is repaired;"+
		" one life in %d has a death; ends: %v", lives, passes, disturbOneIn+1, ends)
	for reason := range rightful {
		if ends[reason] == 0 {
			t.Errorf("%s: no life ends so, or none does any more", reason)
		}
	}
	if lives < livesAtLeast {
		t.Errorf("%d lives, there were %d", lives, livesAtLeast)
	}
}

// live plays w undisturbed, and one in so many also with a death, members in any order, and rarer circumstances.
func (h *history) live(w world) {
	dice := &dice{uint64(h.lives)}
	leaders := w.leaders()
	w.leader = leaders[dice.roll(len(leaders))]
	w.eager = dice.roll(2) == 0
	h.end(w)
	if dice.roll(disturbOneIn) == 0 {
		h.end(h.disturb(w.rolled(dice), dice))
	}
}

// rolled is one of the clusters that have the members of w.
func (w world) rolled(dice *dice) world {
	leader := w.leader
	for i := w.n - 1; i > 0; i-- {
		j := dice.roll(i + 1)
		w.members[i], w.members[j] = w.members[j], w.members[i]
		switch leader {
		case i:
			leader = j
		case j:
			leader = i
		}
	}
	w.leader = leader
	if w.opened = dice.roll(8) > 0; !w.opened && w.formed {
		w.founders = dice.roll(most + 1)
	}
	w.memory = dice.roll(4) == 0 && !w.any(func(m truth) bool { return m.dormant })
	w.rollTemplates(dice)
	w.spent, w.manual = dice.roll(8) == 0, dice.roll(8) == 0
	if s := foreign(dice.roll(16)); s <= foreignMember && w.formed && (s == foreignVoter || w.learners() == 0) {
		w.stranger = s
	}
	w.settle()
	return w
}

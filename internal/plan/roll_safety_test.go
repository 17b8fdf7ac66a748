package plan

import "slices"

// whole: as many members as wanted, and all of them are well.
func (w *world) whole() bool {
	return w.count(isStayer) == w.want && w.count(func(m truth) bool { return healthyVoter(m) && m.ready && !m.leaving && !isStale(m) }) == w.n
}

// mayRenew says whether one more member may be made than is wanted.
func (w *world) mayRenew() bool {
	return w.whole() && (w.renews || w.memory) && w.any(func(m truth) bool { return m.given != w.target() })
}

// onTrial says whether nobody knows yet that a cluster is well with its target.
func (w *world) onTrial() bool { return w.known != unknown && w.target() != w.known }

// wentBack: a template failed for a reason, and all members are well with what they had before.
func (w *world) wentBack() bool {
	had := w.count(func(m truth) bool { return m.given == w.known && m.runs == w.known })
	return w.failed && w.whole() && had == w.n
}

// rollTemplates draws what members have, and what the spec asks for.
func (w *world) rollTemplates(dice *dice) {
	if dice.roll(2) == 0 {
		return
	}
	w.asks, w.known = template(dice.roll(int(templates))), template(dice.roll(int(templates)+1))-1
	w.bad, w.renews = uint8(dice.roll(4))<<1, dice.roll(3) == 0
	for i := range w.n {
		if m := &w.members[i]; dice.roll(2) == 0 {
			m.given = template(dice.roll(int(templates)))
			m.runs = m.given
			if dice.roll(4) == 0 && !w.memory && !w.renews {
				m.runs = template(dice.roll(int(templates)))
			}
		}
	}
	if !w.formed {
		w.known = unknown
	}
	if w.known != unknown {
		w.bad &^= 1 << w.known
	}
	if w.known == unknown {
		w.bad = 0 // nothing leads back
	}
	w.suffer()
}

// suffer ends what cannot run.
func (w *world) suffer() {
	for i := range w.n {
		switch m := &w.members[i]; {
		case w.bad>>m.runs&1 == 0:
		case m.role == Voter && (w.renews || w.memory): // it came up with what it has once
			m.given, m.runs = max(w.known, 0), max(w.known, 0)
		case m.process != noPod:
			m.process = down
		}
	}
}

// wrongToUpdate says what must not be true when member i is given the target. What it has must not be missed: nobody else is away, or it
// is away itself.
func (w *world) wrongToUpdate(i int) string {
	m := w.members[i]
	others := *w
	others.drop(i)
	well := others.count(func(o truth) bool { return healthyVoter(o) && o.ready && !isStale(o) && !o.leaving })
	one := w.onTrial() && m.given == w.known && others.any(func(o truth) bool { return o.given == w.target() && o.process != up })
	return first(
		unless(m.given != w.target() && !w.renews && !w.memory, "restarts one that has it, or that has to be replaced"),
		unless(!m.orphan && !m.confirmed && (!m.leaving || !healthyVoter(m) || !w.agrees()), "restarts one that leaves, or has no EtcdMember"),
		unless(!healthyVoter(m) || w.reachable() < majority(w.voters()) || well == others.n, "a second one is away"),
		unless(!healthyVoter(m) || w.voters() <= 2 || !w.agrees() || w.reachable()-1 >= majority(w.voters()), "no majority without it"),
		unless(m.role != Voter || m.process != hidden || !w.agrees() || w.connected()-1 >= majority(w.voters()), "no majority without it"),
		unless(w.leader != i || m.process != up || well == 0, "restarts the leader while another could lead"),
		unless(!one || m.process != up, "a second one is given what the first one does not come up with"),
		unless(!w.onTrial() || m.given != w.known || m.process != starting && m.process != noPod && !m.dormant || w.overdue,
			"one that may come back with what it has is tried on"))
}

// wrongRecord says what must not be true when something is recorded to go back to, or as failed.
func (w *world) wrongRecord(s Step) string {
	if f, ok := s.(RecordFailure); ok {
		m := *w.named(f.Name)
		return first(
			unless(w.onTrial() && m.given == w.target() && m.runs == m.given, "what nobody tried has failed"),
			unless(m.process != up || m.role == Learner && w.overdue, "what a member came up with has failed"))
	}
	given := w.members[0].given
	return first(
		unless(w.whole(), "not all are well with what is recorded"),
		unless(!slices.ContainsFunc(w.members[:w.n], func(m truth) bool { return m.given != given || m.runs != given }), "not all have it"),
		unless(w.bad>>given&1 == 0, "recorded what nobody comes up with"),
		unless(w.known != given, "recorded twice"))
}

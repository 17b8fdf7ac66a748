package plan

import "fmt"

func join(c Cluster) (Decision, bool) {
	if m, ok := c.first(func(m Member) bool { return isJoiner(m) && m.Role == Learner }); ok {
		return bringUp(c, m)
	}
	m, ok := c.first(isJoiner)
	if !ok {
		return silent()
	}
	if no := MayAdd(c, m); !no.None() {
		return hold("JoinRefused", fmt.Sprintf("not adding %s: %s", m.Name, no), no, retry)
	}
	return ask(AddLearner{m.Name}, "AddingLearner", fmt.Sprintf("adding %s as a learner", m.Name))
}

func bringUp(c Cluster, m Member) (Decision, bool) {
	if !m.Admitted {
		return step(Admit{m.Ref()}, "AdmittingMember", fmt.Sprintf("%s is listed as learner %x; letting it start", m.Name, m.ID))
	}
	if !m.Answered {
		return awaitStart(m)
	}
	if no := MayPromote(c, m); !no.None() {
		reason := "LearnerCatchingUp"
		if m.CaughtUp {
			reason = "PromotionRefused"
		}
		return hold(reason, fmt.Sprintf("not promoting %s: %s", m.Name, no), no, soon)
	}
	return ask(Promote{m.Ref()}, "PromotingLearner", fmt.Sprintf("%s has caught up; promoting it", m.Name))
}

// awaitStart nudges a learner that runs and does not answer. One that got more than 5000 entries by a snapshot counts none of them as
// applied before it sees another entry (maxGapBetweenApplyAndCommitIndex), and until then etcd does not let it serve.
func awaitStart(m Member) (Decision, bool) {
	message := fmt.Sprintf("waiting for the learner %s to start%s", m.Name, troubles([]Member{m}))
	if m.Silent < patient {
		return wait("LearnerStarting", message, soon)
	}
	d, ok := ask(Nudge{m.Ref()}, "LearnerStarting", message)
	d.Recheck = retry
	return d, ok
}

func grow(c Cluster) (Decision, bool) {
	doomed := c.count(isDoomed)
	have := c.count(isStaying) - doomed
	no := MayAdd(c, Member{})
	if have >= c.Want || doomed > 0 && !no.None() {
		return silent()
	}
	if !no.None() {
		return hold("GrowRefused", fmt.Sprintf("%d members, %d wanted, but not adding one: %s", have, c.Want, no), no, retry)
	}
	return step(CreateMember{}, "Growing", fmt.Sprintf("%d members, %d wanted: adding one", have, c.Want))
}

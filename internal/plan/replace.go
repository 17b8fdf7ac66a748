package plan

import (
	"fmt"
	"time"
)

const (
	// addFirstFrom is the number of voters from which a new member is brought up before a lost one goes: with fewer,
	// etcd adds nobody while one is down (mayAddMember).
	addFirstFrom = 5
	// pace is how long after the begin of one replacement another may begin that may be due to the environment.
	pace = time.Minute
	// learnerPatience and learnerPace bound how long a learner may take to catch up: a minute, and three times what its
	// database takes at 20 MB/s.
	learnerPatience = time.Minute
	learnerPace     = 20_000_000 / 3
)

// replaceLost goes on with what is on record before it begins anything new.
func replaceLost(c Cluster) (Decision, bool) {
	if m, ok := c.first(isDoomed); ok {
		return letGo(c, m)
	}
	m, reason, ok := nextLost(c)
	if !ok || !mayBegin(c, m, reason).None() {
		return silent()
	}
	return step(RecordReplacement{m.Name, reason}, "ReplacingMember",
		fmt.Sprintf("%s is to be replaced: %s", m.Name, plight(c, m)))
}

// letGo marks a member whose replacement is on record, unless its successor comes first.
func letGo(c Cluster, m Member) (Decision, bool) {
	if m.Role != Unlisted && !MayRemove(c, m).None() || successorFirst(c, m) {
		return silent()
	}
	reason := m.Loss
	if reason == "" {
		reason = "LearnerStuck"
	}
	return step(MarkLeaving{m.Name, reason, m.Votes}, "ReplacingMember", fmt.Sprintf("letting %s go: %s", m.Name, plight(c, m)))
}

// successorFirst says whether the voter m stays until a learner can take its place.
func successorFirst(c Cluster, m Member) bool {
	_, leaving := c.first(func(o Member) bool { return o.Leaving && o.Role != Unlisted })
	if m.Role != Voter || c.Voters() < addFirstFrom || leaving {
		return false
	}
	heir, ok := c.first(func(j Member) bool { return isJoiner(j) && !isDoomed(j) })
	switch {
	case !ok:
		return c.count(isStaying)-c.count(isDoomed) < c.Want && MayAdd(c, Member{}).None()
	case heir.Role == Learner:
		return !MayPromote(c, heir).None() && !isStuck(c, heir)
	}
	return MayAdd(c, heir).None()
}

// nextLost finds the member to be replaced next: one that may be, else one that may not. While another one joins and can go
// on, no voter is. One that leaves has gone before this is asked, or waits for a lost one to go first.
func nextLost(c Cluster) (Member, string, bool) {
	var lost []Member
	for _, m := range c.Members {
		if !m.Leaving && (isStuck(c, m) || m.Lost && (m.Role != Voter || !progressing(c))) {
			lost = append(lost, m)
		}
	}
	for _, m := range lost {
		if mayBegin(c, m, loss(c, m)).None() {
			return m, loss(c, m), true
		}
	}
	if len(lost) == 0 {
		return Member{}, "", false
	}
	return lost[0], loss(c, lost[0]), true
}

func loss(c Cluster, m Member) string {
	if isStuck(c, m) {
		return "LearnerStuck"
	}
	return m.Loss
}

// progressing says whether somebody is joining whom nothing keeps from it.
func progressing(c Cluster) bool {
	m, ok := c.first(func(m Member) bool { return isJoiner(m) && !m.Lost })
	switch {
	case !ok:
		return false
	case m.Role == Unlisted:
		return MayAdd(c, m).None()
	}
	return !m.CaughtUp || MayPromote(c, m).None()
}

// isStuck says whether a learner has not come up, or not caught up, for longer than its database explains.
func isStuck(c Cluster, m Member) bool {
	patience := learnerPatience + time.Duration(c.DBSize/learnerPace)*time.Second
	return m.Role == Learner && !m.Leaving && m.Admitted && !m.Excused && !m.Barred && (!m.Healthy || !m.CaughtUp) && c.Idle >= patience
}

// mayBegin says what forbids to put m's replacement on record.
func mayBegin(c Cluster, m Member, reason string) Refusal {
	if no := MayRemove(c, m); m.Role != Unlisted && !no.None() {
		return no
	}
	youngest := time.Hour
	for _, b := range c.Begun {
		youngest = min(youngest, b.Ago)
	}
	switch {
	case c.Manual && m.Role == Voter && reason != "Requested":
		return Refusal{"PeopleDecide", "spec.memberReplacement.mode is Manual: annotate its EtcdMember with " +
			"etcd-operator.cozystack.io/replace to have it replaced"}
	case len(c.Begun) >= c.MaxPerHour:
		return Refusal{"ReplacementBudget", fmt.Sprintf("%d replacements have begun within the last hour, "+
			"spec.memberReplacement.maxPerHour is %d", len(c.Begun), c.MaxPerHour)}
	case (m.Soft || m.Role == Learner) && youngest < pace:
		return Refusal{"ReplacementPace", fmt.Sprintf("another replacement has begun within the last %s", pace)}
	}
	return Refusal{}
}

// awaitReplacement comes after everything that could go on all the same.
func awaitReplacement(c Cluster) (Decision, bool) {
	if m, ok := c.first(isDoomed); ok {
		no := MayRemove(c, m)
		return hold("ReplacementRefused", fmt.Sprintf("not removing %s: %s; %s", m.Name, no, plight(c, m)), no, retry)
	}
	m, reason, ok := nextLost(c)
	if !ok {
		return silent()
	}
	no := mayBegin(c, m, reason)
	message := fmt.Sprintf("not replacing %s: %s; %s", m.Name, no, plight(c, m))
	switch no.Invariant {
	case "PeopleDecide":
		d, ok := stuck("ReplacementManual", message)
		d.Refusal = no
		return d, ok
	case "ReplacementBudget":
		return hold("ReplacementBudgetSpent", message, no, patient)
	}
	return hold("ReplacementRefused", message, no, retry)
}

// plight says why m is replaced.
func plight(c Cluster, m Member) string {
	switch {
	case m.Trouble != "":
		return m.Trouble
	case isStuck(c, m):
		return "the learner has not caught up in time"
	}
	return m.Loss
}

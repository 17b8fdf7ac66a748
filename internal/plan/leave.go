package plan

import "fmt"

func finishDeparture(c Cluster) (Decision, bool) {
	for _, m := range c.Members {
		switch {
		case m.Confirmed && m.Gone && c.OrdinalsRecorded:
			return step(DeleteMember{m.Name}, "MemberGone", fmt.Sprintf("nothing is left of %s; deleting its EtcdMember", m.Name))
		case m.Leaving && !m.Confirmed && c.Listed && m.Role == Unlisted:
			return step(ConfirmRemoval{m.Name}, "MemberRemoved", fmt.Sprintf("etcd does not list %s; its Pod and volume may go", m.Name))
		}
	}
	return silent()
}

// expelled catches members that were listed once, and are not any more, without the operator having removed them.
func expelled(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Admitted && m.Role == Unlisted && !m.Leaving })
	if !ok {
		return silent()
	}
	return step(MarkLeaving{m.Name, "RemovedFromEtcd", m.Votes}, "MemberExpelled",
		fmt.Sprintf("etcd does not list %s any more; cleaning up after it", m.Name))
}

func removeLeaving(c Cluster) (Decision, bool) {
	for _, m := range c.Members {
		if m.Leaving && m.Role != Unlisted && MayRemove(c, m).None() {
			return remove(c, m)
		}
	}
	return silent()
}

// remove takes m, which may go, out of etcd: leadership first, then membership.
func remove(c Cluster, m Member) (Decision, bool) {
	if to, ok := successor(c, m); ok && m.Leader {
		return ask(MoveLeader{m.Ref(), to.Ref()}, "MovingLeader", fmt.Sprintf("%s leads and is leaving; %s takes over", m.Name, to.Name))
	}
	return ask(Remove{m.Ref()}, "RemovingMember", fmt.Sprintf("removing %s from etcd", m.Name))
}

// successor is who leads after m: a healthy voter that stays, else any healthy voter.
func successor(c Cluster, m Member) (Member, bool) {
	if to, ok := c.first(func(o Member) bool { return isHealthyVoter(o) && isStaying(o) && o.Name != m.Name }); ok {
		return to, true
	}
	return c.first(func(o Member) bool { return isHealthyVoter(o) && o.Name != m.Name })
}

// awaitRemoval does not hold up the successor of the last voter, which may go only when there is another.
func awaitRemoval(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Leaving && m.Role != Unlisted })
	if !ok || c.Voters() == 1 {
		return silent()
	}
	no := MayRemove(c, m)
	return hold("RemovalRefused", fmt.Sprintf("not removing %s: %s", m.Name, no), no, retry)
}

func shrink(c Cluster) (Decision, bool) {
	staying, doomed := c.where(isStaying), c.count(isDoomed)
	_, busy := c.first(func(m Member) bool { return m.Leaving && !m.Confirmed })
	surplus := len(staying) - doomed - c.Want
	if renewing(c) {
		surplus--
	}
	if surplus <= 0 || busy {
		return silent()
	}
	m := leastMissed(staying)
	if no := MayRemove(c, m); m.Role != Unlisted && !no.None() {
		return hold("ShrinkRefused", fmt.Sprintf("not removing %s: %s", m.Name, no), no, retry)
	}
	reason := "ScaledDown"
	if isExpiring(m) {
		reason = "Renewed"
	}
	return step(MarkLeaving{m.Name, reason, c.Retain && m.Role == Voter}, "Shrinking",
		fmt.Sprintf("%d members, %d wanted: removing %s", len(staying), c.Want, m.Name))
}

// leastMissed prefers a member without a vote, then an unhealthy one, then one that would have to be
// replaced anyway, then a follower, then the youngest.
func leastMissed(ms []Member) Member {
	best := ms[0]
	for _, m := range ms[1:] { // ordered by ordinal: on a tie the later one is younger
		if !missedMore(m, best) {
			best = m
		}
	}
	return best
}

func missedMore(a, b Member) bool {
	switch {
	case a.Role != b.Role:
		return a.Role > b.Role
	case a.Healthy != b.Healthy:
		return a.Healthy
	case isExpiring(a) != isExpiring(b):
		return isExpiring(b)
	}
	return a.Leader
}

func awaitDeparture(c Cluster) (Decision, bool) {
	going := c.where(func(m Member) bool { return m.Confirmed })
	if len(going) == 0 {
		return silent()
	}
	return wait("CleaningUp", fmt.Sprintf("waiting for Pod and volume of removed members to go: %s", names(going)), retry)
}

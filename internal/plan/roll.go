package plan

import (
	"fmt"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// isBehind members lack what another Pod takes over.
func isBehind(m Member) bool { return m.Behind != "" && !m.Leaving }

// isRestarting members are told to start with something else than their Pod was made with.
func isRestarting(m Member) bool { return m.Stale && !m.Leaving && !m.Stopped && !m.ByHand }

// isHeld members wait for people to delete their Pod.
func isHeld(m Member) bool { return m.Stale && !m.Leaving && !m.Stopped && m.ByHand }

func secure(c Cluster) (Decision, bool) {
	if !c.Unsecured {
		return silent()
	}
	return wait("AwaitingCertificates", "waiting for the certificates that spec.tls asks for: the condition TLSReady says more",
		patient)
}

// refit gives members what they are to have that lose nothing by a restart: they do not serve.
func refit(c Cluster) (Decision, bool) {
	for _, m := range c.where(func(m Member) bool { return m.Behind != "" && !m.Confirmed }) {
		if !m.Healthy && !m.Barred && !mayComeBack(c, m) && (c.Severed || m.Down || !c.formed() || MayRestart(c, m).None()) {
			return step(Update{Name: m.Name}, "UpdatingMember", fmt.Sprintf("%s does not serve; it is to start with the %s that it should have now",
				m.Name, m.Behind))
		}
	}
	return silent()
}

// mayComeBack says whether m may be well with what it has, and what it is to have is a trial: that begins with one member that is well.
func mayComeBack(c Cluster, m Member) bool {
	return c.Rollout.Trying && m.Proven && !m.Pressing && !isAway(c, m)
}

// isListed is true of voters whose place in etcd's list is known.
func isListed(m Member) bool { return m.Role == Voter && m.ListedAt != "" && !m.Leaving }

// isAstray voters are listed where they neither listen nor should: somebody did that by hand, or the spec has changed back.
func isAstray(m Member) bool {
	return isListed(m) && m.ListedAt != m.StartsAt && m.ListedAt != m.WantedAt
}

// isBegun voters are listed where they should listen, and do not yet.
func isBegun(m Member) bool {
	return isListed(m) && m.ListedAt == m.WantedAt && m.StartsAt != m.WantedAt
}

// isOld members are to be started anew, or to listen elsewhere, and not to be replaced anyway.
func isOld(m Member) bool {
	return !isExpiring(m) && (isBehind(m) || isListed(m) && m.StartsAt != m.WantedAt)
}

// readdress comes before anything that waits for a member: until it is done the others may not reach it.
func readdress(c Cluster) (Decision, bool) {
	m, ok := c.first(isAstray)
	if !ok {
		return silent()
	}
	return ask(Readdress{m.Ref(), m.StartsAt}, "ChangingPeerURL", fmt.Sprintf("%s is listed at %s and listens at %s: the others are told",
		m.Name, m.ListedAt, m.StartsAt))
}

// roll restarts the others, one after the other, and the leader last. It is asked only when every member is healthy and ready.
func roll(c Cluster) (Decision, bool) {
	old := c.where(isOld)
	if len(old) == 0 {
		return silent()
	}
	done := fmt.Sprintf("%d of %d members are as they should be", len(c.Members)-len(old), len(c.Members))
	m := nextToRoll(old)
	if c.Rollout.OnDelete && !m.Pressing {
		return step(Update{m.Name, true}, "UpdatingMember", fmt.Sprintf("%s; giving %s its %s", done, m.Name, m.Behind))
	}
	if d, wait := awaitSettled(c, done); wait {
		return d, wait
	}
	if no := MayRestart(c, m); !no.None() {
		return hold("RestartRefused", fmt.Sprintf("not restarting %s: %s", m.Name, no), no, retry)
	}
	if to, ok := rollSuccessor(c, m); ok && m.Leader {
		return ask(MoveLeader{m.Ref(), to.Ref()}, "MovingLeader", fmt.Sprintf("%s leads and is to be restarted; %s takes over", m.Name, to.Name))
	}
	if isListed(m) && m.ListedAt != m.WantedAt { // while all can agree; if its restart failed, it still reaches the others
		return ask(Readdress{m.Ref(), m.WantedAt}, "ChangingPeerURL", fmt.Sprintf("%s; the others are told that %s is to listen at %s",
			done, m.Name, m.WantedAt))
	}
	return step(Update{Name: m.Name}, "UpdatingMember", fmt.Sprintf("%s; restarting %s for its %s%s", done, m.Name, m.Behind, outage(c)))
}

// outage says before it happens what nobody can avoid.
func outage(c Cluster) string {
	if c.Voters() > 2 {
		return ""
	}
	return "; the cluster does not serve until it is back"
}

// rollSuccessor is who leads while m is restarted: one that was restarted already, else any.
func rollSuccessor(c Cluster, m Member) (Member, bool) {
	if to, ok := c.first(func(o Member) bool { return isHealthyVoter(o) && isStaying(o) && o.Name != m.Name && !isOld(o) }); ok {
		return to, true
	}
	return successor(c, m)
}

// nextToRoll finishes what was begun, and takes the leader last.
func nextToRoll(old []Member) Member {
	m := old[0]
	for _, other := range old {
		if isBegun(other) {
			return other
		}
		if m.Leader {
			m = other
		}
	}
	return m
}

// awaitRestart comes before anything is concluded from how well a member is whose Pod is about to go.
func awaitRestart(c Cluster) (Decision, bool) {
	restarting := c.where(isRestarting)
	if len(restarting) == 0 {
		return silent()
	}
	return wait("RestartingMember", fmt.Sprintf("waiting for the Pod of %s to be made again", names(restarting)), soon)
}

// quorumWithout exempts one and two voters: they are a majority only all together, and restart with an outage or never.
func quorumWithout(c Cluster, m Member) string {
	n, left := c.Voters(), c.HealthyVoters()
	if m.Role == Voter && m.Healthy {
		left--
	}
	if m.Role != Voter || n <= 2 && m.Healthy || left >= quorum.Size(n) {
		return ""
	}
	return fmt.Sprintf("%d of %d voters would be healthy without it, %d must agree", left, n, quorum.Size(n))
}

package plan

import (
	"fmt"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// isBehind members were started with something else than the spec asks for, and another Pod takes it over. In memory it would cost
// the data.
func isBehind(m Member) bool { return m.Behind != "" && !m.Leaving }

// isRestarting members are told to start with something else than their Pod was made with.
func isRestarting(m Member) bool { return m.Stale && !m.Leaving && !m.Stopped }

func secure(c Cluster) (Decision, bool) {
	if !c.Unsecured {
		return silent()
	}
	return wait("AwaitingCertificates", "waiting for the certificates that spec.tls asks for: the condition TLSReady says more",
		patient)
}

// refit gives members what the spec asks for that lose nothing by a restart: they do not serve.
func refit(c Cluster) (Decision, bool) {
	for _, m := range c.where(isBehind) {
		if !m.Healthy && !m.Barred && !c.Memory && (c.Severed || m.Down || !c.formed() || MayRestart(c, m).None()) {
			return step(Update{m.Name}, "UpdatingMember", fmt.Sprintf("%s does not serve; it is to start with the %s that the spec asks for now",
				m.Name, m.Behind))
		}
	}
	return silent()
}

// readdress comes before anything that waits for a member: until it is done the others may not reach it.
func readdress(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Moved && m.Role == Voter && m.Votes && !m.Leaving })
	if !ok {
		return silent()
	}
	return ask(Readdress{m.Ref()}, "ChangingPeerURL", fmt.Sprintf("%s listens elsewhere: the other members are told", m.Name))
}

// roll restarts the others, one after the other, and the leader last. It is asked only when every member is healthy and ready.
func roll(c Cluster) (Decision, bool) {
	behind := c.where(isBehind)
	if len(behind) == 0 || c.Memory {
		return silent()
	}
	m := behind[0]
	for _, other := range behind {
		if m.Leader {
			m = other
		}
	}
	if no := MayRestart(c, m); !no.None() {
		return hold("RestartRefused", fmt.Sprintf("not restarting %s: %s", m.Name, no), no, retry)
	}
	if to, ok := successor(c, m); ok && m.Leader {
		return ask(MoveLeader{m.Ref(), to.Ref()}, "MovingLeader", fmt.Sprintf("%s leads and is to be restarted; %s takes over", m.Name, to.Name))
	}
	return step(Update{m.Name}, "UpdatingMember", fmt.Sprintf("%d of %d members are as the spec asks for; restarting %s for its %s",
		len(c.Members)-len(behind), len(c.Members), m.Name, m.Behind))
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

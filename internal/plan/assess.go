package plan

import (
	"fmt"
	"slices"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// Verdict is a yes or no with its reason, as conditions want it.
type Verdict struct {
	Holds   bool
	Reason  string
	Message string
}

// Available says whether the cluster serves linearizable reads and writes.
func Available(c Cluster) Verdict {
	n, healthy := c.Voters(), c.HealthyVoters()
	counts := fmt.Sprintf("%d of %d voters are healthy, %d must agree", healthy, n, quorum.Size(n))
	switch {
	case c.Want == 0 && c.count(func(m Member) bool { return !m.Stopped }) == 0:
		return Verdict{false, "Paused", "the cluster is paused"}
	case !c.formed():
		return forming(c)
	case slices.Contains(c.Objects, Object{Kind: ClientService}):
		return Verdict{false, "ClientServiceMissing", "the client Service is not there yet: " + counts}
	case healthy >= quorum.Size(n) && slices.ContainsFunc(c.Alarms, func(a Alarm) bool { return a.Corrupt }):
		return Verdict{false, "CorruptAlarm", "etcd has raised CORRUPT and refuses writes"}
	case n > 0 && healthy == n:
		return Verdict{true, "QuorumHealthy", counts}
	case healthy >= quorum.Size(n):
		return Verdict{true, "QuorumAvailable", counts + troubles(c.Members)}
	}
	return silenced(c, counts)
}

// silenced says why no quorum answered a read.
func silenced(c Cluster, counts string) Verdict {
	switch {
	case c.Barred():
		return Verdict{false, "AuthRequiredNotConfigured", barredMessage}
	case c.count(isHeard) == 0:
		return Verdict{false, "ClusterUnreachable", "no member answers" + troubles(c.Members)}
	}
	return Verdict{false, "QuorumLost", counts + troubles(c.Members)}
}

func forming(c Cluster) Verdict {
	if c.overdue() {
		return Verdict{false, "BootstrapFailed", "the cluster has not formed in time" + troubles(c.Members)}
	}
	return Verdict{false, "Bootstrapping", "the cluster has not formed yet"}
}

// Degraded says whether a member is broken, or the cluster tolerates fewer failures than its size allows.
func Degraded(c Cluster) Verdict {
	n, healthy := c.Voters(), c.HealthyVoters()
	broken := c.where(Unusable)
	switch {
	case len(broken) > 0:
		return Verdict{true, "MembersBroken",
			fmt.Sprintf("%d of %d members cannot use their data%s", len(broken), len(c.Members), troubles(broken))}
	case c.Want == 0 || !c.formed() || healthy == n:
		return Verdict{false, "AllMembersHealthy", "no member is known to be broken"}
	}
	return Verdict{true, "ToleranceReduced", fmt.Sprintf("%d of %d voters are healthy: %d more may fail, not %d",
		healthy, n, max(healthy-quorum.Size(n), 0), quorum.Tolerance(n))}
}

// Unusable says whether m's data cannot be used.
func Unusable(m Member) bool { return m.Broken || m.Lost }

// Progressing says whether the cluster moves towards its spec.
func Progressing(c Cluster, d Decision) Verdict {
	switch {
	case d.Outlook == Fulfilled && c.Want == 0:
		return Verdict{false, "Paused", d.Message}
	case d.Outlook == Fulfilled:
		return Verdict{false, "Reconciled", d.Message}
	case d.Outlook == Stuck:
		return Verdict{false, d.Reason, d.Message}
	case d.Outlook == Waiting && c.overdue():
		return Verdict{false, "DeadlineExceeded", fmt.Sprintf("no progress for %s: %s", c.Deadline, d.Message)}
	}
	return Verdict{true, d.Reason, d.Message}
}

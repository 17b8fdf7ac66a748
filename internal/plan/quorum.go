package plan

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

func barred(c Cluster) (Decision, bool) {
	if c.Listed || !c.Barred() {
		return silent()
	}
	return wait("AuthRequiredNotConfigured", barredMessage, retry)
}

func noMemberList(c Cluster) (Decision, bool) {
	switch {
	case c.Listed:
		return silent()
	case c.Voters() == 0 && c.count(func(m Member) bool { return m.Recorded }) > 0:
		return wait("QuorumLost", "no voter that is on record is left, and the others do not make a majority: nothing is changed"+
			troubles(c.Members), retry)
	case c.Voters() == 0:
		return stuck("NoMembers", "the cluster has formed before, and neither a voter nor the volume of one is left: "+
			"create the EtcdCluster again, from a snapshot if there is one")
	}
	n, need := c.Voters(), quorum.Size(c.Voters())
	starting := c.count(func(m Member) bool { return m.Role == Voter && (m.Answered || m.Starting) })
	gone := c.count(func(m Member) bool { return m.Role == Voter && m.Hopeless })
	switch {
	case gone > quorum.Tolerance(n):
		return stuck("QuorumLost", standings(c)+
			": the cluster cannot come back as it is, and nothing is changed; recover by hand, or create it again from a snapshot")
	case starting >= need && !c.overdue():
		return wait("Starting", standings(c), soon)
	case c.count(isHeard) == 0:
		return wait("ClusterUnreachable", standings(c), retry)
	}
	return wait("QuorumLost", standings(c)+": nothing is changed, and the cluster comes back by itself when enough of them start", retry)
}

// standings says who is alive, who could start and what is gone.
func standings(c Cluster) string {
	var alive, could, gone []string
	for _, m := range c.where(isVoter) {
		name := m.Name
		if m.Trouble != "" {
			name += " (" + m.Trouble + ")"
		}
		switch {
		case isHeard(m):
			alive = append(alive, m.Name)
		case m.Hopeless:
			gone = append(gone, name)
		default:
			could = append(could, name)
		}
	}
	text := fmt.Sprintf("%d of %d voters answer, %d must agree", len(alive), c.Voters(), quorum.Size(c.Voters()))
	var parts []string
	for _, group := range []struct {
		what    string
		members []string
	}{{"alive", alive}, {"could start", could}, {"gone", gone}} {
		if len(group.members) > 0 {
			parts = append(parts, group.what+": "+list(group.members))
		}
	}
	return text + "; " + strings.Join(parts, "; ")
}

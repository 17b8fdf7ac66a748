package plan

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

func noMemberList(c Cluster) (Decision, bool) {
	switch {
	case c.Listed:
		return silent()
	case c.Voters() == 0:
		return stuck("NoMembers", "the cluster has formed before, and no voter is left: delete the EtcdCluster, or restore its EtcdMembers")
	}
	n, need := c.Voters(), quorum.Size(c.Voters())
	starting := c.count(func(m Member) bool { return m.Role == Voter && (m.Answered || m.Starting) })
	answering := c.count(func(m Member) bool { return m.Role == Voter && m.Answered })
	message := fmt.Sprintf("%d of %d voters answer, %d must agree%s", answering, n, need, troubles(c.Members))
	switch {
	case c.Memory && c.count(func(m Member) bool { return m.Role == Voter && m.Lost }) > quorum.Tolerance(n):
		return stuck("QuorumLost", message+"; the data was in memory and is gone: delete the EtcdCluster and create it again")
	case starting >= need && !c.overdue():
		return wait("Starting", message, soon)
	case c.count(func(m Member) bool { return m.Answered }) == 0:
		return wait("ClusterUnreachable", message, retry)
	}
	return wait("QuorumLost", message, retry)
}

func stranger(c Cluster) (Decision, bool) {
	if len(c.Strangers) == 0 {
		return silent()
	}
	s := c.Strangers[0]
	id := fmt.Sprintf("%x (%s)", s.ID, s.PeerURL)
	if s.Name != "" || !s.Ours {
		return stuck("UnknownMember", fmt.Sprintf("etcd lists member %s, which has no EtcdMember: not changing the membership; "+
			"remove it from etcd if it does not belong there", id))
	}
	role := Voter
	if s.Learner {
		role = Learner
	}
	if no := MayRemove(c, Member{ID: s.ID, Role: role}); !no.None() {
		return hold("RemovalRefused", fmt.Sprintf("not removing member %s, which never started: %s", id, no), no, retry)
	}
	return ask(RemoveStranger{s.ID}, "RemovingStranger", fmt.Sprintf("removing member %s, which never started and has no EtcdMember", id))
}

func awaitHealth(c Cluster) (Decision, bool) {
	broken := c.where(func(m Member) bool { return m.Broken })
	if len(broken) > 0 {
		return stuck("MemberBroken", fmt.Sprintf("%d of %d members cannot use their data%s", len(broken), len(c.Members), troubles(broken)))
	}
	ill := c.where(func(m Member) bool { return !m.Healthy || !m.Ready })
	if len(ill) == 0 {
		return silent()
	}
	every := patient
	if _, starting := c.first(func(m Member) bool { return m.Starting || m.Healthy && !m.Ready }); starting {
		every = soon
	}
	return wait("MemberNotReady",
		fmt.Sprintf("waiting for %d of %d members to be ready: %s%s", len(ill), len(c.Members), names(ill), troubles(ill)), every)
}

func outdated(c Cluster) (Decision, bool) {
	old := c.where(func(m Member) bool { return m.Outdated })
	if len(old) == 0 {
		return silent()
	}
	return stuck("ChangeNotApplied", fmt.Sprintf("the spec has changed in fields that this version of the operator gives only to new "+
		"members; %d of %d members are as before: %s", len(old), len(c.Members), names(old)))
}

func asDesired(c Cluster) string {
	return fmt.Sprintf("%d members are healthy; %d may fail", len(c.Members), quorum.Tolerance(len(c.Members)))
}

func names(ms []Member) string {
	s := make([]string, len(ms))
	for i, m := range ms {
		s[i] = m.Name
	}
	return list(s)
}

// list keeps messages short: conditions are read in a terminal.
func list(s []string) string {
	const most = 5
	if len(s) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(s[:most], ", "), len(s)-most)
	}
	return strings.Join(s, ", ")
}

// troubles lists what is wrong with members, as an appendix to a message.
func troubles(ms []Member) string {
	var s []string
	for _, m := range ms {
		if m.Trouble != "" {
			s = append(s, m.Name+": "+m.Trouble)
		}
	}
	if len(s) == 0 {
		return ""
	}
	return "; " + list(s)
}

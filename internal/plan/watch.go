package plan

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

func awaitHealth(c Cluster) (Decision, bool) {
	if failing := c.where(func(m Member) bool { return m.Await != "" }); len(failing) > 0 {
		return wait("MemberFailing", fmt.Sprintf("%d of %d members have failed%s; %s", len(failing), len(c.Members), troubles(failing),
			failing[0].Await), retry)
	}
	if broken := c.where(func(m Member) bool { return m.Broken && !m.Lost }); len(broken) > 0 {
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

func awaitDeletion(c Cluster) (Decision, bool) {
	held := c.where(isHeld)
	if len(held) == 0 {
		return silent()
	}
	return wait("AwaitingPodDeletion", fmt.Sprintf("%d of %d members take over their new settings when their Pods are deleted: %s",
		len(held), len(c.Members), names(held)), rest)
}

func awaitAuth(c Cluster) (Decision, bool) {
	if c.AuthPending == "" {
		return silent()
	}
	return wait("AuthPending", c.AuthPending, patient)
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

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

func disabled(c Cluster) (Decision, bool) {
	if !c.Disabled {
		return silent()
	}
	return wait("ReconcilingDisabled",
		"the annotation etcd-operator.cozystack.io/reconcile=disabled stops the operator; remove it to go on", rest)
}

func namesTaken(c Cluster) (Decision, bool) {
	if len(c.Taken) == 0 {
		return silent()
	}
	return stuck("NameTaken", fmt.Sprintf("%s belongs to somebody else; delete or rename it, or give the cluster another name",
		strings.Join(c.Taken, ", ")))
}

func namesake(c Cluster) (Decision, bool) {
	if c.formed() || len(c.Namesakes) == 0 {
		return silent()
	}
	return wait("AwaitingNamesake", fmt.Sprintf("waiting for what is left of an earlier cluster of this name to be deleted: %s",
		list(c.Namesakes)), retry)
}

func objects(c Cluster) (Decision, bool) {
	for _, o := range c.Objects {
		if o.Current || o.Kind == ClientService && !o.Exists && !MayOpen(c) {
			continue
		}
		verb := "creating"
		if o.Exists {
			verb = "correcting"
		}
		return step(Apply{o.Kind}, "ApplyingObjects", fmt.Sprintf("%s the %s", verb, o.Kind))
	}
	return silent()
}

func found(c Cluster) (Decision, bool) {
	switch {
	case c.formed() || len(c.Founders) > 0:
		return silent()
	case len(c.Members) > 0 && c.SeenID != 0:
		return step(RecordCluster{c.SeenID}, "Recording", fmt.Sprintf("recording the cluster ID %x again", c.SeenID))
	case len(c.Members) > 0:
		return stuck("StatusLost", fmt.Sprintf("status names no founders, but there are %d members and none answers: "+
			"not founding a second cluster; restore the status of this EtcdCluster, or delete it", len(c.Members)))
	case len(c.Orphans) > 0:
		return stuck("VolumesWithoutMembers", fmt.Sprintf("there are volumes of this cluster, but no members: %s: "+
			"not founding a second cluster; restore the status of this EtcdCluster, or delete it", volumes(c.Orphans)))
	case c.Want == 0:
		return Decision{Step: Nothing{}, Outlook: Fulfilled, Reason: "Paused", Recheck: rest,
			Message: "paused before the first start; replicas above 0 founds the cluster"}, true
	}
	if c.Restore.Wanted {
		return step(NameFounders{1}, restoring, "naming the member that starts from the snapshot; the others join it")
	}
	return step(NameFounders{c.Want}, "Bootstrapping", fmt.Sprintf("naming %d founders", c.Want))
}

func form(c Cluster) (Decision, bool) {
	if c.formed() {
		return silent()
	}
	for _, name := range c.Founders {
		if !slices.ContainsFunc(c.Members, func(m Member) bool { return m.Name == name }) {
			return step(CreateFounder{name}, "Bootstrapping", fmt.Sprintf("creating %s, one of %d founders", name, len(c.Founders)))
		}
	}
	if c.SeenID != 0 {
		return step(RecordCluster{c.SeenID}, "Bootstrapping", fmt.Sprintf("the cluster has formed with the ID %x; recording it", c.SeenID))
	}
	if c.Restore.Wanted {
		return awaitRestore(c)
	}
	need := quorum.Size(len(c.Founders))
	message := fmt.Sprintf("waiting for %d of %d founders to form the cluster%s", need, len(c.Founders), troubles(c.Members))
	if c.overdue() {
		return wait("BootstrapFailed", message, retry)
	}
	return wait("Bootstrapping", message, soon)
}

func record(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool {
		return c.Listed && m.Answered && m.Role != Unlisted && !m.Leaving && (!m.Recorded || m.Role == Voter && !m.Votes)
	})
	if !ok {
		return silent()
	}
	return step(Record{m.Ref(), m.Role == Voter}, "RecordingMember", fmt.Sprintf("recording the incarnation of %s as member %x", m.Name, m.ID))
}

func volumes(orphans []Orphan) string {
	names := make([]string, len(orphans))
	for i, o := range orphans {
		names[i] = o.Volume
	}
	return list(names)
}

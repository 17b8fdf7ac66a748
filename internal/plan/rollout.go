package plan

import (
	"fmt"
	"time"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// Rollout is what is known of bringing members to what the spec asks for. The target is what they are to have now: the template of the
// spec, or, while that is refused or has failed, the one on record that all of them were last brought to.
type Rollout struct {
	Known      bool   // there is a template on record
	Trying     bool   // the target is not the one on record
	Begun      bool   // a member was given the template of the spec, which is not on record
	Unrecorded bool   // all members were given the same, and that is not on record
	OnDelete   bool   // members take over what they are given when people delete their Pods
	Failed     string // how a member failed with the template of the spec; empty if none has
}

const (
	// healthInterval is how long a member has to have been connected until etcd counts on it (etcdserver.HealthInterval).
	healthInterval = 5 * time.Second
	// smallLag is how many entries a member may be behind the leader when another one is restarted.
	smallLag = 1000
	// plainPatience and trialPatience bound how long a member may be away with a template that nobody has been well with yet: for plain
	// reasons, and else, with three times what reading its database takes at 20 MB/s.
	plainPatience = 30 * time.Second
	trialPatience = 2 * time.Minute
)

// isSettling members have been up for a moment only, or have not heard all yet.
func isSettling(m Member) bool { return !m.Leaving && (m.Up < healthInterval || m.Lag >= smallLag) }

func awaitSettled(c Cluster, before string) (Decision, bool) {
	settling := c.where(isSettling)
	if len(settling) == 0 {
		return silent()
	}
	return wait("Settling", fmt.Sprintf("%s: waiting for %s to have been up for %s, and less than %d entries behind the leader",
		before, names(settling), healthInterval, smallLag), retry)
}

// isAway says whether m has been away for longer than anything explains that passes by itself, and that is not its surroundings.
func isAway(c Cluster, m Member) bool {
	class := classOf(m.Loss)
	switch {
	case m.Stale, m.Stopping, m.Dormant, m.Confirmed, m.Barred, class.Around, class.Gone, m.Healthy && (m.Ready || m.Role != Voter):
		return false
	case class.Plain && !m.Inherited && m.Away >= plainPatience:
		return true
	}
	return m.Away >= trialPatience+time.Duration(c.DBSize/learnerPace)*time.Second
}

// excusedByOthers says whether m cannot be expected to serve because of the others: etcd answers nobody before it has found a leader.
// Those that are away with the same template are no excuse.
func excusedByOthers(c Cluster, m Member) bool {
	others := c.count(func(o Member) bool {
		return o.Role != Learner && (isHeard(o) || o.Trial && isAway(c, o)) && o.Name != m.Name
	})
	return m.Role == Voter && others+1 < quorum.Size(c.Voters())
}

// failedTrial finds a member that does not come up with a template that not all members have had.
func failedTrial(c Cluster) (Member, bool) {
	return c.first(func(m Member) bool {
		return m.Trial && (isAway(c, m) && !excusedByOthers(c, m) || isStuck(c, m))
	})
}

// goBack comes before anything that is done to members, and before whatever waits for them: what failed is given to nobody else.
func goBack(c Cluster) (Decision, bool) {
	m, ok := failedTrial(c)
	if !ok || c.Versions.Moved {
		return silent()
	}
	return step(RecordFailure{m.Name, trialReason(m)}, "RollingBack", fmt.Sprintf("%s does not come up with what the spec asks for; "+
		"going back to what all members had%s", m.Name, troubles([]Member{m})))
}

func trialReason(m Member) string {
	switch {
	case m.Loss != "":
		return m.Loss
	case m.Role != Voter:
		return "LearnerStuck"
	}
	return "NotReady"
}

// awaitTrial says what only people can solve: etcd writes its data in the new format by now.
func awaitTrial(c Cluster) (Decision, bool) {
	m, ok := failedTrial(c)
	if !ok {
		return silent()
	}
	return stuck("RolloutFailed", fmt.Sprintf("%s does not come up with what the spec asks for%s; the cluster's version has moved already, "+
		"and only a downgrade leads back", m.Name, troubles([]Member{m})))
}

// recordTemplate remembers what to go back to. The first record does not wait: there is nothing else to go back to yet.
func recordTemplate(c Cluster) (Decision, bool) {
	if !c.Rollout.Unrecorded || c.count(func(m Member) bool { return m.Stale }) > 0 {
		return silent()
	}
	if d, wait := awaitSettled(c, "all members have the same settings"); wait && c.Rollout.Known {
		return d, wait
	}
	return step(RecordTemplate{}, "RecordingTemplate", "all members have the same settings and are well; recording these to go back to")
}

func adapt(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Adapts != "" && !m.Leaving })
	if !ok {
		return silent()
	}
	return step(Adapt{m.Name}, "AdaptingMember", fmt.Sprintf("giving %s its %s; nothing is restarted", m.Name, m.Adapts))
}

// rolloutFailed comes last: a template that failed keeps nothing else from being done.
func rolloutFailed(c Cluster) (Decision, bool) {
	if c.Rollout.Failed == "" {
		return silent()
	}
	return stuck("RolloutFailed", fmt.Sprintf("members have what they had before: %s; change the spec to try again, or back",
		c.Rollout.Failed))
}

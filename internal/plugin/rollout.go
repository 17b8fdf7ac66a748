package plugin

import (
	"slices"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// RolloutPhase is how a rollout is, in a word.
type RolloutPhase string

// The phases of a rollout.
const (
	RolloutChecking RolloutPhase = "Checking" // no member has been touched yet
	RolloutRolling  RolloutPhase = "Rolling"  // some members have what the spec asks for, or are being given it
	RolloutAwaiting RolloutPhase = "Awaiting" // people are to delete Pods: spec.updateStrategy is OnDelete
	RolloutFailed   RolloutPhase = "Failed"   // a member did not come back with it, and all go on with what they had
	RolloutStopped  RolloutPhase = "Stopped"  // only a human can go on
)

// Rollout is how far the members are with what the spec asks for.
type Rollout struct {
	Phase RolloutPhase `json:"phase"`
	// Updated of Members run with what the spec asks for.
	Updated int `json:"updated"`
	Members int `json:"members"`
	// FromVersion is what all members ran last, ToVersion what the spec asks for.
	FromVersion string `json:"fromVersion,omitempty"`
	ToVersion   string `json:"toVersion"`
	// Changes are the fields of the spec for which members are still to be restarted or replaced.
	Changes []string `json:"changes,omitempty"`
	// Checks have to be in order before members are given another version.
	Checks []v1alpha2.RolloutCheck `json:"checks,omitempty"`
	// Failed is the member that did not come back, in the phase Failed.
	Failed *v1alpha2.FailedRollout `json:"failed,omitempty"`
}

// Turn is how far a rollout is with one member.
type Turn string

// The turns of members.
const (
	TurnDone   Turn = "done"
	TurnNow    Turn = "now"        // its Pod is being made anew, or it is joining or leaving
	TurnNext   Turn = "next"       // it comes next
	TurnLater  Turn = "later"      // others come before it
	TurnPod    Turn = "delete Pod" // it takes everything over when somebody does
	TurnFailed Turn = "failed"     // it did not come back
)

// recordedRollout is what the status of an EtcdCluster tells of a rollout; nil if all members are as the spec asks for.
func recordedRollout(c *v1alpha2.EtcdCluster, said Operator) *Rollout {
	r := &Rollout{
		Updated: int(c.Status.UpdatedMembers), Members: len(c.Status.Members),
		FromVersion: c.Status.Version, ToVersion: c.Spec.Version,
	}
	if r.Updated >= r.Members || wanted(c) == 0 {
		return nil
	}
	r.conclude(c, said)
	return r
}

// rollout is how far members are as their objects show it; it also gives the turn of each.
func rollout(o *observation, said Operator) (*Rollout, []Turn) {
	r := &Rollout{Members: len(o.scene.Members), FromVersion: o.cluster.Status.Version, ToVersion: o.cluster.Spec.Version}
	turns, stale := make([]Turn, r.Members), false
	for i, m := range o.scene.Members {
		changes := changesOf(o.cluster, m)
		r.Changes = union(r.Changes, changes)
		turns[i] = turnOf(o, i, len(changes) > 0)
		stale = stale || o.seen.Members[i].Stale
		if turns[i] == TurnDone {
			r.Updated++
		}
	}
	if len(r.Changes) == 0 && !stale || wanted(o.cluster) == 0 {
		return nil, nil
	}
	r.conclude(o.cluster, said)
	if r.Phase == RolloutChecking && slices.Contains(turns, TurnNow) {
		r.Phase = RolloutRolling
	}
	switch r.Phase {
	case RolloutRolling, RolloutAwaiting:
		callNext(o.seen.Members, turns)
	default:
		r.dropTurns(o.seen.Members, turns)
	}
	return r, turns
}

// turnOf is the turn of a member, without saying who of those that are left comes next.
func turnOf(o *observation, i int, differs bool) Turn {
	switch p := o.seen.Members[i]; {
	case differs:
		return TurnLater
	case p.Stale && o.cluster.Spec.UpdateStrategy.Type == v1alpha2.UpdateOnDelete:
		return TurnPod
	case p.Stale, p.Leaving, p.Role != plan.Voter, o.blind == nil && !p.Healthy, !p.Ready:
		return TurnNow
	}
	return TurnDone
}

func union(all, more []string) []string {
	for _, text := range more {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// changesOf are the fields that a member is to be restarted or replaced for.
func changesOf(c *v1alpha2.EtcdCluster, m *observe.Member) []string {
	if m.Object.Spec.Removal != nil {
		return nil
	}
	d := resource.Differences(c, m.Object, true)
	return slices.Concat(d.Restart, d.Grow, d.Replace)
}

// conclude says how the rollout is, from what is on record.
func (r *Rollout) conclude(c *v1alpha2.EtcdCluster, said Operator) {
	if t := c.Status.Template; t != nil {
		r.FromVersion = t.Version
	}
	if s := c.Status.Rollout; s != nil {
		r.Checks = slices.Clone(s.Checks)
		if f := s.Failed; f != nil && f.Template == resource.TemplateHash(resource.Template(c)) {
			r.Failed = f.DeepCopy()
		}
	}
	switch {
	case r.Failed != nil:
		r.Phase = RolloutFailed
	case said.Behind == "" && said.Outlook == plan.Stuck.String():
		r.Phase = RolloutStopped
	case c.Spec.UpdateStrategy.Type == v1alpha2.UpdateOnDelete:
		r.Phase = RolloutAwaiting
	case r.Updated == 0:
		r.Phase = RolloutChecking
	default:
		r.Phase = RolloutRolling
	}
}

// callNext says who comes next if nobody is at it: the leader last, as the operator does it.
func callNext(members []plan.Member, turns []Turn) {
	next := -1
	for i, p := range members {
		if turns[i] == TurnLater && (next < 0 || members[next].Leader && !p.Leader) {
			next = i
		}
	}
	if next >= 0 && !slices.Contains(turns, TurnNow) {
		turns[next] = TurnNext
	}
}

// dropTurns leaves only that of the member that did not come back.
func (r *Rollout) dropTurns(members []plan.Member, turns []Turn) {
	for i, p := range members {
		if turns[i] = ""; r.Failed != nil && p.Name == r.Failed.Member {
			turns[i] = TurnFailed
		}
	}
}

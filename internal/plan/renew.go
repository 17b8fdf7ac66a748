package plan

import "fmt"

// isExpiring members lack what only a new member can have.
func isExpiring(m Member) bool { return m.Outdated != "" && !m.Leaving }

// renewing says whether somebody is joining who takes the place of a voter that lacks what only a new member can have.
func renewing(c Cluster) bool {
	heir := c.count(func(m Member) bool { return isJoiner(m) && !isExpiring(m) && !isDoomed(m) })
	return heir > 0 && c.count(func(m Member) bool { return isVoter(m) && isExpiring(m) && !isDoomed(m) }) > 0
}

// renew adds one member more than is wanted; shrink then takes one away that lacks something. It is asked only when every member is
// healthy and ready, so a member that does not come up is the last one that is made.
func renew(c Cluster) (Decision, bool) {
	old := c.where(isExpiring)
	if len(old) == 0 {
		return silent()
	}
	done := fmt.Sprintf("%d of %d members are as they should be", len(c.Members)-len(old), len(c.Members))
	if d, wait := awaitSettled(c, done); wait {
		return d, wait
	}
	if no := MayAdd(c, Member{}); !no.None() {
		return hold("RenewalRefused", fmt.Sprintf("%s; not adding another: %s", done, no), no, retry)
	}
	return step(CreateMember{}, "RenewingMembers", fmt.Sprintf("%s; adding one that takes a place, for another %s", done, old[0].Outdated))
}

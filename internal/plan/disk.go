package plan

import (
	"fmt"
	"time"
)

// Disk is the volume of a member as far as its size goes. The zero value is one that is large enough, or none.
type Disk struct {
	Short    bool          // it has less than is wanted
	Untold   bool          // its EtcdMember asks for another size than is wanted
	Fixed    bool          // it cannot be expanded: only a new member has a larger one
	Obstacle string        // what keeps it from being expanded and from being made anew, for people; empty if nothing does
	Refused  bool          // the API server does not let its claim ask for more, or the storage has failed
	Restart  bool          // it is expanded once its Pod is made again
	For      time.Duration // since it was told
	Progress string        // how far it is, for people
}

// Ownership is a volume that does not belong to the cluster as the retention policy says.
type Ownership struct {
	Volume string
	Retain bool // it is to stay when the cluster goes
}

// canary is how long the volumes of other members, and restarts, wait for one that grows.
const canary = time.Minute

// isUntold members are to have their volume expanded, and nothing was done about it yet.
func isUntold(m Member) bool {
	return m.Disk.Untold && m.Disk.Obstacle == "" && !m.Disk.Fixed && m.Outdated == "" && !m.Leaving
}

// isExpanding members may have a larger volume any moment.
func isExpanding(m Member) bool {
	d := m.Disk
	return d.Short && !d.Untold && !d.Refused && !d.Restart && d.For < canary && m.Healthy && m.Outdated == "" && !m.Leaving
}

// retainVolumes comes early: the policy is to hold when the cluster is deleted in the next moment.
func retainVolumes(c Cluster) (Decision, bool) {
	if len(c.Owners) == 0 {
		return silent()
	}
	o := c.Owners[0]
	if o.Retain {
		return step(RetainVolume(o), "RetainingVolume", fmt.Sprintf("%s stays when the cluster is deleted", o.Volume))
	}
	return step(RetainVolume(o), "OwningVolume", fmt.Sprintf("%s goes when the cluster is deleted", o.Volume))
}

// expand needs nobody's health: a volume that is full may be why a member has none. The first one shows that the storage can do
// it; one that does not answer in time holds up nobody.
func expand(c Cluster) (Decision, bool) {
	m, ok := c.first(isUntold)
	if _, busy := c.first(isExpanding); !ok || busy || c.Want == 0 {
		return silent()
	}
	return step(ExpandVolumeOf{m.Name}, "ExpandingVolume", fmt.Sprintf("the volume of %s is to be larger: %s", m.Name, m.Disk.Progress))
}

// awaitExpansion lets nobody be restarted while a volume grows, for as long as that usually takes.
func awaitExpansion(c Cluster) (Decision, bool) {
	m, ok := c.first(isExpanding)
	if !ok {
		return silent()
	}
	return wait("ExpandingVolume", fmt.Sprintf("the volume of %s grows: %s", m.Name, m.Disk.Progress), retry)
}

// awaitVolumes says what keeps volumes from being as large as wanted. Nothing else waits for it.
func awaitVolumes(c Cluster) (Decision, bool) {
	short := c.where(func(m Member) bool { return m.Disk.Short && m.Outdated == "" && !m.Leaving })
	if len(short) == 0 || c.Want == 0 {
		return silent()
	}
	m := short[0]
	for _, other := range short {
		if other.Disk.Obstacle != "" || other.Disk.Refused {
			m = other
			break
		}
	}
	n := fmt.Sprintf("%d of %d volumes are smaller than spec.storage.size", len(short), len(c.Members))
	switch {
	case m.Disk.Obstacle != "":
		return stuck("VolumeExpansionImpossible", fmt.Sprintf("%s; %s", n, m.Disk.Obstacle))
	case m.Disk.Refused:
		return stuck("VolumeExpansionRefused", fmt.Sprintf("%s; that of %s: %s", n, m.Name, m.Disk.Progress))
	}
	return wait("ExpandingVolume", fmt.Sprintf("%s; that of %s: %s", n, m.Name, m.Disk.Progress), patient)
}

// growable volumes are in use, or may be: one that is set aside, lost or on its way out is left as it is.
func (v PartVolume) growable() bool {
	return v.Exists && v.Ours && !v.Going && !v.Aside && !v.Lost && v.Unasked
}

// enlarge comes after everything else: it may be refused again and again, and must not keep a member from being started.
func enlarge(p Part, r Realization) Realization {
	if r.Step != Rest || r.Failure != "" || !p.Wanted || p.Disabled || p.Confirmed || !p.Volume.growable() {
		return r
	}
	return Realization{Step: ExpandVolume, Message: "the member is to have a larger volume", Recheck: expandAgain}
}

// expandAgain is how soon a claim that may not ask for more asks again: a quota may have been raised.
const expandAgain = 30 * time.Second

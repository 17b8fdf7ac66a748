package plan

import (
	"fmt"
	"slices"
)

// adopt deals with volumes whose EtcdMember is gone. What a volume is worth is known from what is written on it or from
// etcd's list; without either it is left alone.
func adopt(c Cluster) (Decision, bool) {
	if !c.formed() {
		return silent()
	}
	for _, o := range c.Orphans {
		listed := slices.ContainsFunc(c.Strangers, func(s Stranger) bool { return !s.Learner && s.Member == o.Member })
		switch {
		case listed, o.Voter && !c.Listed:
			return step(Adopt{o.Member}, "AdoptingVolume",
				fmt.Sprintf("%s holds the vote of %s, whose EtcdMember is gone; creating that again", o.Volume, o.Member))
		case c.Listed:
			return step(SetAside{o.Volume}, "SettingVolumeAside",
				fmt.Sprintf("%s belongs to nobody: etcd does not list %s as a voter; setting it aside", o.Volume, o.Member))
		}
	}
	return silent()
}

func recall(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Remembered && !m.Recorded && !m.Leaving })
	if !ok {
		return silent()
	}
	return step(Recall{m.Name}, "RecordingMember", fmt.Sprintf("recording %s as what its volume says that it is", m.Name))
}

func stranger(c Cluster) (Decision, bool) {
	if len(c.Strangers) == 0 {
		return silent()
	}
	s := c.Strangers[0]
	id := fmt.Sprintf("%x (%s)", s.ID, s.PeerURL)
	switch {
	case s.Member == "":
		return stuck("UnknownMember", fmt.Sprintf("etcd lists member %s, which has no EtcdMember and was not made by this operator: "+
			"not changing the membership; remove it from etcd if it does not belong there", id))
	case s.Remains:
		return wait("UnknownMember",
			fmt.Sprintf("etcd lists member %s, which has no EtcdMember: waiting for its Pod and volume to go", id), retry)
	case s.Name != "" && !s.Learner && c.Manual:
		return stuck("UnknownMember", fmt.Sprintf("etcd lists member %s, of which neither EtcdMember nor volume is left: "+
			"remove it from etcd, or set spec.memberReplacement.mode to Automatic", id))
	}
	role := Voter
	if s.Learner {
		role = Learner
	}
	if no := MayRemove(c, Member{ID: s.ID, Role: role}); !no.None() {
		return hold("RemovalRefused", fmt.Sprintf("not removing member %s, of which nothing is left: %s", id, no), no, retry)
	}
	return ask(RemoveStranger{s.ID}, "RemovingStranger", fmt.Sprintf("removing member %s, of which nothing is left", id))
}

func expireVolumes(c Cluster) (Decision, bool) {
	if c.count(isVoter) < c.Want {
		return silent()
	}
	for _, a := range c.Aside {
		if a.For >= c.AsideFor {
			return step(DropVolume{a.Volume}, "DeletingVolume",
				fmt.Sprintf("%s has been aside for more than %s; deleting it", a.Volume, c.AsideFor))
		}
	}
	return silent()
}

package plan

import (
	"fmt"
	"slices"
)

// disarm takes back alarms of members that are gone, once those that are there were found to hold the same data.
func disarm(c Cluster) (Decision, bool) {
	i := slices.IndexFunc(c.Alarms, func(a Alarm) bool { return a.Corrupt && c.Agreed && c.cured(a) })
	if i < 0 {
		return silent()
	}
	return ask(Disarm{c.Alarms[i]}, "DisarmingAlarm", "the data of all voters agree again; disarming CORRUPT")
}

// cured says whether the member that a was raised for is not there any more.
func (c Cluster) cured(a Alarm) bool {
	if a.ID == 0 {
		return slices.ContainsFunc(c.Begun, func(b Begun) bool { return b.Reason == "DataDiverged" || b.Reason == "DataInconsistent" })
	}
	return !slices.ContainsFunc(c.Members, func(m Member) bool { return m.ID == a.ID })
}

func corrupt(c Cluster) (Decision, bool) {
	i := slices.IndexFunc(c.Alarms, func(a Alarm) bool { return a.Corrupt })
	switch {
	case i < 0:
		return silent()
	case !c.Agreed:
		return wait("ComparingData", "etcd has raised CORRUPT and refuses writes; waiting for the comparison of the members' data", retry)
	}
	return stuck("CorruptionUnclear", fmt.Sprintf("etcd has raised CORRUPT for member %x and refuses writes, "+
		"but all voters hold the same data now: disarm the alarm (etcdctl alarm disarm) if that is right, "+
		"or restore from a snapshot", c.Alarms[i].ID))
}

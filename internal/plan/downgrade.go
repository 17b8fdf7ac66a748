package plan

import "fmt"

// cancelDowngrade gives up a downgrade that is in the way: nobody can join while one is enabled. It comes before members are replaced.
func cancelDowngrade(c Cluster) (Decision, bool) {
	v := c.Versions
	d := v.Downgrade
	if d.Target == "" {
		return silent()
	}
	if why := c.givesUp(); d.Phase != Cancelling && why != "" {
		return step(RecordDowngrade{Downgrade{d.Target, Cancelling}}, "CancellingDowngrade",
			fmt.Sprintf("the downgrade to etcd %s is given up: %s", d.Target, why))
	}
	if d.Phase == Cancelling && v.Enabled != No {
		return ask(CancelDowngrade{}, "CancellingDowngrade", fmt.Sprintf("etcd is told that the downgrade to %s is over", d.Target))
	}
	return silent()
}

// givesUp says why a downgrade cannot go on, or must not; empty if it can.
func (c Cluster) givesUp() string {
	v := c.Versions
	target, _ := ParseVersion(v.Downgrade.Target)
	if lost, ok := c.first(func(m Member) bool { return m.Lost || m.Condemned }); ok {
		return fmt.Sprintf("%s has to be replaced, and nobody can join meanwhile", lost.Name)
	}
	switch {
	case v.Failed:
		return "a member did not come back with it"
	case !minorIs(v.Wanted, target):
		return fmt.Sprintf("the spec asks for etcd %s", v.Wanted)
	case c.Want > c.count(isStaying):
		return fmt.Sprintf("%d members are wanted and %d are there, and nobody can join meanwhile", c.Want, c.count(isStaying))
	case c.count(isJoiner) > 0:
		return "a member is joining, and cannot meanwhile"
	}
	return ""
}

// downgrade takes the steps between which members are restarted. It is asked only when every member is healthy and ready.
func downgrade(c Cluster) (Decision, bool) {
	switch d := c.Versions.Downgrade; {
	case d.Target == "":
		return silent()
	case d.Phase == Enabling:
		return enabling(c)
	case d.Phase == Lowering:
		return lowering(c)
	}
	return raising(c)
}

func enabling(c Cluster) (Decision, bool) {
	v := c.Versions
	target, _ := ParseVersion(v.Downgrade.Target)
	switch behind := v.storageIsNot(target); {
	case v.Enabled == No:
		return ask(EnableDowngrade{v.Downgrade.Target}, "EnablingDowngrade",
			fmt.Sprintf("etcd is told to make itself ready for %s", v.Downgrade.Target))
	case v.Enabled == Unknown:
		return wait("EnablingDowngrade", "waiting for a member to say whether the downgrade is enabled", retry)
	case !minorIs(v.Cluster, target):
		return wait("EnablingDowngrade", fmt.Sprintf("waiting for the version of the cluster to become %s", v.Downgrade.Target), retry)
	case behind != "":
		return wait("EnablingDowngrade", fmt.Sprintf("waiting for the data of %s to become of version %s", behind, v.Downgrade.Target), retry)
	}
	return step(RecordDowngrade{Downgrade{v.Downgrade.Target, Lowering}}, "Downgrading",
		fmt.Sprintf("all data are ready for etcd %s: members are restarted with it", v.Downgrade.Target))
}

func lowering(c Cluster) (Decision, bool) {
	v := c.Versions
	target, _ := ParseVersion(v.Downgrade.Target)
	low, high, known := v.given()
	switch {
	case !known:
		return silent()
	case high.minor() == target.minor() && v.Enabled == No:
		return step(RecordDowngrade{}, "Downgraded", fmt.Sprintf("all members run etcd %s, and the downgrade is over", v.Downgrade.Target))
	case high.minor() == target.minor():
		return wait("AwaitingDowngrade", "all members run the older etcd; waiting for it to end the downgrade", retry)
	case v.Enabled == No && low.minor() != target.minor(): // somebody has ended it
		return step(RecordDowngrade{Downgrade{v.Downgrade.Target, Enabling}}, "EnablingDowngrade",
			"the downgrade was ended by somebody before a member went down: it begins anew")
	}
	return silent()
}

// raising goes back up after a downgrade was given up; members are restarted as in an upgrade.
func raising(c Cluster) (Decision, bool) {
	v := c.Versions
	target, _ := ParseVersion(v.Downgrade.Target)
	low, _, known := v.given()
	if !known || low.minor() == target.minor() {
		return silent()
	}
	if !minorIs(v.Cluster, low) || v.storageIsNot(low) != "" {
		return wait("CancellingDowngrade", fmt.Sprintf("waiting for the version of the cluster to become %s again", low.MinorString()), retry)
	}
	return step(RecordDowngrade{}, "DowngradeCancelled", fmt.Sprintf("all members run etcd %s, and the downgrade is over", low.MinorString()))
}

// noDowngrade refuses what etcd refuses: who starts for the first time while a downgrade is enabled ends at once.
func noDowngrade(c Cluster, _ Member) string {
	v := c.Versions
	switch {
	case v.Enabled == Yes:
		return "a downgrade is enabled, and etcd lets nobody join meanwhile"
	case v.Downgrade.Target != "" && v.Enabled == Unknown:
		return "a downgrade was begun, and whether it is enabled is not known"
	}
	return ""
}

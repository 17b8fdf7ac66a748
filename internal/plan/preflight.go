package plan

import (
	"fmt"
	"strings"
)

// Check is one thing that has to be in order before members are given another minor.
type Check struct {
	Name    string
	OK      bool
	Later   bool   // it is not in order, and the operator sees to it by itself
	Message string // for people
}

// DataAgree is the name of the check that the data of all members were compared lately: somebody else does that.
const DataAgree = "DataAgree"

// NotCompared is the reason where they were not, or too long ago.
const NotCompared = "NotCompared"

// mostFull is how full a database may be, in per cent of its quota: while versions are mixed nobody should have to repair that.
const mostFull = 80

// Preflight is everything that has to be in order. The order is that of the list that people see.
func Preflight(c Cluster) []Check {
	v := c.Versions
	return []Check{
		checkMembers(c),
		judged("NoAlarm", len(c.Alarms) == 0, "etcd has raised no alarm", fmt.Sprintf("etcd has raised %d alarms", len(c.Alarms))),
		checkVersions(c),
		judged("CertificatesValid", v.ShortLived == "", "no certificate ends soon", v.ShortLived),
		{Name: DataAgree, OK: v.Compared.Holds, Later: v.Compared.Reason == NotCompared, Message: v.Compared.Message},
		judged("DatabaseBelowQuota", v.FullestDB < mostFull, fmt.Sprintf("at most %d %% of the quota is used", v.FullestDB),
			fmt.Sprintf("%d %% of the quota is used, %d %% is allowed: compact and defragment, or raise options.quotaBackendBytes",
				v.FullestDB, mostFull)),
		checkRehearsal(c.Rehearsal),
		checkSnapshot(v.Snapshot),
	}
}

func judged(name string, ok bool, good, bad string) Check {
	if ok {
		return Check{Name: name, OK: true, Message: good}
	}
	return Check{Name: name, Message: bad}
}

func checkMembers(c Cluster) Check {
	healthy := c.count(func(m Member) bool { return m.Role == Voter && m.Healthy && m.Ready && !m.Leaving && !m.Dormant })
	ok := c.formed() && c.Listed && healthy == c.Want && len(c.Members) == c.Want && c.Voters() == c.Want && c.learners() == 0
	return judged("MembersHealthy", ok, fmt.Sprintf("%d of %d members vote, are healthy and ready", healthy, c.Want),
		fmt.Sprintf("%d of %d members vote, are healthy and ready, and nobody may be joining or leaving", healthy, c.Want))
}

// checkVersions holds that the last change is over.
func checkVersions(c Cluster) Check {
	low, _, _ := c.Versions.given()
	why := c.Versions.unsettled()
	return judged("OneVersion", why == "", fmt.Sprintf("all members run etcd %s, and the cluster is of version %s", low, low.MinorString()),
		why)
}

// unsettled says what is left of the last change; empty if nothing is.
func (v Versions) unsettled() string {
	low, high, known := v.given()
	for _, m := range v.Members {
		if m.Runs != m.Given {
			return fmt.Sprintf("%s was given etcd %s, and is not known to run it", m.Name, m.Given)
		}
	}
	switch {
	case !known || low != high:
		return fmt.Sprintf("members were given etcd %s and %s", low, high)
	case !minorIs(v.Cluster, low):
		return fmt.Sprintf("the version of the cluster is not known to be %s", low.MinorString())
	case v.storageIsNot(low) != "":
		return fmt.Sprintf("the data of %s are not known to be of version %s", v.storageIsNot(low), low.MinorString())
	case v.Enabled == Yes:
		return "etcd has a downgrade enabled that the operator did not begin: end it with etcdctl downgrade cancel"
	}
	return ""
}

// checkRehearsal comes before a snapshot is taken: what is refused needs none.
func checkRehearsal(r Rehearsal) Check {
	const name = "Rehearsal"
	switch {
	case !r.Due:
		return Check{Name: name, OK: true, Message: "etcd is given nothing that it might refuse"}
	case r.Result == Passed:
		return Check{Name: name, OK: true, Message: served(fmt.Sprintf("etcd %s with the options of the spec", r.Version), r.Message)}
	case r.Message != "":
		return Check{Name: name, Message: r.Message}
	}
	return Check{Name: name, Message: fmt.Sprintf("etcd %s with the options of the spec is tried out first", r.Version), Later: true}
}

func checkSnapshot(s Safeguard) Check {
	const name = "Snapshot"
	switch {
	case !s.Wanted:
		return Check{Name: name, OK: true, Message: "none is taken: no EtcdSnapshotSchedule and no EtcdSnapshot of the cluster says where to"}
	case s.Taken != "":
		return Check{Name: name, OK: true, Message: s.Taken + " is complete"}
	case s.Taking != "":
		return Check{Name: name, Message: s.Taking + " is being taken", Later: true}
	case s.Failed != "":
		return Check{Name: name, Message: s.Failed}
	}
	return Check{Name: name, Message: "one is taken first", Later: true}
}

func ready(checks []Check) bool { return Failing(checks) == "" }

// preflight brings about what a change of the minor waits for, and says what that is. It comes after everything that can be done before.
func preflight(c Cluster) (Decision, bool) {
	r, v := Plot(c), c.Versions
	if !r.Pending || r.Kind == Same || v.Downgrade.Target != "" {
		return silent()
	}
	checks := Preflight(c)
	last := len(checks) - 2
	if failing := Failing(checks[:last]); failing != "" {
		return wait("PreflightFailed", fmt.Sprintf("not changing etcd to %s: %s", v.Wanted, Failing(checks[:last+1])), retry)
	}
	switch {
	case !checks[last].OK: // another rule says so
		return silent()
	case !checks[last+1].OK:
		return safeguard(v)
	}
	if wanted, _ := ParseVersion(v.Wanted); r.Kind == Down && !minorIs(v.Base, wanted) {
		return step(RecordDowngrade{Downgrade{wanted.MinorString(), Enabling}}, "EnablingDowngrade",
			fmt.Sprintf("a downgrade of etcd to %s begins", v.Wanted))
	}
	return silent()
}

// safeguard sees to the snapshot.
func safeguard(v Versions) (Decision, bool) {
	switch s := v.Snapshot; {
	case s.Taking != "":
		return wait("AwaitingSnapshot", fmt.Sprintf("waiting for the snapshot %s before etcd is changed to %s", s.Taking, v.Wanted), retry)
	case s.Failed != "":
		return wait("SnapshotFailed", fmt.Sprintf("not changing etcd to %s without a snapshot: %s", v.Wanted, s.Failed), patient)
	}
	return step(TakeSnapshotNow{}, "TakingSnapshot", fmt.Sprintf("taking a snapshot before etcd is changed to %s", v.Wanted))
}

// Failing names the checks that are not in order, with what people can do; empty if all are.
func Failing(checks []Check) string {
	var failing []string
	for _, check := range checks {
		if !check.OK {
			failing = append(failing, check.Name+": "+check.Message)
		}
	}
	return strings.Join(failing, "; ")
}

// UpgradeReady says whether members may be given another minor, and while that is not begun, what has to be in order. It has no reason
// where none is asked for.
func UpgradeReady(c Cluster) (Verdict, []Check) {
	route, v := Plot(c), c.Versions
	var checks []Check
	if route.Pending {
		checks = Preflight(c)
	}
	failing := Failing(checks)
	switch {
	case route.Refusal != "":
		return Verdict{Reason: "VersionRefused", Message: route.Refusal}, checks
	case v.Downgrade.Target != "":
		return Verdict{true, "Downgrading", fmt.Sprintf("a downgrade to etcd %s is under way", v.Downgrade.Target)}, checks
	case failing != "":
		return Verdict{Reason: "PreflightFailed", Message: failing}, checks
	case route.Pending:
		return Verdict{true, "Ready", "everything is in order"}, checks
	case route.Kind != Same:
		return Verdict{true, "Changing", fmt.Sprintf("members are being given etcd %s", v.Wanted)}, nil
	}
	return Verdict{}, nil
}

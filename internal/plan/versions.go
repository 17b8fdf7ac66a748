package plan

import "fmt"

// Versions is what is known of the versions that members run, and of the cluster's own. Versions are texts as their sources give them;
// one that is not known is empty.
type Versions struct {
	Wanted  string          // the spec asks for it
	Base    string          // all members were last brought to it
	Failed  bool            // a member did not come back with what the spec asks for
	Cluster string          // the members have agreed on it: an older etcd does not start
	Members []MemberVersion // of those that stay

	Downgrade Downgrade // on record
	Enabled   Answer    // whether etcd has a downgrade enabled

	Moved bool // etcd's cluster version is above that of Base already: the etcd of Base does not start any more

	// What follows is looked at only while a change of the minor is asked for.

	ShortLived string  // certificates that end soon; empty if none does
	Compared   Verdict // of the data of all voters, lately
	FullestDB  int     // per cent of its quota that a database uses, at most
	Snapshot   Safeguard
}

// MemberVersion is what is known of the version of one member.
type MemberVersion struct {
	Name    string
	Given   string // its EtcdMember says it
	Runs    string // it says so itself
	Storage string // of its database; never known of 3.5
}

// Answer is a yes or no that may not be known.
type Answer int

// Answers.
const (
	Unknown Answer = iota
	Yes
	No
)

// DowngradePhase is how far a downgrade is.
type DowngradePhase string

// Phases of a downgrade, as in package v1alpha2.
const (
	// Enabling: etcd is told, and every member makes its data ready for the older etcd.
	Enabling DowngradePhase = "Enabling"
	// Lowering: members are restarted with the older etcd.
	Lowering DowngradePhase = "Lowering"
	// Cancelling: etcd is told that it is over, and members go back up.
	Cancelling DowngradePhase = "Cancelling"
)

// Downgrade is one that was begun.
type Downgrade struct {
	Target string // MAJOR.MINOR; empty if none was begun
	Phase  DowngradePhase
}

// Safeguard is the snapshot that is taken before the minor changes.
type Safeguard struct {
	Wanted bool   // it is known where to
	Taken  string // name of one that is complete and young
	Taking string // name of one that is being taken
	Failed string // why the last one failed; it is tried again after a while
}

// Course is what members are given now.
type Course int

// Courses.
const (
	// ToSpec: what the spec asks for.
	ToSpec Course = iota
	// ToBase: what all of them were last brought to.
	ToBase
	// AsTheyAre: what the furthest of them was given.
	AsTheyAre
)

// Route is the course, and why it is not that of the spec.
type Route struct {
	Course  Course
	Kind    Kind
	Refusal string // the version cannot be had, with the next step that may be taken; empty if it can
	Pending bool   // it can, and is not begun
}

// Plot says what members are given. What the spec asks for is not theirs before it can be carried out, and a change of the minor not
// before everything is in order: until then they, and those that are added, have what they had.
func Plot(c Cluster) Route {
	v := c.Versions
	wanted, ok := ParseVersion(v.Wanted)
	low, high, known := v.given()
	switch {
	case !known || !c.formed():
		return Route{}
	case !ok:
		return v.back(Route{Refusal: fmt.Sprintf("%q is no version of etcd", v.Wanted)})
	}
	base := v.base(low)
	switch {
	case v.Failed:
		return v.failed(wanted, base)
	case low.minor() != high.minor():
		return v.mixed(wanted, base, low, high, c.Memory)
	case wanted.minor() == low.minor():
		return Route{}
	case wanted.LessMinor(high) && base.LessMinor(high): // the way up is not confirmed yet
		return Route{Course: AsTheyAre, Kind: Down, Pending: true}
	}
	return v.begin(c, wanted, low, high)
}

// begin is the course while no member was given another minor.
func (v Versions) begin(c Cluster, wanted, low, high Version) Route {
	from := low
	if wanted.LessMinor(high) {
		from = high
	}
	way := Path(from, wanted, c.Memory)
	switch {
	case way.Refusal != "":
		return v.back(Route{Kind: way.Kind, Refusal: way.Refusal})
	case way.Kind == Up && v.Downgrade.Target == "" && ready(Preflight(c)),
		way.Kind == Down && v.Downgrade == (Downgrade{wanted.MinorString(), Lowering}):
		return Route{Kind: way.Kind}
	}
	return v.back(Route{Kind: way.Kind, Pending: true})
}

// base is what all members were last brought to; where that is not on record yet, the lowest that one was given.
func (v Versions) base(low Version) Version {
	if base, recorded := ParseVersion(v.Base); recorded {
		return base
	}
	return low
}

// mixed is the course while members were given two minors.
func (v Versions) mixed(wanted, base, low, high Version, memory bool) Route {
	kind := Up
	if base.minor() == high.minor() {
		kind = Down
	}
	toLow, toHigh := wanted.minor() == low.minor(), wanted.minor() == high.minor()
	lowering := v.Downgrade == Downgrade{low.MinorString(), Lowering}
	switch {
	case toLow && (lowering || kind == Up && v.Downgrade.Target == ""), toHigh && v.Downgrade.Target == "":
		return Route{Kind: kind}
	case toLow || v.Downgrade.Target != "":
		return v.back(Route{Kind: kind, Pending: true})
	}
	return v.back(Route{Kind: kind, Refusal: Path(base, wanted, memory).Refusal})
}

// failed goes back, unless the etcd that members would go back to does not start any more.
func (v Versions) failed(wanted, base Version) Route {
	cluster, known := ParseVersion(v.Cluster)
	if known && base.LessMinor(wanted) && cluster.minor() == wanted.minor() {
		return Route{Kind: Up}
	}
	return v.back(Route{})
}

// back takes the course to the base, if that is on record.
func (v Versions) back(r Route) Route {
	if r.Course = ToBase; v.Base == "" {
		r.Course = AsTheyAre
	}
	return r
}

// given are the lowest and the highest version that members were given; false if there are none.
func (v Versions) given() (low, high Version, known bool) {
	for _, m := range v.Members {
		version, ok := ParseVersion(m.Given)
		if !ok {
			continue
		}
		if !known || version.Less(low) {
			low = version
		}
		if !known || high.Less(version) {
			high = version
		}
		known = true
	}
	return low, high, known
}

// minorIs compares versions without their patches. What is not known is none.
func minorIs(version string, minor Version) bool {
	v, ok := ParseVersion(version)
	return ok && v.minor() == minor.minor()
}

// confirmVersion waits for etcd after the last member of a change of the minor: it agrees on the new version, and brings the databases
// to it, within some seconds.
func confirmVersion(c Cluster) (Decision, bool) {
	v := c.Versions
	low, high, known := v.given()
	if !known || low.minor() != high.minor() || v.Base == "" || minorIs(v.Base, low) || v.Downgrade.Target != "" {
		return silent()
	}
	if !minorIs(v.Cluster, low) {
		return wait("AwaitingClusterVersion", fmt.Sprintf("all members run etcd %s; the version of the cluster is not known to be %s yet",
			low.MinorString(), low.MinorString()), retry)
	}
	if behind := v.storageIsNot(low); behind != "" {
		return wait("AwaitingClusterVersion", fmt.Sprintf("all members run etcd %s; the data of %s are not of that version yet",
			low.MinorString(), behind), retry)
	}
	return silent()
}

// storageIsNot names a member whose database is not known to be of a minor. 3.5 has no such version.
func (v Versions) storageIsNot(minor Version) string {
	for _, m := range v.Members {
		runs, ok := ParseVersion(m.Runs)
		if !ok || !minorIs(m.Storage, minor) && (m.Storage != "" || runs.minor() != minor.minor() || runs.minor() != Minors[0].Of) {
			return m.Name
		}
	}
	return ""
}

// refusedVersion says last that the version cannot be had: everything else goes on.
func refusedVersion(c Cluster) (Decision, bool) {
	if r := Plot(c); r.Refusal != "" {
		return stuck("VersionRefused", r.Refusal)
	}
	return silent()
}

// versionAdmits refuses to start an older etcd than the cluster's version. Nobody knows that of a cluster that does not answer.
func versionAdmits(c Cluster, m Member) string {
	lower, ok := ParseVersion(m.Lowers)
	if !ok {
		return ""
	}
	cluster, known := ParseVersion(c.Versions.Cluster)
	switch {
	case !known && m.Healthy:
		return fmt.Sprintf("the version of the cluster is not known, and etcd %s may not start", lower.MinorString())
	case known && lower.LessMinor(cluster):
		return fmt.Sprintf("the version of the cluster is %s, and etcd %s does not start in it", cluster.MinorString(), lower.MinorString())
	}
	return ""
}

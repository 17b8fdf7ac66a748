package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of etcd. A cluster version has no patch.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads MAJOR.MINOR.PATCH, or MAJOR.MINOR.
func ParseVersion(s string) (Version, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 2 && len(parts) != 3 {
		return Version{}, false
	}
	var n [3]int
	for i, part := range parts {
		var err error
		if n[i], err = strconv.Atoi(part); err != nil || n[i] < 0 {
			return Version{}, false
		}
	}
	return Version{n[0], n[1], n[2]}, true
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// MinorString is the version without its patch, as etcd names the version of a cluster.
func (v Version) MinorString() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Less says whether v is older than other.
func (v Version) Less(other Version) bool {
	if v.minor() != other.minor() {
		return v.LessMinor(other)
	}
	return v.Patch < other.Patch
}

func (v Version) minor() Version { return Version{Major: v.Major, Minor: v.Minor} }

// LessMinor says whether the minor of v is older than that of other.
func (v Version) LessMinor(other Version) bool {
	return v.Major < other.Major || v.Major == other.Major && v.Minor < other.Minor
}

// Minor is what is known of a minor version of etcd.
type Minor struct {
	Of Version
	// Known is the newest patch that was there when this table was written. A newer one is taken as it is.
	Known int
	// Advised is the first patch with the fixes of all known security issues and data losses.
	Advised int
	// Leave is the first patch that may be upgraded to the next minor.
	Leave int
	// Return is the first patch that the next minor may be downgraded to; 0 if none may.
	Return int
}

// Minors are the minor versions that are supported, from the oldest. etcd goes from one to the next, and no further at a time.
var Minors = []Minor{
	{Of: Version{Major: 3, Minor: 5}, Known: 35, Advised: 33, Leave: 32, Return: 32},
	{Of: Version{Major: 3, Minor: 6}, Known: 16, Advised: 14, Leave: 11, Return: 11},
	{Of: Version{Major: 3, Minor: 7}, Known: 3, Advised: 2},
}

func minorOf(v Version) (int, bool) {
	for i, r := range Minors {
		if r.Of == v.minor() {
			return i, true
		}
	}
	return -1, false
}

// latest is the newest patch of a release that is known of.
func (r Minor) latest() Version { return Version{r.Of.Major, r.Of.Minor, r.Known} }

func supported() string {
	names := make([]string, len(Minors))
	for i, r := range Minors {
		names[i] = r.Of.MinorString()
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// Kind is what a change of the version is.
type Kind int

// Kinds of changes.
const (
	// Same: nothing changes but at most the patch.
	Same Kind = iota
	// Up: to the next minor.
	Up
	// Down: to the minor before.
	Down
)

// Way is the answer whether a cluster may go from one version to another.
type Way struct {
	Kind    Kind
	Refusal string // why it may not, with the next step that may be taken; empty if it may
}

// Path answers whether a cluster whose members all run from may be changed to the version to. memory says that members keep their
// data in memory.
func Path(from, to Version, memory bool) Way {
	target, known := minorOf(to)
	if !known {
		return Way{Same, fmt.Sprintf("etcd %s is not supported: %s are%s", to, supported(), nextBefore(from, to))}
	}
	start, known := minorOf(from)
	switch {
	case !known:
		return Way{Same, fmt.Sprintf("members run etcd %s, and how to get from there to %s is not known", from, to)}
	case target > start:
		return upwards(start, target, from, to)
	case target < start:
		return downwards(start, target, from, to, memory)
	}
	return Way{Kind: Same}
}

// nextBefore names the step that leads towards a version nobody knows yet.
func nextBefore(from, to Version) string {
	start, known := minorOf(from)
	if !known || start+1 == len(Minors) || !from.LessMinor(to) {
		return ""
	}
	return fmt.Sprintf("; the next one after %s is %s", from.MinorString(), Minors[start+1].latest())
}

func upwards(start, target int, from, to Version) Way {
	here, next := Minors[start], Minors[start+1]
	switch {
	case from.Patch < here.Leave:
		return Way{Up, fmt.Sprintf("etcd %s cannot be upgraded to %s before all members run at least %s.%d: set version to %s first",
			from, to.MinorString(), here.Of.MinorString(), here.Leave, here.latest())}
	case target > start+1:
		return Way{Up, fmt.Sprintf("etcd is upgraded one minor at a time, and %s to %s are %d: set version to %s first",
			from.MinorString(), to.MinorString(), target-start, next.latest())}
	}
	return Way{Kind: Up}
}

func downwards(start, target int, from, to Version, memory bool) Way {
	before := Minors[start-1]
	switch {
	case target < start-1:
		return Way{Down, fmt.Sprintf("etcd is downgraded one minor at a time, and %s to %s are %d: set version to %s first",
			from.MinorString(), to.MinorString(), start-target, before.latest())}
	case to.Patch < before.Return:
		return Way{Down, fmt.Sprintf("etcd %s cannot be downgraded to %s: the first that it can be downgraded to is %s.%d; set version to %s",
			from.MinorString(), to, before.Of.MinorString(), before.Return, before.latest())}
	case memory:
		return Way{Down, fmt.Sprintf("a cluster in memory cannot be downgraded: its members would have to be replaced, and etcd lets nobody "+
			"join during a downgrade; set version back to %s, storage.medium to \"\", and downgrade then", from)}
	}
	return Way{Kind: Down}
}

// Advice is what speaks against a version, though it can be used; empty if nothing does.
func Advice(v Version) string {
	i, known := minorOf(v)
	if !known || v.Patch >= Minors[i].Advised {
		return ""
	}
	return fmt.Sprintf("etcd %s lacks fixes of security issues: %s.%d is the first that has them all", v, v.MinorString(), Minors[i].Advised)
}

// Package etcdtest is the contract that internal/etcd's callers may rely on, as tests.
//
// Run holds an etcd to it: the tests of this package run it on etcdfake and on processes of every minor version that the
// operator supports, so that the fake is never kinder than etcd. Where the versions differ, versions.go says so.
package etcdtest

import (
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// Harness runs etcd members for one test. Its methods fail the test when they cannot do what they say.
type Harness interface {
	// Version is the version of the etcd that it runs.
	Version() string
	// Before is a version of the minor before, empty if none is supported.
	Before() string
	// Dialer connects to the members.
	Dialer() etcd.Dialer
	// Peers asks the members for theirs, at the URL that MetricsAddress gives.
	Peers() etcd.PeerReader
	MetricsAddress(name string) string
	// Address gives the URLs that a member of this name may use, the same for each call.
	Address(name string) (peerURL, clientURL string)
	// Start starts a member and does not wait for it.
	Start(t *testing.T, args etcdfake.Args)
	// Exited says how the last process of a member ended; nil while it runs.
	Exited(t *testing.T, name string) *etcdfake.Exit
	// Kill ends a member's process without warning.
	Kill(t *testing.T, name string)
	// End asks a member's process to end, as a kubelet does, and waits for it: what it had in memory is on its disk then.
	End(t *testing.T, name string)
	// Freeze stops a member in its tracks: its connections stay open.
	Freeze(t *testing.T, name string)
	// Put writes that many keys through a member. What etcd refuses is an error.
	Put(t *testing.T, name string, keys int) error
	// Compact drops the history before a revision, through a member.
	Compact(t *testing.T, name string, revision int64)
	// Corrupt changes what a member that does not run holds under its keys.
	Corrupt(t *testing.T, name string)
	// RaiseAlarm makes a member raise an alarm.
	RaiseAlarm(t *testing.T, name string, kind etcd.AlarmType)
	// Mute makes a member's answers get lost, or arrive again. Its clients must be dialled anew afterwards.
	Mute(t *testing.T, name string, on bool)
	// Pass lets time go by.
	Pass(d time.Duration)
}

// Run holds the etcd that start provides to the contract, each scenario on members of its own, in parallel.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	for _, scenario := range []struct {
		name string
		run  func(*testing.T, *cluster)
	}{
		{"members founded together form the cluster that their URLs and token spell", founding},
		{"a learner joins, catches up and becomes a voter", growing},
		{"one dead voter of three is removed before its replacement is added", replacing},
		{"two voters of five may be missing until nothing can be added", addingWithDeadVoters},
		{"without a quorum only local answers are given", losingQuorum},
		{"a founder may come later", missingFounder},
		{"the data of members are compared by their hashes", comparing},
		{"a cluster that found itself corrupt can still change its members", corrupted},
		{"members tell whom they are in touch with", seeing},
		{"alarms are raised and disarmed one by one", alarming},
		{"a member that finds other data with its peers does not start", checkingAtStart},
		{"versions go up with the members, and down by a downgrade", versions},
		{"users and roles are kept whether or not anybody is asked who he is", governing},
		{"with authentication on each call takes the rights that it should", authenticating},
		{"with authentication on members come, go and restart", belonging},
		{"a single member takes a learner at once, and an answer may get lost", single},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			scenario.run(t, &cluster{h: start(t), token: "contract", args: map[string]etcdfake.Args{}})
		})
	}
}

// step runs a part of a scenario; the parts after a failed one would only repeat its failure.
func step(t *testing.T, claim string, run func(t *testing.T)) {
	t.Helper()
	if !t.Run(claim, run) {
		t.FailNow()
	}
}

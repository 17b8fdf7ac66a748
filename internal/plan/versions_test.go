package plan

import (
	"strings"
	"testing"
)

// wholeOf is a cluster in which everything is in order, of members that were given and run versions.
func wholeOf(wanted, base string, given ...string) Cluster {
	c := Cluster{Want: len(given), ClusterID: 1, Listed: true, OrdinalsRecorded: true, Versions: Versions{
		Wanted: wanted, Base: base, Compared: Verdict{Holds: true}, Enabled: No,
	}}
	for i, v := range given {
		name := string(rune('a' + i))
		minor, _ := ParseVersion(v)
		storage := minor.MinorString() + ".0"
		if minor.Minor == 5 {
			storage = ""
		}
		c.Members = append(c.Members, Member{
			Name: name, ID: uint64(i + 1), Role: Voter, Healthy: true,
			Answered: true, Ready: true, Recorded: true, Votes: true,
		})
		c.Versions.Members = append(c.Versions.Members, MemberVersion{Name: name, Given: v, Runs: v, Storage: storage})
		c.Versions.Cluster = minor.MinorString() + ".0"
	}
	return c
}

func TestMembersAreGivenAVersionOnlyWhenItCanBeHad(t *testing.T) {
	with := func(c Cluster, change func(*Cluster)) Cluster { change(&c); return c }
	lowering := func(c *Cluster) { c.Versions.Downgrade = Downgrade{"3.5", Lowering} }
	for _, tc := range []struct {
		claim string
		c     Cluster
		want  Course
		says  string // part of the refusal
	}{
		{"nothing is asked for", wholeOf("3.6.16", "3.6.16", "3.6.16", "3.6.16"), ToSpec, ""},
		{"a patch needs no checks", with(wholeOf("3.6.16", "3.6.14", "3.6.14", "3.6.14"), func(c *Cluster) {
			c.Members[0].Healthy = false
		}), ToSpec, ""},
		{"another minor, all in order", wholeOf("3.6.16", "3.5.35", "3.5.35", "3.5.35"), ToSpec, ""},
		{"a member is ill", with(wholeOf("3.6.16", "3.5.35", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Members[1].Healthy = false
		}), ToBase, ""},
		{"an alarm", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) { c.Alarms = []Alarm{{ID: 1}} }), ToBase, ""},
		{"the data were not compared", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Versions.Compared = Verdict{}
		}), ToBase, ""},
		{"a member that does not say what it runs", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Versions.Members[0].Runs = ""
		}), ToBase, ""},
		{"certificates end", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) { c.Versions.ShortLived = "soon" }), ToBase, ""},
		{"a full database", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) { c.Versions.FullestDB = 80 }), ToBase, ""},
		{"a snapshot is to be taken", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Versions.Snapshot.Wanted = true
		}), ToBase, ""},
		{"it was taken", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Versions.Snapshot = Safeguard{Wanted: true, Taken: "s"}
		}), ToSpec, ""},
		{"it was not tried out", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) { c.Rehearsal.Due = true }), ToBase, ""},
		{"what was begun goes on, ill or not", with(wholeOf("3.6.16", "3.5.35", "3.6.16", "3.5.35"), func(c *Cluster) {
			c.Members[1].Healthy = false
		}), ToSpec, ""},
		{"half way the spec goes back", wholeOf("3.5.35", "3.5.35", "3.6.16", "3.5.35"), ToSpec, ""},
		{"the last member was given it, and the spec goes back", wholeOf("3.5.35", "3.5.35", "3.6.16", "3.6.16"), AsTheyAre, ""},
		{"two minors", wholeOf("3.7.3", "3.5.35", "3.5.35", "3.5.35"), ToBase, "3.6.16 first"},
		{"two minors half way", wholeOf("3.7.3", "3.5.35", "3.6.16", "3.5.35"), ToBase, "3.6.16 first"},
		{"too old a patch", wholeOf("3.6.16", "3.5.10", "3.5.10"), ToBase, "3.5.35 first"},
		{"no record, and refused", wholeOf("3.7.3", "", "3.5.35"), AsTheyAre, "3.6.16 first"},
		{"a version nobody knows", wholeOf("4.0.0", "3.7.3", "3.7.3"), ToBase, "not supported"},
		{"a downgrade that is not begun", wholeOf("3.5.35", "3.6.16", "3.6.16", "3.6.16"), ToBase, ""},
		{"a downgrade that is ready", with(wholeOf("3.5.35", "3.6.16", "3.6.16", "3.6.16"), lowering), ToSpec, ""},
		{"a downgrade half way", with(wholeOf("3.5.35", "3.6.16", "3.5.35", "3.6.16"), lowering), ToSpec, ""},
		{"a downgrade half way, and the spec goes back", with(wholeOf("3.6.16", "3.6.16", "3.5.35", "3.6.16"), lowering), ToBase, ""},
		{"a downgrade that is given up", with(wholeOf("3.5.35", "3.6.16", "3.5.35", "3.6.16"), func(c *Cluster) {
			c.Versions.Downgrade = Downgrade{"3.5", Cancelling}
		}), ToBase, ""},
		{"a downgrade in memory", with(wholeOf("3.5.35", "3.6.16", "3.6.16"), func(c *Cluster) { c.Memory = true }), ToBase, "storage.medium"},
		{"it failed", with(wholeOf("3.6.16", "3.5.35", "3.6.16", "3.5.35"), func(c *Cluster) {
			c.Versions.Failed, c.Versions.Cluster = true, "3.5.0"
		}), ToBase, ""},
		{"it failed, and nothing leads back", with(wholeOf("3.6.16", "3.5.35", "3.6.16", "3.6.16"), func(c *Cluster) {
			c.Versions.Failed = true
		}), ToSpec, ""},
		{"nothing has formed", with(wholeOf("3.7.3", "", "3.5.35"), func(c *Cluster) { c.ClusterID = 0 }), ToSpec, ""},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			got := Plot(tc.c)
			if got.Course != tc.want || (got.Refusal == "") != (tc.says == "") || !strings.Contains(got.Refusal, tc.says) {
				t.Errorf("%+v, want %v and %q", got, tc.want, tc.says)
			}
		})
	}
}

func TestAnUpgradeGoesStepByStep(t *testing.T) {
	before := func(change func(*Cluster)) Cluster {
		c := wholeOf("3.6.16", "3.5.35", "3.5.35", "3.5.35", "3.5.35")
		c.Versions.Snapshot.Wanted = true
		for i := range c.Members {
			c.Members[i].Up = healthInterval
		}
		change(&c)
		return c
	}
	after := func(change func(*Cluster)) Cluster {
		c := wholeOf("3.6.16", "3.5.35", "3.6.16", "3.6.16", "3.6.16")
		c.Rollout.Unrecorded = true
		change(&c)
		return c
	}
	for _, tc := range []struct {
		claim              string
		c                  Cluster
		rule, reason, step string
	}{
		{"data that were not compared hold it up", before(func(c *Cluster) {
			c.Versions.Compared = Verdict{Reason: NotCompared, Message: "they are first"}
		}), "preflight", "PreflightFailed", "Nothing{}"},
		{"then a snapshot is taken", before(func(*Cluster) {}), "preflight", "TakingSnapshot", "TakeSnapshotNow{}"},
		{"and waited for", before(func(c *Cluster) { c.Versions.Snapshot.Taking = "s" }), "preflight", "AwaitingSnapshot", "Nothing{}"},
		{"one that failed holds it up", before(func(c *Cluster) {
			c.Versions.Snapshot.Failed = "s failed"
		}), "preflight", "SnapshotFailed", "Nothing{}"},
		{"then it is rolled", before(func(c *Cluster) {
			c.Versions.Snapshot.Taken, c.Members[0].Behind = "s", "version"
		}), "roll", "UpdatingMember", "Update{a false}"},
		{"etcd has to agree on it", after(func(c *Cluster) {
			c.Versions.Cluster = "3.5.0"
		}), "confirm-version", "AwaitingClusterVersion", "Nothing{}"},
		{"and every member's data have to be of it", after(func(c *Cluster) {
			c.Versions.Members[2].Storage = "3.5.0"
		}), "confirm-version", "AwaitingClusterVersion", "Nothing{}"},
		{"then it is what is gone back to", after(func(*Cluster) {}), "record-template", "RecordingTemplate", "RecordTemplate{}"},
		{"nobody is started below the cluster's version", after(func(c *Cluster) {
			c.Versions.Wanted, c.Versions.Base, c.Rollout.Unrecorded = "3.6.16", "3.6.16", false
			c.Members[0].Behind, c.Members[0].Lowers, c.Members[0].Up = "version", "3.5", healthInterval
			c.Members[1].Up, c.Members[2].Up = healthInterval, healthInterval
		}), "roll", "RestartRefused", "Nothing{}"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if got := Next(tc.c); got.Rule != tc.rule || got.Reason != tc.reason || describe(got.Step) != tc.step {
				t.Errorf("%s %s %s (%s), want %s %s %s", got.Rule, got.Reason, describe(got.Step), got.Message, tc.rule, tc.reason, tc.step)
			}
		})
	}
}

func TestItIsSaidWhatAnotherMinorWaitsFor(t *testing.T) {
	with := func(c Cluster, change func(*Cluster)) Cluster { change(&c); return c }
	for _, tc := range []struct {
		claim  string
		c      Cluster
		reason string
		holds  bool
		listed bool
	}{
		{"nothing is asked for", wholeOf("3.6.16", "3.6.16", "3.6.16"), "", false, false},
		{"it cannot be had", wholeOf("3.7.3", "3.5.35", "3.5.35"), "VersionRefused", false, false},
		{"a check is not in order", with(wholeOf("3.6.16", "3.5.35", "3.5.35"), func(c *Cluster) {
			c.Versions.FullestDB = mostFull
		}), "PreflightFailed", false, true},
		{"a downgrade that is about to begin", wholeOf("3.5.35", "3.6.16", "3.6.16"), "Ready", true, true},
		{"one that is under way", with(wholeOf("3.5.35", "3.6.16", "3.6.16"), func(c *Cluster) {
			c.Versions.Downgrade = Downgrade{"3.5", Lowering}
		}), "Downgrading", true, false},
		{"members are given it", wholeOf("3.6.16", "3.5.35", "3.6.16", "3.5.35"), "Changing", true, false},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			got, checks := UpgradeReady(tc.c)
			if got.Reason != tc.reason || got.Holds != tc.holds || (len(checks) > 0) != tc.listed {
				t.Errorf("%+v with %d checks", got, len(checks))
			}
		})
	}
}

func TestADowngradeGoesStepByStep(t *testing.T) {
	up := func(change func(*Cluster)) Cluster {
		c := wholeOf("3.5.35", "3.6.16", "3.6.16", "3.6.16", "3.6.16")
		change(&c)
		return c
	}
	in := func(c *Cluster, phase DowngradePhase, enabled Answer) {
		c.Versions.Downgrade, c.Versions.Enabled = Downgrade{"3.5", phase}, enabled
	}
	down := func(c *Cluster, n int) {
		for i := range n {
			c.Versions.Members[i] = MemberVersion{Name: c.Members[i].Name, Given: "3.5.35", Runs: "3.5.35"}
		}
		for i := n; i < len(c.Members); i++ {
			c.Versions.Members[i].Storage = "3.5.0"
		}
		c.Versions.Cluster = "3.5.0"
	}
	for _, tc := range []struct {
		claim      string
		c          Cluster
		rule, step string
	}{
		{"it is put on record first", up(func(*Cluster) {}), "preflight", "RecordDowngrade{{3.5 Enabling}}"},
		{"then etcd is told", up(func(c *Cluster) { in(c, Enabling, No) }), "downgrade", "EnableDowngrade{3.5}"},
		{"the version of the cluster is waited for", up(func(c *Cluster) { in(c, Enabling, Yes) }), "downgrade", "Nothing{}"},
		{"and every member's data", up(func(c *Cluster) {
			in(c, Enabling, Yes)
			down(c, 0)
			c.Versions.Members[2].Storage = "3.6.0"
		}), "downgrade", "Nothing{}"},
		{"then members may go down", up(func(c *Cluster) { in(c, Enabling, Yes); down(c, 0) }), "downgrade", "RecordDowngrade{{3.5 Lowering}}"},
		{"ended by somebody, it begins anew", up(func(c *Cluster) { in(c, Lowering, No) }), "downgrade", "RecordDowngrade{{3.5 Enabling}}"},
		{"etcd ends it", up(func(c *Cluster) { in(c, Lowering, Yes); down(c, 3) }), "downgrade", "Nothing{}"},
		{"then it is over", up(func(c *Cluster) { in(c, Lowering, No); down(c, 3) }), "downgrade", "RecordDowngrade{{ }}"},
		{"a member that is lost ends it", up(func(c *Cluster) { in(c, Lowering, Yes); c.Members[0].Lost = true }), "cancel-downgrade",
			"RecordDowngrade{{3.5 Cancelling}}"},
		{"so does another wish", up(func(c *Cluster) { in(c, Lowering, Yes); c.Versions.Wanted = "3.6.16" }), "cancel-downgrade",
			"RecordDowngrade{{3.5 Cancelling}}"},
		{"so does a member more", up(func(c *Cluster) { in(c, Lowering, Yes); c.Want = 5 }), "cancel-downgrade",
			"RecordDowngrade{{3.5 Cancelling}}"},
		{"etcd is told until it says so", up(func(c *Cluster) { in(c, Cancelling, Yes) }), "cancel-downgrade", "CancelDowngrade{}"},
		{"also where nobody says", up(func(c *Cluster) { in(c, Cancelling, Unknown) }), "cancel-downgrade", "CancelDowngrade{}"},
		{"all are up again", up(func(c *Cluster) { in(c, Cancelling, No) }), "downgrade", "RecordDowngrade{{ }}"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if got := Next(tc.c); got.Rule != tc.rule || describe(got.Step) != tc.step {
				t.Errorf("%s %s (%s), want %s %s", got.Rule, describe(got.Step), got.Message, tc.rule, tc.step)
			}
		})
	}
}

func TestNobodyIsAddedDuringADowngradeNorStartedBelowTheClustersVersion(t *testing.T) {
	c := wholeOf("3.5.35", "3.6.16", "3.6.16", "3.6.16", "3.6.16")
	c.Versions.Enabled = Yes
	if no := MayAdd(c, Member{Name: "d"}); no.Invariant != "NoDowngrade" {
		t.Errorf("a member may be added while a downgrade is enabled: %v", no)
	}
	c.Versions.Enabled, c.Versions.Downgrade = Unknown, Downgrade{"3.5", Lowering}
	if no := MayAdd(c, Member{Name: "d"}); no.Invariant != "NoDowngrade" {
		t.Errorf("a member may be added while nobody knows: %v", no)
	}
	for cluster, want := range map[string]string{"3.6.0": "VersionAdmits", "": "VersionAdmits", "3.5.0": ""} {
		c.Versions.Cluster, c.Members[0].Lowers = cluster, "3.5"
		if no := MayRestart(c, c.Members[0]); no.Invariant != want {
			t.Errorf("with the cluster at %q: %v", cluster, no)
		}
	}
}

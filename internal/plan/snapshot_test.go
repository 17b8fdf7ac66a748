package plan_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cozystack/etcd-operator/internal/plan"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// saving is a snapshot whose only try is as given, a minute after it was created.
func saving(t plan.Try, record plan.SnapshotRecord) plan.Snapshot {
	return plan.Snapshot{Now: after(60), Created: noon, Deadline: time.Hour, Record: record, Saves: []plan.Try{t}}
}

func TestWhatIsDoneNextForASnapshot(t *testing.T) {
	started := plan.SnapshotRecord{Phase: plan.SnapshotStarted, Attempts: 1}
	broken := plan.SnapshotRecord{Phase: plan.SnapshotStarted, Attempts: 1, Ended: after(58)}
	complete := plan.SnapshotRecord{Phase: plan.SnapshotComplete, Attempts: 1}
	failed := plan.Try{Job: "s-1", Number: 1, State: plan.TryFailed, Reason: "StoreUnreachable", Message: "nobody listens", Ended: after(58)}
	running := plan.Try{Job: "s-1", Number: 1}
	succeeded := plan.Try{Job: "s-1", Number: 1, State: plan.TrySucceeded}
	final, stuck := failed, running
	final.Final, stuck.Outdated, stuck.Message = true, true, "a ConfigMap is gone"
	over := saving(failed, plan.SnapshotRecord{Phase: plan.SnapshotStarted, Attempts: 1, Ended: after(3596)})
	over.Now = after(3597)
	fresh := plan.Snapshot{Now: noon, Created: noon, Deadline: time.Hour}
	with := func(s plan.Snapshot, change func(*plan.Snapshot)) plan.Snapshot {
		change(&s)
		return s
	}
	for _, tc := range []struct {
		claim  string
		given  plan.Snapshot
		step   plan.SnapshotStep
		phase  plan.SnapshotPhase
		reason string
		says   string
	}{
		{"the first try begins at once", fresh, plan.RunAgent{Kind: plan.SaveAgent, Number: 1}, plan.SnapshotStarted, "Saving", "try 1"},
		{"what is to be deleted later is held before anything is stored", with(fresh, func(s *plan.Snapshot) { s.DeleteStored = true }),
			plan.HoldSnapshot{}, plan.SnapshotPending, "", ""},
		{"what is to be kept is not held", with(fresh, func(s *plan.Snapshot) { s.Held = true }),
			plan.ReleaseSnapshot{}, plan.SnapshotPending, "", ""},
		{"a missing cluster is named and waited for", with(fresh, func(s *plan.Snapshot) {
			s.Cluster, s.Store = plan.Obstacle{Reason: "ClusterMissing", Message: "no db"}, plan.Obstacle{Reason: "SecretMissing", Message: "no s"}
		}), plan.Nothing{}, plan.SnapshotPending, "ClusterMissing", "no db"},
		{"a missing Secret is", with(fresh, func(s *plan.Snapshot) { s.Store = plan.Obstacle{Reason: "SecretMissing", Message: "no s"} }),
			plan.Nothing{}, plan.SnapshotPending, "SecretMissing", "no s"},
		{"but not for ever", with(fresh, func(s *plan.Snapshot) {
			s.Now, s.Store = after(3600), plan.Obstacle{Reason: "SecretMissing", Message: "no s"}
		}), plan.Nothing{}, plan.SnapshotFailed, "DeadlineExceeded", "not done within 1h0m0s: no s"},
		{"a try that runs is left alone", saving(running, started), plan.Nothing{}, plan.SnapshotStarted, "Saving", "Job s-1"},
		{"also one that a crash kept off the record", saving(running, plan.SnapshotRecord{}),
			plan.Nothing{}, plan.SnapshotStarted, "Saving", "Job s-1"},
		{"one that waits for what is not used any more is not", saving(stuck, started),
			plan.DropJob{Job: "s-1"}, plan.SnapshotStarted, "Saving", "a ConfigMap is gone"},
		{"a try that succeeded completes the snapshot", saving(succeeded, started), plan.Nothing{}, plan.SnapshotComplete, "Complete", ""},
		{"also after the deadline", with(saving(succeeded, started), func(s *plan.Snapshot) { s.Now = after(4000) }),
			plan.Nothing{}, plan.SnapshotComplete, "Complete", ""},
		{"one that failed is written down first", saving(failed, started), plan.Nothing{}, plan.SnapshotStarted, "StoreUnreachable",
			"try 1 failed: nobody listens; the next one begins 5s later"},
		{"one whose Job was deleted has failed", with(saving(failed, started), func(s *plan.Snapshot) { s.Saves = nil }),
			plan.Nothing{}, plan.SnapshotStarted, "Interrupted", "its Job was deleted"},
		{"one that no other would help is the last", saving(final, started), plan.Nothing{}, plan.SnapshotFailed, "StoreUnreachable", "too"},
		{"the next one waits", saving(failed, broken), plan.Nothing{}, plan.SnapshotStarted, "", ""},
		{"and then begins", with(saving(failed, broken), func(s *plan.Snapshot) { s.Now = after(63) }),
			plan.RunAgent{Kind: plan.SaveAgent, Number: 2}, plan.SnapshotStarted, "Saving", "try 2"},
		{"unless no time is left for it", over, plan.Nothing{}, plan.SnapshotFailed, "DeadlineExceeded",
			"try 1 failed: StoreUnreachable: nobody listens"},
		{"of tries that failed the last one's Job is kept", plan.Snapshot{
			Now: after(60), Created: noon, Deadline: time.Hour, Record: plan.SnapshotRecord{Phase: plan.SnapshotFailed, Attempts: 2},
			Saves: []plan.Try{failed, {Job: "s-2", Number: 2, State: plan.TryFailed}},
		}, plan.DropJob{Job: "s-1"}, plan.SnapshotFailed, "", ""},
		{"what is complete is left alone", saving(succeeded, complete), plan.Nothing{}, plan.SnapshotComplete, "", ""},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			d := plan.NextSnapshot(tc.given)
			if d.Step != tc.step || d.Record.Phase != tc.phase || d.Reason != tc.reason || !strings.Contains(d.Message, tc.says) {
				t.Errorf("got %T %+v, want %T %+v, phase %s, reason %q, saying %q", d.Step, d, tc.step, tc.step, tc.phase, tc.reason, tc.says)
			}
		})
	}
}

func TestWhatIsStoredGoesBeforeItsEtcdSnapshot(t *testing.T) {
	given := plan.Snapshot{
		Now: after(60), Created: noon, Deadline: time.Hour, Deleting: true, Held: true, DeleteStored: true,
		Record: plan.SnapshotRecord{Phase: plan.SnapshotComplete, Attempts: 1},
	}
	with := func(change func(*plan.Snapshot)) plan.Snapshot {
		s := given
		change(&s)
		return s
	}
	try := func(state plan.TryState) []plan.Try {
		return []plan.Try{{Job: "s-delete-1", Number: 1, State: state, Reason: "StoreAccessDenied", Message: "403", Ended: after(58)}}
	}
	for _, tc := range []struct {
		claim string
		given plan.Snapshot
		step  plan.SnapshotStep
		says  string
	}{
		{"an agent deletes it", given, plan.RunAgent{Kind: plan.DeleteAgent, Number: 1}, ""},
		{"nothing is deleted that is to be kept", with(func(s *plan.Snapshot) { s.DeleteStored = false }), plan.ReleaseSnapshot{}, ""},
		{"where nothing was tried nothing is stored", with(func(s *plan.Snapshot) { s.Record = plan.SnapshotRecord{} }),
			plan.ReleaseSnapshot{}, ""},
		{"a try that failed may have left something", with(func(s *plan.Snapshot) { s.Record.Phase = plan.SnapshotFailed }),
			plan.RunAgent{Kind: plan.DeleteAgent, Number: 1}, ""},
		{"so may one that is not on record", with(func(s *plan.Snapshot) {
			s.Record, s.Saves = plan.SnapshotRecord{}, []plan.Try{{Job: "s-1", Number: 1, State: plan.TryFailed}}
		}), plan.RunAgent{Kind: plan.DeleteAgent, Number: 1}, ""},
		{"what may still store something is stopped first", with(func(s *plan.Snapshot) { s.Saves = []plan.Try{{Job: "s-1", Number: 1}} }),
			plan.DropJob{Job: "s-1"}, ""},
		{"also where only its Pod is left", with(func(s *plan.Snapshot) {
			s.Saves = []plan.Try{{Job: "s-1", Number: 1, State: plan.TryFailed, Lingers: true}}
		}), plan.DropJob{Job: "s-1"}, ""},
		{"and it is waited for", with(func(s *plan.Snapshot) { s.Saves = []plan.Try{{Job: "s-1", Number: 1, Going: true}} }),
			plan.Nothing{}, "s-1"},
		{"an agent at work is waited for", with(func(s *plan.Snapshot) { s.Deletes = try(plan.TryRunning) }), plan.Nothing{}, "s-delete-1"},
		{"once it is gone so is the EtcdSnapshot", with(func(s *plan.Snapshot) { s.Deletes = try(plan.TrySucceeded) }),
			plan.ReleaseSnapshot{}, ""},
		{"what is somebody else's stays", with(func(s *plan.Snapshot) {
			s.Deletes = try(plan.TryFailed)
			s.Deletes[0].Foreign, s.Deletes[0].Final = true, true
		}), plan.ReleaseSnapshot{}, ""},
		{"the end of the namespace is not held up", with(func(s *plan.Snapshot) {
			s.Ending, s.Store = true, plan.Obstacle{Reason: "SecretMissing"}
		}), plan.ReleaseSnapshot{}, ""},
		{"a failure is told, with the way out", with(func(s *plan.Snapshot) { s.Deletes = try(plan.TryFailed) }), plan.Nothing{},
			"403; to keep it and let the EtcdSnapshot go, set deletionPolicy to Retain"},
		{"and tried again", with(func(s *plan.Snapshot) { s.Deletes, s.Now = try(plan.TryFailed), after(63) }),
			plan.RunAgent{Kind: plan.DeleteAgent, Number: 2}, ""},
		{"what an agent would lack is waited for", with(func(s *plan.Snapshot) {
			s.Store = plan.Obstacle{Reason: "SecretMissing", Message: "no s"}
		}), plan.Nothing{}, "no s; to keep it"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if d := plan.NextSnapshot(tc.given); d.Step != tc.step || !strings.Contains(d.Message, tc.says) {
				t.Errorf("got %T %+v, want %T %+v saying %q", d.Step, d, tc.step, tc.step, tc.says)
			}
		})
	}
}

func TestADrillIsAnsweredOnce(t *testing.T) {
	given := plan.Snapshot{
		Now: after(60), Created: noon, Deadline: time.Hour, Request: "r2",
		Record: plan.SnapshotRecord{Phase: plan.SnapshotComplete, Attempts: 1, Answered: "r1"},
	}
	drill := func(number int, state plan.TryState, damning bool) func(*plan.Snapshot) {
		return func(s *plan.Snapshot) {
			s.Drills = append(s.Drills, plan.Try{
				Job: fmt.Sprint("d-", number), Number: number, Request: "r2", State: state, Damning: damning, Ended: after(30),
			})
		}
	}
	for _, tc := range []struct {
		claim   string
		changes []func(*plan.Snapshot)
		step    plan.SnapshotStep
		outcome plan.DrillOutcome
	}{
		{"a new request begins one", nil, plan.RunAgent{Kind: plan.DrillAgent, Number: 1, Request: "r2"}, ""},
		{"one that was answered does not", []func(*plan.Snapshot){func(s *plan.Snapshot) { s.Request = "r1" }}, plan.Nothing{}, ""},
		{"what is not complete cannot be tried out", []func(*plan.Snapshot){func(s *plan.Snapshot) { s.Record.Phase = plan.SnapshotFailed }},
			plan.Nothing{}, ""},
		{"an earlier request's is ended", []func(*plan.Snapshot){func(s *plan.Snapshot) {
			s.Drills = []plan.Try{{Job: "d-0", Number: 1, Request: "r1"}}
		}}, plan.DropJob{Job: "d-0"}, ""},
		{"one that runs is waited for", []func(*plan.Snapshot){drill(1, plan.TryRunning, false)}, plan.Nothing{}, ""},
		{"one that succeeds verifies", []func(*plan.Snapshot){drill(1, plan.TrySucceeded, false)}, plan.Nothing{}, plan.DrillVerified},
		{"other data is told at once", []func(*plan.Snapshot){drill(1, plan.TryFailed, true)}, plan.Nothing{}, plan.DrillFailed},
		{"trouble on the way is tried again", []func(*plan.Snapshot){drill(1, plan.TryFailed, false)},
			plan.RunAgent{Kind: plan.DrillAgent, Number: 2, Request: "r2"}, ""},
		{"three times in all", []func(*plan.Snapshot){
			drill(1, plan.TryFailed, false), drill(2, plan.TryFailed, false), drill(3, plan.TryFailed, false),
		}, plan.Nothing{}, plan.DrillInconclusive},
		{"without credentials nothing is found out", []func(*plan.Snapshot){func(s *plan.Snapshot) { s.Store.Reason = "SecretMissing" }},
			plan.Nothing{}, plan.DrillInconclusive},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			s := given
			for _, change := range tc.changes {
				change(&s)
			}
			d := plan.NextSnapshot(s)
			if d.Step != tc.step || d.Drill != tc.outcome {
				t.Errorf("got %T %+v, want %T %+v and %q", d.Step, d, tc.step, tc.step, tc.outcome)
			}
			if answered := d.Record.Answered == "r2"; answered != (tc.outcome != "") {
				t.Errorf("answered is %q with the outcome %q", d.Record.Answered, tc.outcome)
			}
		})
	}
}

func TestBreaksDoubleUpToAMinute(t *testing.T) {
	var got []time.Duration
	for n := 1; n <= 6; n++ {
		s := saving(plan.Try{Job: "j", Number: n, State: plan.TryFailed}, plan.SnapshotRecord{
			Phase: plan.SnapshotStarted, Attempts: n, Ended: after(60),
		})
		got = append(got, plan.NextSnapshot(s).Recheck)
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestHoweverTriesEndASnapshotDoes lets tries end in all ways, and the operator crash before it has written anything down.
func TestHoweverTriesEndASnapshotDoes(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := plan.Snapshot{Now: noon, Created: noon, Deadline: 10 * time.Minute, DeleteStored: seed%2 == 0}
		done := false
		for range 2000 {
			d := plan.NextSnapshot(s)
			succeeded := len(s.Saves) > 0 && s.Saves[len(s.Saves)-1].State == plan.TrySucceeded
			if d.Record.Phase == plan.SnapshotComplete && !succeeded && s.Record.Phase != plan.SnapshotComplete {
				t.Fatalf("seed %d: complete without a try that succeeded: %+v", seed, s)
			}
			switch step := d.Step.(type) {
			case plan.HoldSnapshot:
				s.Held = true
			case plan.RunAgent:
				for _, other := range s.Saves {
					if other.State == plan.TryRunning || other.Number >= step.Number {
						t.Fatalf("seed %d: try %d begins beside %+v", seed, step.Number, other)
					}
				}
				if s.DeleteStored && !s.Held {
					t.Fatalf("seed %d: something is stored that nobody would delete", seed)
				}
				s.Saves = append(s.Saves, plan.Try{Job: fmt.Sprint("s-", step.Number), Number: step.Number})
			case plan.DropJob:
				if s.Saves[0].Job != step.Job || s.Saves[0].State == plan.TryRunning {
					t.Fatalf("seed %d: drops %s of %+v", seed, step.Job, s.Saves)
				}
				s.Saves = s.Saves[1:]
			}
			if random.IntN(4) > 0 { // else it crashes before it publishes
				s.Record = d.Record
			}
			if done = s.Record.Final() && d.Step == plan.SnapshotStep(plan.Nothing{}) && d.Recheck == 0; done {
				break
			}
			s.Now = s.Now.Add(max(d.Recheck, time.Second))
			end(&s, random)
		}
		if !done {
			t.Fatalf("seed %d: does not come to an end: %+v", seed, s)
		}
	}
}

// end lets a running try end, or its Job vanish.
func end(s *plan.Snapshot, random *rand.Rand) {
	if len(s.Saves) == 0 {
		return
	}
	last := &s.Saves[len(s.Saves)-1]
	if last.State != plan.TryRunning {
		return
	}
	switch random.IntN(10) {
	case 0:
		last.State, last.Ended = plan.TrySucceeded, s.Now
	case 1, 2, 3:
		last.State, last.Ended, last.Reason = plan.TryFailed, s.Now, "StoreUnreachable"
	case 4:
		if s.Record.Attempts == last.Number {
			s.Saves = s.Saves[:len(s.Saves)-1]
		}
	}
}

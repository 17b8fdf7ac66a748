package plan

import (
	"strings"
	"testing"
	"time"
)

var eight = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// minutely is due at every full minute.
func minutely(after time.Time) time.Time { return after.Truncate(time.Minute).Add(time.Minute) }

func at(minutes float64) time.Time { return eight.Add(time.Duration(minutes * float64(time.Minute))) }

// scheduled was made at eight and looked at later.
func scheduled(minutes float64, change func(*Schedule)) Schedule {
	s := Schedule{Now: at(minutes), Created: eight, Next: minutely, Overlap: OverlapForbid}
	if change != nil {
		change(&s)
	}
	return s
}

func running(name string) ScheduledSnapshot { return ScheduledSnapshot{Name: name, Created: eight} }

func TestWhatBecomesOfARun(t *testing.T) {
	for claim, c := range map[string]struct {
		now    float64
		change func(*Schedule)
		want   ScheduleStep
		missed int64
		says   string
	}{
		"nothing is due before the first run": {0.9, nil, Nothing{}, 0, ""},
		"a run is taken when it is due":       {1, nil, TakeSnapshot{at(1)}, 0, "taking the snapshot of 2026-03-01T08:01:00Z"},
		"it is not taken twice":               {1.5, func(s *Schedule) { s.Last = at(1) }, Nothing{}, 0, ""},
		"not even when only its snapshot tells of it": {1.5, func(s *Schedule) {
			s.Snapshots = []ScheduledSnapshot{{Name: "a", Due: at(1), Complete: true}}
		}, Nothing{}, 0, ""},
		"of several missed runs the last is made up for": {5.5, func(s *Schedule) { s.Last = at(1) }, TakeSnapshot{at(5)}, 3,
			"runs before it that were missed: 3"},
		"one that is too late is left out": {5.5, func(s *Schedule) { s.Deadline = 29 * time.Second }, LeaveOut{at(5)}, 5,
			"it is 30s late, and startingDeadlineSeconds is 29"},
		"one that is not too late is taken": {5.5, func(s *Schedule) { s.Deadline = 30 * time.Second }, TakeSnapshot{at(5)}, 4, ""},
		"what was due before the schedule was made anew is not made up for": {0.5, func(s *Schedule) {
			s.Snapshots = []ScheduledSnapshot{{Name: "a", Due: at(-60), Complete: true}}
		}, Nothing{}, 0, ""},
		"a suspended schedule takes nothing": {5, func(s *Schedule) { s.Suspended = true }, Nothing{}, 0, ""},
		"nor does one that makes no sense":   {5, func(s *Schedule) { s.Next, s.Problem = nil, "no" }, Nothing{}, 0, ""},
		"without its cluster a run is left out": {1, func(s *Schedule) { s.Missing = true }, LeaveOut{at(1)}, 1,
			"there is no such cluster"},
		"of a paused cluster too": {1, func(s *Schedule) { s.Paused = true }, LeaveOut{at(1)}, 1, "paused"},
		"Forbid leaves a run out while another is not done": {1, func(s *Schedule) {
			s.Snapshots = []ScheduledSnapshot{running("a")}
		}, LeaveOut{at(1)}, 1, "a is not done, and concurrencyPolicy is Forbid"},
		"Allow takes it": {1, func(s *Schedule) {
			s.Overlap, s.Snapshots = OverlapAllow, []ScheduledSnapshot{running("a")}
		}, TakeSnapshot{at(1)}, 0, ""},
		"Replace deletes the other first": {1, func(s *Schedule) {
			s.Overlap, s.Snapshots = OverlapReplace, []ScheduledSnapshot{running("a")}
		}, DropSnapshot{"a"}, 0, "concurrencyPolicy is Replace"},
		"and then takes it": {1, func(s *Schedule) {
			a := running("a")
			a.Deleting = at(1)
			s.Overlap, s.Snapshots = OverlapReplace, []ScheduledSnapshot{a}
		}, TakeSnapshot{at(1)}, 0, ""},
		"a failed one is done": {1, func(s *Schedule) {
			a := running("a")
			a.Failed = true
			s.Snapshots = []ScheduledSnapshot{a}
		}, TakeSnapshot{at(1)}, 0, ""},
		"a time that never comes is not waited for": {1, func(s *Schedule) {
			s.Next = func(time.Time) time.Time { return time.Time{} }
		}, Nothing{}, 0, ""},
	} {
		t.Run(claim, func(t *testing.T) {
			d := NextSchedule(scheduled(c.now, c.change))
			if d.Step != c.want || d.Missed != c.missed || !strings.Contains(d.Message, c.says) {
				t.Errorf("takes %#v (missed %d): %s", d.Step, d.Missed, d.Message)
			}
			if d.Step != ScheduleStep(Nothing{}) {
				return
			}
			if d.Recheck < Settle || d.Recheck > glance {
				t.Errorf("looks again after %s", d.Recheck)
			}
		})
	}
}

func TestTheNextLookIsWhenTheNextRunIsDue(t *testing.T) {
	if d := NextSchedule(scheduled(0.75, nil)); d.Recheck != 15*time.Second {
		t.Errorf("looks again after %s", d.Recheck)
	}
	s := scheduled(0.75, func(s *Schedule) { s.Suspended = true })
	if d := NextSchedule(s); d.Recheck != glance || !s.NextRun().IsZero() {
		t.Errorf("a suspended one looks again after %s, for %s", d.Recheck, s.NextRun())
	}
}

// TestNoClockMakesMoreThanOneSnapshotOfARun follows a schedule whose clock is set, and counts what it takes.
func TestNoClockMakesMoreThanOneSnapshotOfARun(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for claim, c := range map[string]struct {
		jump time.Duration
		want int // in the 30 minutes after the clock is set
	}{
		"forward by an hour":  {time.Hour, 31},
		"forward by 300 days": {300 * 24 * time.Hour, 31},
		"forward by 80 years": {80 * year, 31},
		"back by a second":    {-time.Second, 30},
		"back by an hour":     {-time.Hour, 30},
		"back by 10 years":    {-10 * year, 30},
	} {
		t.Run(claim, func(t *testing.T) {
			asked := 0
			s := scheduled(0, nil)
			s.Next = func(after time.Time) time.Time { asked++; return minutely(after) }
			taken := map[time.Time]bool{}
			run := func(minutes int) (n int) {
				end := s.Now.Add(time.Duration(minutes) * time.Minute)
				for passes := 0; !s.Now.After(end); passes++ {
					if passes > 1000 {
						t.Fatal("does not come to rest")
					}
					d := NextSchedule(s)
					switch step := d.Step.(type) {
					case TakeSnapshot:
						if taken[step.Due] {
							t.Fatalf("the run of %s is taken twice", step.Due)
						}
						taken[step.Due] = true
						s.Last = step.Due
						n++
					case StartOver:
						s.Last = s.Now
					default:
						s.Now = s.Now.Add(d.Recheck)
					}
				}
				return n
			}
			if n := run(30); n != 30 {
				t.Fatalf("takes %d in 30 minutes", n)
			}
			s.Now = s.Now.Add(c.jump)
			if c.jump < 0 { // what was taken in this hour is known only by its name, which the API server keeps unique
				clear(taken)
			}
			if n := run(30); n < c.want-1 || n > c.want+1 {
				t.Errorf("takes %d, want %d", n, c.want)
			}
			if asked > 3*mostCounted {
				t.Errorf("asks %d times for the next run", asked)
			}
		})
	}
}

func TestRunsOfManyYearsAreCountedUpToABound(t *testing.T) {
	now := eight.AddDate(60, 0, 0).Add(30 * time.Second)
	due, missed, found := lastRun(minutely, eight, now)
	if !found || !due.Equal(now.Truncate(time.Minute)) || missed != mostCounted {
		t.Errorf("the last run is %s, after %d", due, missed)
	}
	half := func(after time.Time) time.Time { // only in the first half of a year
		next := minutely(after)
		if next.Month() > time.June {
			return time.Date(next.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		return next
	}
	if due, _, _ = lastRun(half, eight, time.Date(2030, 12, 24, 0, 0, 0, 0, time.UTC)); due != time.Date(2030, 6, 30, 23, 59, 0, 0, time.UTC) {
		t.Errorf("the last run is %s", due)
	}
}

func TestAScheduleGoesWithItsSnapshotsOnlyIfAsked(t *testing.T) {
	condemned := func(deleting time.Time) ScheduledSnapshot {
		return ScheduledSnapshot{Name: "a", Complete: true, Condemned: true, Deleting: deleting}
	}
	for claim, c := range map[string]struct {
		change func(*Schedule)
		want   ScheduleStep
	}{
		"with Delete it waits for them":         {func(s *Schedule) { s.Cascades = true }, Hold{}},
		"and does not once that is taken back":  {func(s *Schedule) { s.Held = true }, Release{}},
		"its going lets them delete their data": {func(s *Schedule) { s.Deleting, s.Held, s.Cascades = true, true, true }, Condemn{"a"}},
		"with Retain they stay":                 {func(s *Schedule) { s.Deleting, s.Held = true, true }, Release{}},
		"without the finalizer nothing happens": {func(s *Schedule) { s.Deleting, s.Cascades = true, true }, Nothing{}},
		"one that goes and keeps its data is told": {func(s *Schedule) {
			s.Deleting, s.Held, s.Cascades, s.Snapshots[0].Deleting = true, true, true, at(1)
		}, Condemn{"a"}},
		"then they are deleted": {func(s *Schedule) {
			s.Deleting, s.Held, s.Cascades, s.Snapshots[0] = true, true, true, condemned(time.Time{})
		}, DropSnapshot{"a"}},
		"waited for": {func(s *Schedule) {
			s.Deleting, s.Held, s.Cascades, s.Snapshots[0] = true, true, true, condemned(at(1))
		}, Nothing{}},
		"and it goes last": {func(s *Schedule) {
			s.Deleting, s.Held, s.Cascades, s.Snapshots = true, true, true, nil
		}, Release{}},
	} {
		t.Run(claim, func(t *testing.T) {
			s := scheduled(5, func(s *Schedule) { s.Snapshots = []ScheduledSnapshot{{Name: "a", Complete: true}} })
			c.change(&s)
			if d := NextSchedule(s); d.Step != c.want {
				t.Errorf("takes %#v: %s", d.Step, d.Message)
			}
		})
	}
}

func TestHowAScheduleStands(t *testing.T) {
	for claim, c := range map[string]struct {
		change func(*Schedule)
		record ScheduleRecord
		want   Standing
	}{
		"nothing is done yet": {nil, ScheduleRecord{}, Standing{Fulfilled, "NoSnapshotYet", "no snapshot is done yet"}},
		"all is well": {nil, ScheduleRecord{Success: Milestone{Snapshot: "a"}},
			Standing{Fulfilled, "SnapshotComplete", "the last snapshot is complete: a"}},
		"it makes no sense": {func(s *Schedule) { s.Next, s.Problem = nil, "why" }, ScheduleRecord{}, Standing{Stuck, "InvalidSchedule", "why"}},
		"it never comes": {func(s *Schedule) { s.Next = func(time.Time) time.Time { return time.Time{} } }, ScheduleRecord{},
			Standing{Stuck, "NeverDue", "spec.schedule names a time that never comes"}},
		"the cluster is missing": {func(s *Schedule) { s.Missing = true }, ScheduleRecord{Failures: 1},
			Standing{Waiting, "ClusterMissing", "there is no such EtcdCluster in this namespace: no snapshots are taken"}},
		"snapshots fail": {func(s *Schedule) { s.Suspended = true }, ScheduleRecord{Failures: 4, Failure: "a: full"},
			Standing{Waiting, "SnapshotFailed", "snapshots that failed since the last success: 4; the last one: a: full"}},
		"a drill failed": {func(s *Schedule) {
			s.Snapshots = []ScheduledSnapshot{drilledAt("a", 1, DrillVerified), drilledAt("b", 3, DrillFailed), drilledAt("c", 4, DrillInconclusive)}
		}, ScheduleRecord{Success: Milestone{Snapshot: "c"}}, Standing{Waiting, "VerificationFailed",
			"the last restore drill found other data than were saved in b: its condition Verified tells"}},
		"a later drill was well": {func(s *Schedule) {
			s.Snapshots = []ScheduledSnapshot{drilledAt("a", 1, DrillFailed), drilledAt("b", 3, DrillVerified)}
		}, ScheduleRecord{Success: Milestone{Snapshot: "b"}}, Standing{Fulfilled, "SnapshotComplete", "the last snapshot is complete: b"}},
		"it is suspended": {func(s *Schedule) { s.Suspended = true }, ScheduleRecord{},
			Standing{Fulfilled, "Suspended", "no snapshots are taken: spec.suspend is true"}},
		"the cluster is paused": {func(s *Schedule) { s.Paused = true }, ScheduleRecord{},
			Standing{Fulfilled, "ClusterPaused", "no snapshots are taken while the cluster is paused"}},
		"it goes": {func(s *Schedule) { s.Deleting, s.Problem = true, "why" }, ScheduleRecord{},
			Standing{Working, "Deleting", "0 snapshots are to be deleted first"}},
	} {
		t.Run(claim, func(t *testing.T) {
			if got := scheduled(1, c.change).Standing(c.record); got != c.want {
				t.Errorf("stands %v", got)
			}
		})
	}
}

func TestFailuresAreCountedAlsoWhenTheirSnapshotsAreGone(t *testing.T) {
	failed := func(name string, minutes float64) ScheduledSnapshot {
		return ScheduledSnapshot{Name: name, Created: at(minutes), EndedAt: at(minutes), Failed: true, Message: "full"}
	}
	var record ScheduleRecord
	step := func(want int, failure string, snapshots ...ScheduledSnapshot) {
		t.Helper()
		s := scheduled(10, func(s *Schedule) { s.Snapshots = snapshots })
		record = s.Record(record)
		if record.Failures != want || record.Failure != failure {
			t.Fatalf("counts %d (%s), want %d (%s)", record.Failures, record.Failure, want, failure)
		}
	}
	complete := func(name string, minutes float64) ScheduledSnapshot {
		return ScheduledSnapshot{Name: name, Created: at(minutes), EndedAt: at(minutes), Complete: true, Revision: int64(minutes)}
	}
	step(0, "", complete("a", 1), running("b"))
	b := failed("b", 2)
	step(1, "b: full", complete("a", 1), b)
	step(1, "b: full", complete("a", 1), b, running("c"))
	step(2, "c: full", complete("a", 1), failed("c", 3)) // b was deleted
	step(2, "c: full", complete("a", 1))                 // so was c
	step(2, "c: full", complete("a", 1), running("d"))
	step(0, "", complete("a", 1), complete("d", 4))
	step(1, "e: full", complete("a", 1), complete("d", 4), failed("e", 5))
	step(1, "e: full", complete("d", 4), failed("e", 5), running("f"))
	step(2, "f: it was deleted before it was done", complete("d", 4), running("g")) // f was replaced
}

func TestWhatWasReachedIsRememberedWhenTheSnapshotIsGone(t *testing.T) {
	verified := drilledAt("b", 5, DrillVerified)
	verified.Revision = 2
	s := scheduled(10, func(s *Schedule) {
		s.Snapshots = []ScheduledSnapshot{drilledAt("a", 1, ""), verified}
	})
	record := s.Record(ScheduleRecord{})
	if record.Success != (Milestone{"b", verified.EndedAt}) || record.Verified != (Milestone{"b", at(5)}) {
		t.Errorf("remembers %v", record)
	}
	s.Snapshots = s.Snapshots[:1]
	if again := s.Record(record); again.Success != record.Success || again.Verified != record.Verified {
		t.Errorf("forgets it: %v", again)
	}
	s.Now = at(1) // the clock was set back: five is a time to come
	if again := s.Record(ScheduleRecord{Success: Milestone{"b", at(5)}}); again.Success.Snapshot != "a" {
		t.Errorf("believes in %v", again.Success)
	}
}

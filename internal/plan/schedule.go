package plan

import (
	"fmt"
	"time"
)

// Overlap says what happens when a run is due while the snapshot of another is not done.
type Overlap string

// Overlaps, by the names of the API.
const (
	OverlapForbid  Overlap = "Forbid"
	OverlapAllow   Overlap = "Allow"
	OverlapReplace Overlap = "Replace"
)

// Schedule is what is known of a schedule of snapshots in one pass.
type Schedule struct {
	Now     time.Time
	Created time.Time
	Last    time.Time // the last run on record, zero if there is none
	// Next is the first run after a time, zero if there is none. It is nil if the spec makes no sense, and Problem says why.
	Next    func(after time.Time) time.Time
	Problem string

	Suspended bool
	Deadline  time.Duration // how late a snapshot may begin; 0 is however late
	Overlap   Overlap
	Missing   bool // the cluster is not there, or about to go
	Paused    bool // the cluster is

	Retention   Retention
	DrillPeriod time.Duration // 0 is no drills
	Snapshots   []ScheduledSnapshot

	Deleting bool // the schedule is
	Held     bool // its deletion waits for its snapshots
	Cascades bool // its deletion deletes its snapshots, and what they stored
}

// ScheduledSnapshot is a snapshot of a schedule.
type ScheduledSnapshot struct {
	Name     string
	Due      time.Time // the run that it was made for
	Created  time.Time // by the clock of the API server, all others are by the operator's
	Complete bool
	Failed   bool
	Message  string // what it said last
	EndedAt  time.Time
	// ClusterID and Revision of what is stored: etcd's own order of time.
	ClusterID string
	Revision  int64

	Condemned bool      // deleting it deletes what it stored
	Deleting  time.Time // since when, zero if it is not
	Needed    bool      // a cluster is being made from it
	Drill     Drill
}

// Drill is the last try to restore a snapshot.
type Drill struct {
	Pending   bool // one is asked for, or runs
	StartedAt time.Time
	Outcome   DrillOutcome // empty if there was none
}

// DrillOutcome is what a drill came to.
type DrillOutcome string

// Outcomes, by the names of the API.
const (
	DrillVerified     DrillOutcome = "Verified"
	DrillFailed       DrillOutcome = "Failed"
	DrillInconclusive DrillOutcome = "Inconclusive"
)

func (s ScheduledSnapshot) going() bool  { return !s.Deleting.IsZero() }
func (s ScheduledSnapshot) active() bool { return !s.Complete && !s.Failed }

// ScheduleStep is one write for a schedule. Steps are comparable.
//
//sumtype:decl
type ScheduleStep interface{ scheduleStep() }

type (
	// TakeSnapshot creates the EtcdSnapshot of a run.
	TakeSnapshot struct{ Due time.Time }
	// LeaveOut records that all runs until this one are over.
	LeaveOut struct{ Due time.Time }
	// StartOver records that runs count from now on.
	StartOver struct{}
	// Condemn lets the deletion of a snapshot delete what it stored.
	Condemn struct{ Snapshot string }
	// DropSnapshot deletes an EtcdSnapshot.
	DropSnapshot struct{ Snapshot string }
	// AskForDrill asks for a restore drill of a snapshot.
	AskForDrill struct{ Snapshot string }
	// Hold makes the deletion of the schedule wait for its snapshots.
	Hold struct{}
	// Release lets the schedule go.
	Release struct{}
)

func (Nothing) scheduleStep()      {}
func (TakeSnapshot) scheduleStep() {}
func (LeaveOut) scheduleStep()     {}
func (StartOver) scheduleStep()    {}
func (Condemn) scheduleStep()      {}
func (DropSnapshot) scheduleStep() {}
func (AskForDrill) scheduleStep()  {}
func (Hold) scheduleStep()         {}
func (Release) scheduleStep()      {}

// ScheduleDecision is the step to take and why.
type ScheduleDecision struct {
	Step    ScheduleStep
	Rule    string
	Reason  string // of the Event
	Message string
	Missed  int64 // runs that are left out by this step
	Recheck time.Duration
}

const (
	// glance is how often a schedule is looked at: clocks are set while nobody looks.
	glance = time.Minute
	// skew is how far a time may lie ahead before it counts as that of a clock which was wrong.
	skew = time.Minute
	// mostCounted bounds the runs that are counted one by one.
	mostCounted = 10000
)

// NextSchedule decides. Runs come first, for they are late already.
func NextSchedule(s Schedule) ScheduleDecision {
	rules := []struct {
		name   string
		decide func(Schedule) (ScheduleDecision, bool)
	}{
		{"go", leaveSchedule}, {"hold", holdSchedule}, {"run", runSchedule}, {"drill", drillNewest}, {"retain", retain},
	}
	for _, rule := range rules {
		if d, decided := rule.decide(s); decided {
			d.Rule = rule.name
			return d
		}
	}
	return ScheduleDecision{Step: Nothing{}, Rule: "steady", Recheck: s.patience()}
}

// leaveSchedule deletes the snapshots of a schedule that goes, if that was asked for, and what they stored.
func leaveSchedule(s Schedule) (ScheduleDecision, bool) {
	if !s.Deleting {
		return ScheduleDecision{}, false
	}
	rest := ScheduleDecision{Step: Nothing{}, Recheck: glance}
	if !s.Held {
		return rest, true
	}
	if s.Cascades {
		for _, snapshot := range s.Snapshots {
			if !snapshot.going() || !snapshot.Condemned {
				return doom(snapshot, "the schedule is deleted, with deletionPolicy Delete"), true
			}
		}
		if len(s.Snapshots) > 0 {
			return rest, true
		}
	}
	return ScheduleDecision{Step: Release{}, Message: "no snapshots are to be deleted any more"}, true
}

// doom deletes a snapshot and what it stored, in two steps.
func doom(snapshot ScheduledSnapshot, why string) ScheduleDecision {
	if !snapshot.Condemned {
		return ScheduleDecision{Step: Condemn{snapshot.Name}, Message: fmt.Sprintf("%s is about to be deleted: %s", snapshot.Name, why)}
	}
	return ScheduleDecision{Step: DropSnapshot{snapshot.Name}, Reason: "SnapshotDeleted",
		Message: fmt.Sprintf("deleting %s and what it stored: %s", snapshot.Name, why)}
}

func holdSchedule(s Schedule) (ScheduleDecision, bool) {
	switch {
	case s.Cascades && !s.Held:
		return ScheduleDecision{Step: Hold{}, Message: "deletionPolicy is Delete"}, true
	case !s.Cascades && s.Held:
		return ScheduleDecision{Step: Release{}, Message: "deletionPolicy is Retain"}, true
	}
	return ScheduleDecision{}, false
}

// runSchedule takes the snapshot of the last run that is over, and leaves out those before it.
func runSchedule(s Schedule) (ScheduleDecision, bool) {
	if s.Next == nil || s.Suspended {
		return ScheduleDecision{}, false
	}
	from, known := s.since()
	if !known {
		return ScheduleDecision{Step: StartOver{}, Reason: "ClockSetBack",
			Message: "the schedule was made later than it is now: the clock was set back, and runs count from now on"}, true
	}
	due, missed, found := lastRun(s.Next, from, s.Now)
	if !found {
		return ScheduleDecision{}, false
	}
	if why := s.unfit(due); why != "" {
		message := fmt.Sprintf("the run of %s is left out: %s", due.Format(time.RFC3339), why)
		return ScheduleDecision{Step: LeaveOut{due}, Reason: "RunLeftOut", Message: withMissed(message, missed), Missed: missed + 1}, true
	}
	if s.Overlap == OverlapReplace {
		for _, a := range s.underway() {
			if !a.going() {
				return ScheduleDecision{Step: DropSnapshot{a.Name}, Reason: "SnapshotReplaced",
					Message: fmt.Sprintf("deleting %s, which is not done (%s): the next one is due, and concurrencyPolicy is Replace",
						a.Name, a.Message)}, true
			}
		}
	}
	return ScheduleDecision{Step: TakeSnapshot{due}, Reason: "SnapshotCreated", Missed: missed,
		Message: withMissed("taking the snapshot of "+due.Format(time.RFC3339), missed)}, true
}

// unfit says why no snapshot is taken for a run, empty if one is.
func (s Schedule) unfit(due time.Time) string {
	late, active := s.Now.Sub(due).Truncate(time.Second), s.underway()
	switch {
	case s.Deadline > 0 && late > s.Deadline:
		return fmt.Sprintf("it is %s late, and startingDeadlineSeconds is %d", late, int64(s.Deadline.Seconds()))
	case s.Missing:
		return "there is no such cluster"
	case s.Paused:
		return "the cluster is paused"
	case len(active) > 0 && s.Overlap == OverlapForbid:
		return active[0].Name + " is not done, and concurrencyPolicy is Forbid"
	}
	return ""
}

func withMissed(message string, missed int64) string {
	switch {
	case missed == 0:
		return message
	case missed >= mostCounted:
		return fmt.Sprintf("%s; more than %d runs before it were missed", message, mostCounted)
	}
	return fmt.Sprintf("%s; runs before it that were missed: %d", message, missed)
}

// since is the time that runs are looked for after.
func (s Schedule) since() (from time.Time, known bool) {
	from = s.LastRun()
	switch {
	case from.IsZero():
		return s.Created, !s.ahead(s.Created)
	case s.Created.After(from) && !s.Created.After(s.Now):
		return s.Created, true
	}
	return from, true
}

// LastRun is the last run on record, zero if there is none.
func (s Schedule) LastRun() (last time.Time) {
	if !s.ahead(s.Last) {
		last = s.Last
	}
	for _, snapshot := range s.Snapshots {
		if snapshot.Due.After(last) && !s.ahead(snapshot.Due) {
			last = snapshot.Due
		}
	}
	return last
}

// ahead says that a time is that of a clock which has been set back since. A little ahead, the clock was only corrected.
func (s Schedule) ahead(t time.Time) bool { return t.After(s.Now.Add(skew)) }

// lastRun is the last run after from that is not after now, and the number of those before it. However long the time between them, it
// takes a bounded number of steps; then the number of runs is a lower bound.
func lastRun(next func(time.Time) time.Time, from, now time.Time) (due time.Time, missed int64, found bool) {
	over := func(t time.Time) bool { return !t.IsZero() && !t.After(now) }
	if due = next(from); !over(due) {
		return time.Time{}, 0, false
	}
	for missed < mostCounted {
		later := next(due)
		if !over(later) {
			return due.UTC(), missed, true
		}
		due = later
		missed++
	}
	early, late := due, now // a run is over after early, and none after late
	for late.Sub(early) > time.Second {
		middle := early.Add(late.Sub(early) / 2)
		if over(next(middle)) {
			early = middle
		} else {
			late = middle
		}
	}
	return next(early).UTC(), missed, true
}

// underway are the snapshots that are not done.
func (s Schedule) underway() (active []ScheduledSnapshot) {
	for _, snapshot := range s.Snapshots {
		if snapshot.active() {
			active = append(active, snapshot)
		}
	}
	return active
}

// NextRun is when the next snapshot is due, zero if none is.
func (s Schedule) NextRun() time.Time {
	if s.Next == nil || s.Suspended || s.Deleting {
		return time.Time{}
	}
	next := s.Next(s.Now)
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// patience is how long nothing happens by itself.
func (s Schedule) patience() time.Duration {
	left := glance
	for _, at := range []time.Time{s.NextRun(), s.nextDrill()} {
		if at.After(s.Now) {
			left = min(left, at.Sub(s.Now))
		}
	}
	return max(left, Settle)
}

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Milestone is something that a snapshot has reached.
type Milestone struct {
	Snapshot string
	At       time.Time
}

// ScheduleRecord is what is remembered of snapshots that may be gone.
type ScheduleRecord struct {
	Active   []string
	Success  Milestone // the newest complete one
	Verified Milestone // the newest one that a drill has found whole
	Failures int       // in a row since the last success
	Failure  string    // what the last of them said
}

// Record goes on from what was remembered.
func (s Schedule) Record(before ScheduleRecord) ScheduleRecord {
	after := ScheduleRecord{Success: before.Success, Verified: before.Verified}
	for _, a := range s.underway() {
		after.Active = append(after.Active, a.Name)
	}
	slices.Sort(after.Active)
	var since time.Time // by the clock of the API server
	if complete := s.Completed(); len(complete) > 0 {
		newest := complete[len(complete)-1]
		since = newest.Created
		after.Success = s.later(before.Success, Milestone{newest.Name, newest.EndedAt})
	}
	for _, snapshot := range s.Completed() {
		if snapshot.Drill.Outcome == DrillVerified {
			after.Verified = s.later(before.Verified, Milestone{snapshot.Name, snapshot.Drill.StartedAt})
		}
	}
	s.countFailures(before, &after, since)
	return after
}

// later keeps a milestone whose snapshot is gone, if it is the later one and not of a time to come.
func (s Schedule) later(before, now Milestone) Milestone {
	there := slices.ContainsFunc(s.Snapshots, func(o ScheduledSnapshot) bool { return o.Name == before.Snapshot && !o.going() })
	if !there && before.At.After(now.At) && !s.ahead(before.At) {
		return before
	}
	return now
}

// countFailures counts those that are there, and remembers those that have been deleted since. One that was replaced, or deleted by hand,
// before it was done is one more that has not succeeded.
func (s Schedule) countFailures(before ScheduleRecord, after *ScheduleRecord, since time.Time) {
	var last ScheduledSnapshot
	there, fresh := 0, 0
	for _, name := range before.Active {
		if !slices.ContainsFunc(s.Snapshots, func(o ScheduledSnapshot) bool { return o.Name == name }) {
			fresh++
			after.Failure = name + ": it was deleted before it was done"
		}
	}
	for _, snapshot := range s.Snapshots {
		if !snapshot.Failed || snapshot.Created.Before(since) {
			continue
		}
		there++
		if slices.Contains(before.Active, snapshot.Name) {
			fresh++
		}
		if last.Name == "" || cmp.Or(snapshot.Created.Compare(last.Created), snapshot.EndedAt.Compare(last.EndedAt)) > 0 {
			last = snapshot
		}
	}
	after.Failures = there
	if after.Success == before.Success {
		after.Failures = max(there, before.Failures+fresh)
		after.Failure = cmp.Or(after.Failure, before.Failure)
	}
	switch {
	case last.Name != "":
		after.Failure = last.Name + ": " + last.Message
	case after.Failures == 0:
		after.Failure = ""
	}
}

// Standing is how a schedule does, for its conditions.
type Standing struct {
	Outlook Outlook
	Reason  string
	Message string
}

// Standing tells, from what is remembered, whether there are snapshots as asked for.
func (s Schedule) Standing(record ScheduleRecord) Standing {
	drilled := s.lastDrill()
	switch {
	case s.Deleting:
		return Standing{Working, "Deleting", fmt.Sprintf("%d snapshots are to be deleted first", len(s.Snapshots))}
	case s.Problem != "":
		return Standing{Stuck, "InvalidSchedule", s.Problem}
	case !s.Suspended && s.NextRun().IsZero():
		return Standing{Stuck, "NeverDue", "spec.schedule names a time that never comes"}
	case s.Missing:
		return Standing{Waiting, "ClusterMissing", "there is no such EtcdCluster in this namespace: no snapshots are taken"}
	case record.Failures > 0:
		return Standing{Waiting, "SnapshotFailed", fmt.Sprintf("snapshots that failed since the last success: %d; the last one: %s",
			record.Failures, record.Failure)}
	case drilled.Drill.Outcome == DrillFailed:
		return Standing{Waiting, "VerificationFailed", "the last restore drill found other data than were saved in " + drilled.Name +
			": its condition Verified tells"}
	case s.Suspended:
		return Standing{Fulfilled, "Suspended", "no snapshots are taken: spec.suspend is true"}
	case s.Paused:
		return Standing{Fulfilled, "ClusterPaused", "no snapshots are taken while the cluster is paused"}
	case record.Success.Snapshot == "":
		return Standing{Fulfilled, "NoSnapshotYet", "no snapshot is done yet"}
	}
	return Standing{Fulfilled, "SnapshotComplete", "the last snapshot is complete: " + record.Success.Snapshot}
}

// lastDrill is the snapshot that was tried out last.
func (s Schedule) lastDrill() (last ScheduledSnapshot) {
	for _, snapshot := range s.Snapshots {
		conclusive := snapshot.Drill.Outcome == DrillVerified || snapshot.Drill.Outcome == DrillFailed
		if conclusive && snapshot.Drill.StartedAt.After(last.Drill.StartedAt) {
			last = snapshot
		}
	}
	return last
}

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Retention says which complete snapshots are kept: those that any of its rules keeps.
type Retention struct {
	KeepLast int           // 0 is no such rule
	KeepFor  time.Duration // 0 is no such rule
}

const (
	// failedKept is how many failed snapshots are kept for people to read. They store nothing.
	failedKept = 3
	// deletionPatience is how long a deletion may take before others go on: what is stored elsewhere may be out of reach for ever.
	deletionPatience = 5 * time.Minute
	// drillAgain is how soon a drill that could not be done is tried again.
	drillAgain = 10 * time.Minute
)

// retain deletes one snapshot that nothing keeps: the oldest.
func retain(s Schedule) (ScheduleDecision, bool) {
	if old, found := s.oldFailure(); found {
		return ScheduleDecision{Step: DropSnapshot{old.Name}, Reason: "SnapshotDeleted",
			Message: fmt.Sprintf("deleting %s, which failed: the last %d that failed are kept", old.Name, failedKept)}, true
	}
	for _, snapshot := range s.Snapshots {
		if snapshot.going() && snapshot.Condemned && s.Now.Sub(snapshot.Deleting) < deletionPatience {
			return ScheduleDecision{}, false
		}
	}
	if expired := s.Expired(); len(expired) > 0 {
		return doom(expired[0], s.Retention.String()), true
	}
	return ScheduleDecision{}, false
}

// String is the retention as the spec says it.
func (r Retention) String() string {
	var rules []string
	if r.KeepLast > 0 {
		rules = append(rules, fmt.Sprintf("keepLast %d", r.KeepLast))
	}
	if r.KeepFor > 0 {
		rules = append(rules, "keepFor "+r.KeepFor.String())
	}
	return "retention is " + strings.Join(rules, ", ")
}

// Expired are the complete snapshots that nothing keeps, the oldest first. One whose drill failed takes nobody's place.
func (s Schedule) Expired() (expired []ScheduledSnapshot) {
	if s.Retention == (Retention{}) {
		return nil
	}
	complete := s.Completed()
	always, kept := lastGoodOnes(complete), 0
	for _, snapshot := range slices.Backward(complete) {
		switch {
		case always[snapshot.Name], kept < s.Retention.KeepLast, s.young(snapshot):
			if snapshot.Drill.Outcome != DrillFailed {
				kept++
			}
		case !snapshot.Needed && !snapshot.Drill.Pending:
			expired = append(expired, snapshot)
		}
	}
	slices.Reverse(expired)
	return expired
}

// lastGoodOnes are kept whatever the rules say: the newest, the newest whose drill has not failed, and the newest that is verified.
func lastGoodOnes(complete []ScheduledSnapshot) map[string]bool {
	always := map[string]bool{}
	whole, verified := false, false
	for _, snapshot := range slices.Backward(complete) {
		outcome := snapshot.Drill.Outcome
		always[snapshot.Name] = len(always) == 0 || outcome != DrillFailed && !whole || outcome == DrillVerified && !verified
		whole = whole || outcome != DrillFailed
		verified = verified || outcome == DrillVerified
	}
	return always
}

// young says that keepFor keeps a snapshot. Its age has to be so by the clock of the API server too, as the snapshots made since tell:
// a clock that runs ahead alone deletes nothing. While the schedule is suspended none are made, and the operator's clock has to do.
func (s Schedule) young(snapshot ScheduledSnapshot) bool {
	if s.Retention.KeepFor == 0 {
		return false
	}
	if s.Now.Sub(snapshot.EndedAt) < s.Retention.KeepFor {
		return true
	}
	if s.Suspended {
		return false
	}
	var last time.Time
	for _, other := range s.Snapshots {
		if other.Created.After(last) {
			last = other.Created
		}
	}
	return last.Sub(snapshot.Created) < s.Retention.KeepFor
}

// Completed are the complete snapshots that are not about to go, the oldest first. Within one life of a cluster etcd's revision
// tells the order, which no clock and no name can get wrong; else, and where nothing was written in between, the recorded time does.
func (s Schedule) Completed() (complete []ScheduledSnapshot) {
	lives := map[string]time.Time{} // by cluster ID, when the last one was complete
	for _, snapshot := range s.Snapshots {
		if !snapshot.Complete || snapshot.going() {
			continue
		}
		complete = append(complete, snapshot)
		if last := lives[snapshot.ClusterID]; snapshot.EndedAt.After(last) {
			lives[snapshot.ClusterID] = snapshot.EndedAt
		}
	}
	slices.SortFunc(complete, func(a, b ScheduledSnapshot) int {
		if a.ClusterID != b.ClusterID {
			return cmp.Or(lives[a.ClusterID].Compare(lives[b.ClusterID]), cmp.Compare(a.ClusterID, b.ClusterID))
		}
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), a.EndedAt.Compare(b.EndedAt), a.Created.Compare(b.Created),
			cmp.Compare(a.Name, b.Name))
	})
	return complete
}

// oldFailure is the oldest failed snapshot, if there are too many.
func (s Schedule) oldFailure() (ScheduledSnapshot, bool) {
	var failed []ScheduledSnapshot
	for _, snapshot := range s.Snapshots {
		if snapshot.Failed && !snapshot.going() {
			failed = append(failed, snapshot)
		}
	}
	if len(failed) <= failedKept {
		return ScheduledSnapshot{}, false
	}
	return slices.MinFunc(failed, func(a, b ScheduledSnapshot) int {
		return cmp.Or(a.Created.Compare(b.Created), a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.Name, b.Name))
	}), true
}

// drillNewest asks for a drill of the newest snapshot when the last one was long ago.
func drillNewest(s Schedule) (ScheduleDecision, bool) {
	at := s.nextDrill()
	if at.IsZero() || at.After(s.Now) {
		return ScheduleDecision{}, false
	}
	complete := s.Completed()
	newest := complete[len(complete)-1]
	if newest.Drill.Outcome == DrillVerified && len(s.underway()) > 0 {
		return ScheduleDecision{}, false // a newer one is on its way, and of this one it is known
	}
	return ScheduleDecision{Step: AskForDrill{newest.Name}, Reason: "DrillRequested",
		Message: fmt.Sprintf("asking for a restore drill of %s: verify.period is %s", newest.Name, s.DrillPeriod)}, true
}

// nextDrill is when the next drill is due, zero if none is: while there is nothing to try out, and while one runs.
func (s Schedule) nextDrill() time.Time {
	if s.DrillPeriod == 0 || s.Deleting || len(s.Completed()) == 0 {
		return time.Time{}
	}
	var last Drill
	for _, snapshot := range s.Snapshots {
		if snapshot.going() {
			continue
		}
		if snapshot.Drill.Pending {
			return time.Time{}
		}
		if at := snapshot.Drill.StartedAt; at.After(last.StartedAt) && !s.ahead(at) {
			last = snapshot.Drill
		}
	}
	switch last.Outcome {
	case "":
		return s.Now
	case DrillInconclusive:
		return last.StartedAt.Add(min(s.DrillPeriod, drillAgain))
	default:
		return last.StartedAt.Add(s.DrillPeriod)
	}
}

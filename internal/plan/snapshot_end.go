package plan

import "fmt"

const wayOut = "to keep it and let the EtcdSnapshot go, set deletionPolicy to Retain"

// interruptTries stops what is at work for an EtcdSnapshot that goes, and waits until nothing can be stored any more.
func interruptTries(s Snapshot) (SnapshotDecision, bool) {
	if !s.Deleting {
		return SnapshotDecision{}, false
	}
	for _, tries := range [][]Try{s.Saves, s.Drills} {
		for _, t := range tries {
			if t.State != TryRunning && !t.Lingers && !t.Going {
				continue
			}
			d := s.say(Working, "Deleting", fmt.Sprintf("Job %s is being stopped", t.Job), SnapshotWatch)
			if !t.Going {
				d.Step = DropJob{t.Job}
			}
			return d, true
		}
	}
	return SnapshotDecision{}, false
}

// eraseStored lets an EtcdSnapshot go once nothing is stored for it. A try that failed may have left something. The end of a namespace is
// not held up: what is stored then stays.
func eraseStored(s Snapshot) (SnapshotDecision, bool) {
	if !s.Deleting {
		return SnapshotDecision{}, false
	}
	t := lastOf(s.Deletes)
	switch {
	case s.begun() == 0, s.Ending:
		return s.do(ReleaseSnapshot{}), true
	case t == nil:
		return s.erase(1), true
	case t.State == TryRunning:
		return s.erasing(*t), true
	case t.State == TrySucceeded, t.Foreign:
		d := s.do(ReleaseSnapshot{})
		d.Done = t
		return d, true
	case len(s.Deletes) > 1 && !s.Deletes[0].Going:
		return s.do(DropJob{s.Deletes[0].Job}), true
	}
	message := fmt.Sprintf("what is stored could not be deleted: %s; %s", t.Message, wayOut)
	if t.Final {
		return s.say(Stuck, t.Reason, message, 0), true
	}
	d := s.say(Waiting, t.Reason, message, 0)
	if wait := t.Ended.Add(breakAfter(t.Number)).Sub(s.Now); wait > 0 {
		d.Recheck = min(wait, longestBreak)
		return d, true
	}
	return s.erase(t.Number + 1), true
}

func (s Snapshot) erase(number int) SnapshotDecision {
	if s.Store.Reason != "" {
		return s.say(Waiting, s.Store.Reason, fmt.Sprintf("what is stored cannot be deleted: %s; %s", s.Store.Message, wayOut),
			SnapshotAgain)
	}
	d := s.run(DeleteAgent, number, "")
	d.Reason, d.Message = "Deleting", "what is stored is being deleted"
	return d
}

func (s Snapshot) erasing(t Try) SnapshotDecision {
	d := s.say(Working, "Deleting", fmt.Sprintf("what is stored is being deleted in Job %s", t.Job), SnapshotWatch)
	if t.Message != "" {
		d.Message += ", which waits: " + t.Message
	}
	if t.Outdated && !t.Going {
		d.Step = DropJob{t.Job}
	}
	return d
}

// drillSnapshot answers a request for a drill. What is wrong with the stored snapshot is found out once; what may be wrong with the way
// there is tried again.
func drillSnapshot(s Snapshot) (SnapshotDecision, bool) {
	if s.Record.Phase != SnapshotComplete || s.Request == "" || s.Request == s.Record.Answered {
		return SnapshotDecision{}, false
	}
	var mine []Try
	for _, t := range s.Drills {
		switch {
		case t.Request == s.Request:
			mine = append(mine, t)
		case !t.Going:
			return s.do(DropJob{t.Job}), true // an earlier request, which nobody waits for any more
		}
	}
	t := lastOf(mine)
	switch {
	case t == nil:
		return s.drill(1), true
	case t.State == TryRunning:
		d := s.say(Fulfilled, "", "", SnapshotWatch)
		if t.Outdated && !t.Going {
			d.Step = DropJob{t.Job}
		}
		return d, true
	}
	return s.judge(t), true
}

// judge decides what a drill that has ended tells of the snapshot.
func (s Snapshot) judge(t *Try) SnapshotDecision {
	switch {
	case t.State == TrySucceeded:
		return s.verdict(DrillVerified, t)
	case t.Damning:
		return s.verdict(DrillFailed, t)
	case t.Final || t.Number >= mostDrills:
		return s.verdict(DrillInconclusive, t)
	}
	if wait := t.Ended.Add(breakAfter(t.Number)).Sub(s.Now); wait > 0 {
		return s.say(Fulfilled, "", "", min(wait, longestBreak))
	}
	return s.drill(t.Number + 1)
}

func (s Snapshot) drill(number int) SnapshotDecision {
	if s.Store.Reason != "" {
		return s.verdict(DrillInconclusive, &Try{Number: number, Reason: s.Store.Reason, Message: s.Store.Message, Ended: s.Now})
	}
	return s.run(DrillAgent, number, s.Request)
}

func (s Snapshot) verdict(outcome DrillOutcome, t *Try) SnapshotDecision {
	d := s.say(Fulfilled, "", "", SnapshotWatch)
	d.Record.Answered, d.Drill, d.Done = s.Request, outcome, t
	return d
}

// tidyDrills keeps the last Job of the last drill for its log.
func tidyDrills(s Snapshot) (SnapshotDecision, bool) {
	if len(s.Drills) < 2 || s.Drills[0].Going {
		return SnapshotDecision{}, false
	}
	return s.do(DropJob{s.Drills[0].Job}), true
}

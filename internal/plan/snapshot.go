package plan

import (
	"fmt"
	"time"
)

// How long is waited for what concerns a snapshot.
const (
	// SnapshotWatch is the distance of looks at an agent that works.
	SnapshotWatch = 2 * time.Second
	// SnapshotAgain is the distance of looks for what is missing.
	SnapshotAgain = 3 * time.Second

	firstBreak   = 5 * time.Second // after the first try that failed; it doubles
	longestBreak = time.Minute
	mostDrills   = 3 // tries for one request
)

// SnapshotPhase is how far a snapshot is, as in package v1alpha2.
type SnapshotPhase string

// Phases of a snapshot.
const (
	SnapshotPending  SnapshotPhase = "Pending"
	SnapshotStarted  SnapshotPhase = "Started"
	SnapshotComplete SnapshotPhase = "Complete"
	SnapshotFailed   SnapshotPhase = "Failed"
)

// AgentKind is what an agent is to do, as in package task.
type AgentKind string

// Kinds of agents that a snapshot may need.
const (
	SaveAgent   AgentKind = "save"
	DeleteAgent AgentKind = "delete"
	DrillAgent  AgentKind = "drill"
)

// TryState is what has become of a try.
type TryState int

// States of a try.
const (
	TryRunning TryState = iota
	TrySucceeded
	TryFailed
)

// Try is the work of one agent, in a Job of its own.
type Try struct {
	Job     string
	Number  int
	Request string // that a drill answers
	State   TryState
	// Lingers: its Pod may still be at work, whatever the state. Going: the Job is being deleted.
	Lingers, Going bool
	// Outdated: it waits for an object that the agent would not be given any more.
	Outdated bool
	// Reason and Message say why it failed, or what it waits for.
	Reason, Message string
	Final           bool // it failed, and so would any other
	Foreign         bool // it failed because what is stored is somebody else's
	Damning         bool // it failed because of what is stored
	Ended           time.Time
}

// Obstacle is what an agent lacks; none if the reason is empty.
type Obstacle struct{ Reason, Message string }

// SnapshotRecord is what is remembered of a snapshot.
type SnapshotRecord struct {
	Phase    SnapshotPhase
	Attempts int       // tries begun
	Ended    time.Time // when the last one failed; zero while it is at work
	Answered string    // the last request for a drill that has a verdict
}

// Final says that the snapshot itself is over.
func (r SnapshotRecord) Final() bool { return r.Phase == SnapshotComplete || r.Phase == SnapshotFailed }

// Snapshot is everything that the next step for an EtcdSnapshot may depend on.
type Snapshot struct {
	Now, Created   time.Time
	Deadline       time.Duration // since it was created
	Deleting, Held bool          // it is being deleted; it is held until what it stored is
	DeleteStored   bool          // what it stored is not to outlive it
	Ending         bool          // its namespace is ending: no agent can begin any more
	Record         SnapshotRecord
	// Saves, Deletes and Drills are the tries whose Jobs are there, by number.
	Saves, Deletes, Drills []Try
	Cluster, Store         Obstacle
	Request                string // for a drill
}

// SnapshotStep is one write for a snapshot. Steps are comparable.
//
//sumtype:decl
type SnapshotStep interface{ snapshotStep() }

type (
	// HoldSnapshot keeps the EtcdSnapshot from going before what it stored is deleted.
	HoldSnapshot struct{}
	// ReleaseSnapshot lets it go.
	ReleaseSnapshot struct{}
	// RunAgent makes the Job of a try.
	RunAgent struct {
		Kind    AgentKind
		Number  int
		Request string
	}
	// DropJob deletes the Job of a try, and whatever runs in it.
	DropJob struct{ Job string }
)

func (Nothing) snapshotStep()         {}
func (HoldSnapshot) snapshotStep()    {}
func (ReleaseSnapshot) snapshotStep() {}
func (RunAgent) snapshotStep()        {}
func (DropJob) snapshotStep()         {}

// SnapshotDecision is the step to take and what is said.
type SnapshotDecision struct {
	Step    SnapshotStep
	Rule    string         // the rule that decided
	Record  SnapshotRecord // as it is to be once the step is taken
	Outlook Outlook
	// Reason and Message are for people. Without a reason what was said goes on to hold.
	Reason, Message string
	Failed          *Try // the try that is seen to have failed for the first time
	Done            *Try // the try whose success decided
	Drill           DrillOutcome
	// Recheck is how long to wait before looking again even if nothing changes. Zero: no need to.
	Recheck time.Duration
}

type snapshotRule struct {
	name   string
	decide func(Snapshot) (SnapshotDecision, bool)
}

// snapshotRules are tried in order and the first that answers decides. Holding comes before the first try, so that nothing is stored
// that nobody would delete.
var snapshotRules = []snapshotRule{
	{"hold", holdSnapshot},
	{"interrupt", interruptTries},
	{"erase", eraseStored},
	{"drill", drillSnapshot},
	{"tidy-drills", tidyDrills},
	{"tidy", tidySaves},
	{"over", snapshotOver},
	{"running", saveRunning},
	{"succeeded", saveSucceeded},
	{"failed", saveFailed},
	{"too-late", saveTooLate},
	{"break", saveBreak},
	{"obstacle", saveObstacle},
}

// NextSnapshot decides.
func NextSnapshot(s Snapshot) SnapshotDecision {
	for _, r := range snapshotRules {
		if d, ok := r.decide(s); ok {
			d.Rule = r.name
			return d
		}
	}
	d := s.run(SaveAgent, s.begun()+1, "")
	d.Rule, d.Reason, d.Message = "begin", "Saving", fmt.Sprintf("try %d begins", s.begun()+1)
	d.Record = SnapshotRecord{Phase: SnapshotStarted, Attempts: s.begun() + 1, Answered: s.Record.Answered}
	return d
}

// say leaves the world and the record as they are.
func (s Snapshot) say(outlook Outlook, reason, message string, recheck time.Duration) SnapshotDecision {
	record := s.Record
	if record.Phase == "" {
		record.Phase = SnapshotPending
	}
	return SnapshotDecision{Step: Nothing{}, Record: record, Outlook: outlook, Reason: reason, Message: message, Recheck: recheck}
}

func (s Snapshot) do(step SnapshotStep) SnapshotDecision {
	d := s.say(Working, "", "", SnapshotWatch)
	d.Step = step
	return d
}

func (s Snapshot) run(kind AgentKind, number int, request string) SnapshotDecision {
	return s.do(RunAgent{Kind: kind, Number: number, Request: request})
}

// begun counts the tries to save. One whose Job is there counts also when a crash kept it off the record.
func (s Snapshot) begun() int {
	if last := lastOf(s.Saves); last != nil {
		return max(last.Number, s.Record.Attempts)
	}
	return s.Record.Attempts
}

func lastOf(tries []Try) *Try {
	if len(tries) == 0 {
		return nil
	}
	return &tries[len(tries)-1]
}

// breakAfter is the time between a try that failed and the next one.
func breakAfter(number int) time.Duration {
	wait := firstBreak
	for range number - 1 {
		if wait *= 2; wait >= longestBreak {
			return longestBreak
		}
	}
	return wait
}

func holdSnapshot(s Snapshot) (SnapshotDecision, bool) {
	switch {
	case s.Deleting && !s.Held:
		return s.say(Working, "", "", 0), true
	case s.Held && !s.DeleteStored:
		return s.do(ReleaseSnapshot{}), true
	case s.DeleteStored && !s.Held:
		return s.do(HoldSnapshot{}), true
	}
	return SnapshotDecision{}, false
}

// tidySaves keeps, of the tries that failed, the last one for its log.
func tidySaves(s Snapshot) (SnapshotDecision, bool) {
	var failed []Try
	for _, t := range s.Saves {
		if t.State == TryFailed && !t.Going {
			failed = append(failed, t)
		}
	}
	if len(failed) < 2 {
		return SnapshotDecision{}, false
	}
	return s.do(DropJob{failed[0].Job}), true
}

func snapshotOver(s Snapshot) (SnapshotDecision, bool) {
	outlook := Fulfilled
	if s.Record.Phase == SnapshotFailed {
		outlook = Stuck
	}
	return s.say(outlook, "", "", 0), s.Record.Final()
}

// current is the last try to save, nil if its Job is gone or none was begun.
func (s Snapshot) current() *Try {
	if last := lastOf(s.Saves); last != nil && last.Number >= s.Record.Attempts {
		return last
	}
	return nil
}

func saveRunning(s Snapshot) (SnapshotDecision, bool) {
	t := s.current()
	if t == nil || t.State != TryRunning {
		return SnapshotDecision{}, false
	}
	d := s.say(Working, "Saving", fmt.Sprintf("try %d is at work in Job %s", t.Number, t.Job), SnapshotWatch)
	d.Record = SnapshotRecord{Phase: SnapshotStarted, Attempts: t.Number, Answered: s.Record.Answered}
	if t.Message != "" {
		d.Message = fmt.Sprintf("try %d waits in Job %s: %s", t.Number, t.Job, t.Message)
	}
	if t.Outdated && !t.Going {
		d.Step = DropJob{t.Job}
	}
	return d, true
}

func saveSucceeded(s Snapshot) (SnapshotDecision, bool) {
	t := s.current()
	if t == nil || t.State != TrySucceeded {
		return SnapshotDecision{}, false
	}
	d := s.say(Fulfilled, "Complete", t.Message, 0)
	d.Record = SnapshotRecord{Phase: SnapshotComplete, Attempts: t.Number, Answered: s.Record.Answered}
	d.Done = t
	return d, true
}

// saveFailed puts on record that a try has failed. A try whose Job is gone has, too.
func saveFailed(s Snapshot) (SnapshotDecision, bool) {
	if s.begun() == 0 || !s.Record.Ended.IsZero() && s.Record.Attempts == s.begun() {
		return SnapshotDecision{}, false
	}
	t := s.current()
	if t == nil {
		t = &Try{Number: s.begun(), State: TryFailed, Reason: "Interrupted", Message: "its Job was deleted", Ended: s.Now}
	}
	d := s.say(Waiting, t.Reason, "", SnapshotWatch)
	d.Record = SnapshotRecord{Phase: SnapshotStarted, Attempts: t.Number, Ended: t.Ended, Answered: s.Record.Answered}
	if t.Ended.IsZero() || t.Ended.After(s.Now) {
		d.Record.Ended = s.Now
	}
	d.Failed = t
	d.Message = fmt.Sprintf("try %d failed: %s; the next one begins %s later", t.Number, t.Message, breakAfter(t.Number))
	if t.Final {
		d.Outlook, d.Record.Phase, d.Recheck = Stuck, SnapshotFailed, 0
		d.Message = fmt.Sprintf("try %d failed, and another one would, too: %s", t.Number, t.Message)
	}
	return d, true
}

// next is when the next try may begin.
func (s Snapshot) next() time.Time {
	if s.Record.Ended.IsZero() {
		return s.Now
	}
	return s.Record.Ended.Add(breakAfter(s.begun()))
}

// saveTooLate gives up once no time is left for another try.
func saveTooLate(s Snapshot) (SnapshotDecision, bool) {
	if s.next().Before(s.Created.Add(s.Deadline)) {
		return SnapshotDecision{}, false
	}
	why := "nothing was waited for"
	switch t := s.current(); {
	case t != nil:
		why = fmt.Sprintf("try %d failed: %s: %s", t.Number, t.Reason, t.Message)
	case s.begun() > 0:
		why = fmt.Sprintf("%d tries failed", s.begun())
	case s.Cluster.Reason != "":
		why = s.Cluster.Message
	case s.Store.Reason != "":
		why = s.Store.Message
	}
	d := s.say(Stuck, "DeadlineExceeded", fmt.Sprintf("not done within %s: %s", s.Deadline, why), 0)
	d.Record.Phase = SnapshotFailed
	return d, true
}

func saveBreak(s Snapshot) (SnapshotDecision, bool) {
	wait := s.next().Sub(s.Now)
	return s.say(Waiting, "", "", wait), wait > 0
}

func saveObstacle(s Snapshot) (SnapshotDecision, bool) {
	missing := s.Cluster
	if missing.Reason == "" {
		missing = s.Store
	}
	left := s.Created.Add(s.Deadline).Sub(s.Now)
	return s.say(Waiting, missing.Reason, missing.Message, min(SnapshotAgain, left)), missing.Reason != ""
}

package plan

import (
	"fmt"
	"time"
)

// Trial is what starting etcd as the spec asks for, alone and on no data, came to.
type Trial int

// Trials.
const (
	// Untried: it is not known yet.
	Untried Trial = iota
	// Passed: etcd served.
	Passed
	// RefusedByEtcd: etcd does not start so. Another try would come out the same.
	RefusedByEtcd
	// Prevented: it could not be tried out, for reasons that may pass by themselves.
	Prevented
)

// Rehearsal is what is known of the template that the spec asks for, as far as etcd may refuse it.
type Rehearsal struct {
	Due     bool   // it is to be tried out before members are given it; nothing else speaks against it
	Version string // that it asks for

	Result  Trial // on record, for this template
	Message string
	Ago     time.Duration // since when

	Pod RehearsalPod

	Apart string // why its timers do not go with those that members have; empty if they do
}

// RehearsalPod is the Pod in which it is tried out.
type RehearsalPod struct {
	Exists   bool
	Going    bool // it is being deleted
	Current  bool // it was made for this template
	Void     bool // its node has ended it
	Result   Trial
	Message  string
	Obstacle string // what keeps it from starting, in the kubelet's words
	Unplaced string // why no node takes it, in the scheduler's
	Repelled bool   // members may keep it off their nodes, which might take a member all the same
	Age      time.Duration
}

const (
	// pullPatience is how long the image may be out of reach before that is the result.
	pullPatience = 20 * time.Second
	// placePatience is how long a node may be looked for where members keep others off theirs. Then the first of them finds out.
	placePatience = 20 * time.Second
	// preventedAgain is after how long something that was prevented is tried again.
	preventedAgain = 5 * time.Minute
	// rehearsalHolds is how long a rehearsal holds up restarts, so that no member is restarted for what will be changed again at once.
	rehearsalHolds = 30 * time.Second
)

const rehearsing, rehearsalFailed = "Rehearsing", "RehearsalFailed"

// settled says whether there is nothing more to try.
func (r Rehearsal) settled() bool {
	return !r.Due || r.Result == Passed || r.Result == RefusedByEtcd || r.Result == Prevented && r.Ago < preventedAgain
}

// outcome is what the Pod came to.
func (p RehearsalPod) outcome() (Trial, string) {
	if p.Result == Untried && p.Obstacle != "" && p.Age >= pullPatience {
		return Prevented, p.Obstacle
	}
	if p.Result == Untried && p.Unplaced != "" && p.Repelled && p.Age >= placePatience {
		return Passed, "it was not tried out, because no node takes the Pod: " + p.Unplaced
	}
	return p.Result, p.Message
}

// rehearse takes the steps of a rehearsal, beside whatever else is done. Restarts wait for it, nothing else does.
func rehearse(c Cluster) (Decision, bool) {
	r := c.Rehearsal
	what := fmt.Sprintf("etcd %s with the options of the spec", r.Version)
	result, why := r.Pod.outcome()
	switch {
	case r.Pod.Going, r.settled() && !r.Pod.Exists:
		return silent()
	case r.settled(), r.Pod.Exists && (!r.Pod.Current || r.Pod.Void):
		return step(EndRehearsal{}, rehearsing, "deleting the Pod in which etcd was tried out")
	case !r.Pod.Exists:
		return step(Rehearse{}, rehearsing, "trying out "+what+", before any member is touched")
	}
	switch result {
	case Untried:
		return silent()
	case Passed:
		return step(RecordRehearsal{Result: result, Message: why}, "RehearsalPassed", served(what, why))
	default:
		return step(RecordRehearsal{Result: result, Message: why}, rehearsing, what+" was tried out: "+why)
	}
}

// served says that etcd does, or why nobody knows.
func served(what, unknown string) string {
	if unknown != "" {
		return what + ": " + unknown
	}
	return what + " starts and serves"
}

// awaitVerdict holds up restarts while a rehearsal runs, though not for long: there may be others than those that it is about.
func awaitVerdict(c Cluster) (Decision, bool) {
	if c.Rehearsal.settled() || c.Rehearsal.Pod.Age >= rehearsalHolds {
		return silent()
	}
	return awaitRehearsal(c)
}

// awaitRehearsal comes last: what is refused keeps nothing else from being done.
func awaitRehearsal(c Cluster) (Decision, bool) {
	r := c.Rehearsal
	told := fmt.Sprintf("etcd %s with the options of the spec was tried out, and no member was touched: %s", r.Version, r.Message)
	switch {
	case r.Apart != "":
		return stuck("TimersTooFarApart", r.Apart)
	case !r.Due, r.Result == Passed:
		return silent()
	case r.Result == RefusedByEtcd:
		return stuck(rehearsalFailed, told)
	case r.Result == Prevented:
		return stuck(rehearsalFailed, fmt.Sprintf("%s; it is tried again every %s", told, preventedAgain))
	}
	message := fmt.Sprintf("waiting for the Pod in which etcd %s is tried out with the options of the spec", r.Version)
	switch {
	case r.Pod.Unplaced != "":
		message += ": no node takes it: " + r.Pod.Unplaced
	case r.Pod.Obstacle != "":
		message += ": " + r.Pod.Obstacle
	}
	return wait(rehearsing, message, retry)
}

package plan

import (
	"fmt"
	"time"
)

// Timers are how often a leader is heard, and after which silence it is replaced.
type Timers struct {
	Of                  string // member that has them
	Heartbeat, Election time.Duration
}

const (
	farthestTimers = 5 // a factor
	fewestBeats    = 3 // heartbeats of one member within the election timeout of another
)

// TimersApart says why members with the timers that are wanted cannot be beside one of those that are there, empty if they can:
// followers with a short timeout hold elections against a leader that is heard seldom.
func TimersApart(wanted Timers, there []Timers) string {
	for _, have := range there {
		if why := wanted.apart(have); why != "" {
			return fmt.Sprintf("%s has heartbeats every %s and elections after %s, the spec asks for %s and %s: %s; go there in steps",
				have.Of, have.Heartbeat, have.Election, wanted.Heartbeat, wanted.Election, why)
		}
	}
	return ""
}

func (t Timers) apart(other Timers) string {
	far := func(a, b time.Duration) bool { return a > farthestTimers*b || b > farthestTimers*a }
	switch {
	case far(t.Heartbeat, other.Heartbeat) || far(t.Election, other.Election):
		return fmt.Sprintf("that is more than a factor of %d at a time", farthestTimers)
	case t.Election < fewestBeats*other.Heartbeat || other.Election < fewestBeats*t.Heartbeat:
		return fmt.Sprintf("the shorter timeout is less than %d of the longer heartbeat intervals", fewestBeats)
	}
	return ""
}

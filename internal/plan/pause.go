package plan

import "fmt"

func isAwake(m Member) bool { return !m.Dormant && !m.Confirmed }

func pause(c Cluster) (Decision, bool) {
	switch {
	case c.Want != 0, len(c.Members) == 0: // nothing to park; where members should be, others say so
		return silent()
	case c.Memory:
		return stuck("CannotPause", "stopping the Pods of a cluster in memory would lose its data: set replicas above 0")
	}
	awake := c.where(isAwake)
	for _, m := range awake {
		if !m.Leader {
			return step(Park{m.Name}, "Pausing", fmt.Sprintf("parking %s", m.Name))
		}
	}
	running := c.where(func(m Member) bool { return m.Dormant && !m.Stopping })
	stopping := c.where(func(m Member) bool { return m.Dormant && !m.Stopped })
	switch {
	case len(awake) > 0 && len(running) > 0:
		return wait("Pausing", fmt.Sprintf("waiting for the Pods of parked members to be told to stop: %s", names(running)), soon)
	case len(awake) > 0:
		return step(Park{awake[0].Name}, "Pausing", fmt.Sprintf("parking %s, the leader, last", awake[0].Name))
	case len(stopping) > 0:
		return wait("Pausing", fmt.Sprintf("waiting for the Pods of parked members to end: %s", names(stopping)), retry)
	}
	return Decision{Step: Nothing{}, Outlook: Fulfilled, Reason: "Paused", Recheck: rest,
		Message: fmt.Sprintf("paused: %d members are parked with their volumes; replicas above 0 resumes them", c.count(isStaying))}, true
}

func resume(c Cluster) (Decision, bool) {
	m, ok := c.first(func(m Member) bool { return m.Dormant && !m.Confirmed })
	if !ok {
		return silent()
	}
	return step(Wake{m.Name}, "Resuming", fmt.Sprintf("waking %s", m.Name))
}

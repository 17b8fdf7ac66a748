package plan

import "time"

// observe is what the operator would see. It fills c.Members in place.
func (w *world) observe(c *Cluster) {
	members, objects := c.Members[:0], c.Objects[:0]
	*c = Cluster{
		Want: w.want, Manual: w.manual, Memory: w.memory, Listed: w.answers(), OrdinalsRecorded: true, Deadline: rest,
		Rollout: w.rollout(),
		Objects: append(objects, Object{ClientService, w.opened, w.opened}),
	}
	if w.formed {
		c.ClusterID = cluster
	}
	if w.answers() {
		c.SeenID = cluster
	}
	if w.orphans {
		c.Orphans = []Orphan{{Volume: "data-a", Member: "a"}}
	}
	if w.overdue {
		c.Idle = time.Hour
	}
	if c.MaxPerHour = room; w.spent {
		c.MaxPerHour = 0
	}
	for i := range w.founders {
		c.Founders = append(c.Founders, nameable[i:i+1])
	}
	for i := range w.n {
		if w.members[i].orphan {
			w.seeOrphan(c, i)
			continue
		}
		members = append(members, w.see(i))
	}
	c.Members = members
	if s, ok := strangers[w.stranger]; ok && w.answers() {
		c.Strangers = append(c.Strangers, s)
	}
}

func (w *world) seeOrphan(c *Cluster, i int) {
	t, name := w.members[i], nameable[i:i+1]
	there := !t.lost && !t.aside
	if there {
		c.Orphans = append(c.Orphans, Orphan{Volume: volumeOf + name, Member: name, Voter: t.remembered})
	}
	if w.answers() && t.role != Unlisted {
		c.Strangers = append(c.Strangers, Stranger{
			ID: uint64(i + 1), Name: name, PeerURL: "http://" + name, Member: name, Learner: t.role == Learner, Remains: there,
		})
	}
}

var strangers = map[foreign]Stranger{
	unstarted:     {ID: 0xee, PeerURL: "http://x:2380", Member: "x", Learner: true},
	foreignVoter:  {ID: 0xee, PeerURL: "http://y:2380", Name: "y"},
	foreignMember: {ID: 0xee, PeerURL: "http://y:2380", Learner: true},
}

func (w *world) see(i int) Member {
	t := w.members[i]
	m := Member{
		Name: nameable[i : i+1], ID: uint64(i + 1), Role: t.role, Founder: t.founder, Admitted: t.admitted, Recorded: t.recorded, Votes: t.votes,
		Starting: t.process == starting, Dormant: t.dormant, Stopping: t.process == noPod, Stopped: t.process == noPod,
		Down:    t.process == noPod || t.process == down,
		Leaving: t.leaving, Confirmed: t.confirmed,
		Gone: t.gone, Lost: t.lost, Hopeless: t.lost, Broken: t.broken || t.lost,
		Condemned: t.condemned, Remembered: t.remembered,
	}
	if t.lost {
		m.Loss = "DataLost"
	}
	w.seeTemplate(&m, t)
	if !w.answers() {
		m.Role = Unlisted // records know only voters
		if t.votes || t.founder {
			m.Role = Voter
		}
	}
	m.Answered = t.process == up && t.role != Unlisted
	m.Healthy = m.Answered && (w.answers() || t.role == Learner)
	m.Ready = m.Healthy && t.ready && t.role == Voter
	m.Leader = m.Healthy && w.leader == i
	m.CaughtUp = t.caughtUp && t.role == Learner
	if t.lost || t.broken || t.process == down || t.process == hidden {
		m.Trouble = "ill"
	}
	return m
}

func (w *world) rollout() Rollout {
	r := Rollout{Known: w.known != unknown, Trying: w.known != unknown && w.target() != w.known}
	if w.failed {
		r.Failed = "a"
	}
	given := map[template]bool{}
	for i := range w.n {
		if !w.members[i].orphan {
			given[w.members[i].given] = true
		}
	}
	r.Unrecorded = len(given) == 1 && !given[w.known]
	return r
}

func (w *world) seeTemplate(m *Member, t truth) {
	target := w.target()
	switch {
	case t.given == target:
	case w.renews || w.memory:
		m.Outdated = "medium"
	default:
		m.Behind = "options"
	}
	m.Stale = isStale(t) && !w.memory
	m.Proven, m.Trial = t.given == w.known, w.known != unknown && target != w.known && t.given == target
	m.Up = rest
	if t.process == down || w.overdue && t.process == starting {
		m.Away = time.Hour
	}
}

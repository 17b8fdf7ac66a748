package plan

import "testing"

// life is one member in a world that does not obey: Pods and volumes go at any time, the operator forgets.
type life struct {
	founder, memory       bool
	recorded, grantUsed   bool
	grantPod, grantVolume int
	volume, volumes       int // number of the volume that is there, and how many there were
	data, begun           bool
	pod, pods, onVolume   int
	held, granted         bool
	scheduled, ended      bool
	unscheduled           int // Pod that the operator saw go before it was scheduled
	emptyStarts           int
	late                  bool // an empty start of a recorded member, or a second one of a founder
	counted               bool // it was recorded once: its vote counts, also when its EtcdMember is gone
	member                int  // how often its EtcdMember was created again
	volumeOf, podOf       int  // which EtcdMember they were made for
}

func (l life) part() Part {
	volume := l.volume
	if l.memory {
		volume = l.grantPod
	}
	return Part{
		Wanted: true, Admitted: true, Founder: l.founder, Memory: l.memory, Recorded: l.recorded, GrantUsed: l.grantUsed,
		Adopted:      l.member > 0,
		NeverStarted: l.grantPod != 0 && l.unscheduled == l.grantPod,
		Volume: PartVolume{
			Exists: l.volume != 0, Ours: true, Labelled: true, Fresh: l.volumeOf == l.member, Known: volume == l.grantVolume,
		},
		Pod: PartPod{
			Exists: l.pod != 0, Ours: l.podOf == l.member, Left: l.podOf != l.member, Ended: l.ended, Held: l.held,
			Granted: l.granted, Labelled: true,
			Charged: l.grantUsed && l.pod == l.grantPod, OnVolume: l.memory || l.onVolume == l.volume,
		},
	}
}

// operate takes the operator's step.
func (l life) operate() life {
	switch Realize(l.part()).Step {
	case CreateVolume:
		l.volumes++
		l.volume, l.volumeOf, l.data = l.volumes, l.member, false
	case CreatePod, CreateGrantedPod:
		granted := Realize(l.part()).Step == CreateGrantedPod
		l.pods++
		l.pod, l.podOf, l.onVolume, l.held, l.granted = l.pods, l.member, l.volume, granted, granted
		if l.memory {
			l.onVolume, l.data = l.pod, false
		}
	case UseGrant:
		l.grantUsed, l.grantPod, l.grantVolume = true, l.pod, l.onVolume
	case ReopenGrant:
		l.grantUsed, l.grantPod, l.grantVolume = false, 0, 0
	case ReleasePod:
		l.held = false
	case DeletePod:
		return l.podGone(true)
	case Rest, LabelPod, LabelVolume, DeleteVolume, ForceDeletePod, SetVolumeAside:
	}
	return l
}

func (l life) podGone(noticed bool) life {
	if noticed && !l.scheduled {
		l.unscheduled = l.pod
	}
	l.pod, l.onVolume, l.held, l.granted, l.scheduled, l.begun, l.ended = 0, 0, false, false, false, false, false
	if l.memory {
		l.data = false
	}
	return l
}

// run is what the launcher does in a scheduled Pod.
func (l life) run() life {
	switch {
	case l.data:
		l.begun = true
	case l.granted && !l.begun:
		l.emptyStarts++
		adopted := l.member > 0 && l.podOf == l.member
		l.late = l.counted || adopted || l.founder && l.emptyStarts > 1
		l.data, l.begun = true, true
	}
	return l
}

// orphaned is when the EtcdMember was deleted by accident and created again for the volume: what was written in it is gone.
func (l life) orphaned() life {
	l.member++
	l.founder = false
	l.recorded, l.grantUsed, l.grantPod, l.grantVolume, l.unscheduled = false, false, 0, 0, 0
	return l
}

// accidents are all that may happen next beside the operator's step.
func (l life) accidents() []life {
	var next []life
	may := func(possible bool, change func(*life)) {
		if possible {
			after := l
			change(&after)
			next = append(next, after)
		}
	}
	may(l.pod != 0 && !l.held && (l.memory || l.volume != 0), func(a *life) { a.scheduled = true })
	may(l.scheduled && !l.ended && (l.memory || l.volume == l.onVolume), func(a *life) { *a = a.run() })
	may(l.pod != 0, func(a *life) { *a = a.podGone(true) })
	may(l.pod != 0, func(a *life) { *a = a.podGone(false) })
	may(l.scheduled, func(a *life) { a.ended = true })
	may(l.data, func(a *life) { a.data = false })
	may(l.volume != 0 && !l.scheduled, func(a *life) { a.volume, a.data = 0, false })
	may(l.begun && l.data && l.grantUsed, func(a *life) { a.recorded, a.counted = true, true })
	may(l.volume != 0 && l.member < 2, func(a *life) { *a = a.orphaned() })
	may(l.member > 0 && l.counted && !l.recorded && l.volume != 0, func(a *life) { a.recorded, a.grantVolume = true, a.volume })
	may(l.unscheduled != 0, func(a *life) { a.unscheduled = 0 })
	return next
}

// TestNoMemberIsBornTwice follows every story of up to four Pods and three volumes.
func TestNoMemberIsBornTwice(t *testing.T) {
	var queue []life
	for _, founder := range []bool{false, true} {
		queue = append(queue, life{founder: founder}, life{founder: founder, memory: true})
	}
	seen := map[life]bool{}
	for len(queue) > 0 {
		l := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[l] || l.pods > 4 || l.volumes > 3 || l.emptyStarts > 3 {
			continue
		}
		seen[l] = true
		if l.late {
			t.Fatalf("started empty when others counted on its vote: %+v", l)
		}
		comesToRest(t, l)
		queue = append(append(queue, l.operate()), l.accidents()...)
	}
	t.Logf("%d states", len(seen))
}

// comesToRest leaves the operator alone with a calm world.
func comesToRest(t *testing.T, l life) {
	t.Helper()
	for range 10 {
		r := Realize(l.part())
		if r.Step == Rest {
			if l.podOf != l.member {
				l.pod, l.podOf = 0, l.member // the garbage collector sees to it
				continue
			}
			if l.pod == 0 && r.Failure == "" {
				t.Fatalf("rests without a Pod and without a failure: %+v", l)
			}
			return
		}
		l = l.operate()
	}
	t.Fatalf("never rests: %+v", l)
}

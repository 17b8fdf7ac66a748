package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestRealizeScenarios plays testdata/realize.txt. Record with -rewrite, then read the diff.
func TestRealizeScenarios(t *testing.T) {
	datadriven.RunTest(t, "testdata/realize.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		r := Realize(parsePart(t, d))
		step := string(r.Step)
		if r.Step == Rest {
			step = "Rest"
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s\n%s", step, r.Failure, r.Message)) + "\n"
	})
}

func parsePart(t *testing.T, d *datadriven.TestData) Part {
	t.Helper()
	p := Part{Wanted: true, Admitted: true}
	words := map[string]*bool{
		"disabled": &p.Disabled, "memory": &p.Memory, "founder": &p.Founder, "recorded": &p.Recorded, "dormant": &p.Dormant,
		"confirmed": &p.Confirmed, "grant-used": &p.GrantUsed, "never-started": &p.NeverStarted,
	}
	for _, a := range d.CmdArgs {
		switch fact, known := words[a.Key]; {
		case known:
			*fact = true
		case a.Key == "unadmitted":
			p.Admitted = false
		case a.Key == "unwanted":
			p.Wanted = false
		case a.Key == "volume":
			p.Volume = PartVolume{
				Name: "data-a", Exists: true, Ours: !slices.Contains(a.Vals, "foreign"), Going: slices.Contains(a.Vals, "going"),
				Fresh: !slices.Contains(a.Vals, "inherited"), Known: !slices.Contains(a.Vals, "unknown"),
				Labelled: !slices.Contains(a.Vals, "mislabelled"),
			}
		case a.Key == "pod":
			p.Pod = PartPod{
				Name: "a", Exists: true, Ours: !slices.Contains(a.Vals, "foreign"), Going: slices.Contains(a.Vals, "going"),
				Ended: slices.Contains(a.Vals, "ended"), Held: slices.Contains(a.Vals, "held"), Granted: slices.Contains(a.Vals, "granted"),
				Charged: slices.Contains(a.Vals, "charged"), OnVolume: !slices.Contains(a.Vals, "off-volume"),
				Labelled: !slices.Contains(a.Vals, "mislabelled"),
			}
		default:
			d.Fatalf(t, "unknown word %q", a.Key)
		}
	}
	if !p.Volume.Exists {
		p.Volume.Name = "data-a"
	}
	return p
}

// TestRealizeIsSafe looks at every combination of facts.
func TestRealizeIsSafe(t *testing.T) {
	const facts = 24
	for bits := range 1 << facts {
		p := partOf(bits)
		if p.Pod.Charged && !p.GrantUsed {
			continue // Charged says whom the used grant names
		}
		r := Realize(p)
		for _, c := range partClaims {
			if c.broken(p, r) {
				t.Fatalf("not true that %s: %+v for %+v", c.claim, r, p)
			}
		}
	}
	t.Logf("%d combinations", 1<<facts)
}

func partOf(bits int) Part {
	next := func() bool {
		bit := bits & 1
		bits >>= 1
		return bit == 1
	}
	return Part{
		Wanted: next(), Memory: next(), Founder: next(), Recorded: next(), Admitted: next(), Dormant: next(),
		Confirmed: next(), GrantUsed: next(), NeverStarted: next(),
		Volume: PartVolume{Exists: next(), Ours: next(), Going: next(), Fresh: next(), Known: next(), Labelled: next()},
		Pod: PartPod{
			Exists: next(), Ours: next(), Going: next(), Ended: next(), Held: next(), Granted: next(), Charged: next(),
			OnVolume: next(), Labelled: next(),
		},
	}
}

// partClaims are what no step may break.
var partClaims = []struct {
	claim  string
	broken func(Part, Realization) bool
}{
	{"nothing is done for a member that is not wanted", func(p Part, r Realization) bool {
		return !p.Wanted && r != Realization{}
	}},
	{"a failure comes without a step", func(_ Part, r Realization) bool { return r.Failure != "" && r.Step != Rest }},
	{"a grant is given once", func(p Part, r Realization) bool {
		return r.Step == CreateGrantedPod && (p.GrantUsed || p.Recorded)
	}},
	{"a grant is used once", func(p Part, r Realization) bool { return r.Step == UseGrant && p.GrantUsed }},
	{"a recorded member is not let go with a grant", func(p Part, r Realization) bool {
		return r.Step == UseGrant && p.Recorded && p.Pod.Held
	}},
	{"a grant is for a volume made for this member", func(p Part, r Realization) bool {
		return r.Step == CreateGrantedPod && !p.Memory && !p.Volume.Fresh
	}},
	{"a recorded member's grant is not reopened", func(p Part, r Realization) bool { return r.Step == ReopenGrant && p.Recorded }},
	{"a founder's grant is reopened only if it never started", func(p Part, r Realization) bool {
		return r.Step == ReopenGrant && p.Founder && !p.NeverStarted
	}},
	{"a gate goes only when the grant is recorded", func(p Part, r Realization) bool {
		return r.Step == ReleasePod && p.Pod.Granted && !p.Pod.Charged
	}},
	{"a volume is made only before the first start", func(p Part, r Realization) bool {
		return r.Step == CreateVolume && (p.GrantUsed || p.Recorded || p.Memory)
	}},
	{"a Pod is made only where there is none", func(p Part, r Realization) bool { return creates(r) && p.Pod.Exists }},
	{"a parked member gets no Pod", func(p Part, r Realization) bool { return creates(r) && p.Dormant }},
	{"a member gets no Pod before it is admitted", func(p Part, r Realization) bool { return creates(r) && !p.Admitted }},
	{"a removed member gets nothing", func(p Part, r Realization) bool {
		return p.Confirmed && !slices.Contains([]PartStep{Rest, DeletePod, DeleteVolume}, r.Step)
	}},
	{"a memory member's Pod is not made again", func(p Part, r Realization) bool {
		return creates(r) && p.Memory && (p.GrantUsed || p.Recorded)
	}},
	{"nobody else's Pod is touched", func(p Part, r Realization) bool {
		return slices.Contains([]PartStep{DeletePod, LabelPod, ReleasePod, UseGrant}, r.Step) && !p.Pod.Ours
	}},
	{"nobody else's volume is touched", func(p Part, r Realization) bool {
		return (r.Step == DeleteVolume || r.Step == LabelVolume) && !p.Volume.Ours
	}},
	{"a volume goes last, and only when etcd has let go", func(p Part, r Realization) bool {
		return r.Step == DeleteVolume && (!p.Confirmed || p.Pod.Exists && p.Pod.Ours)
	}},
	{"a running Pod is stopped only on purpose", func(p Part, r Realization) bool {
		idle := p.Pod.Ended || p.Pod.Held
		second := p.Pod.Granted && !p.Pod.Charged && p.GrantUsed
		return r.Step == DeletePod && !p.Confirmed && !idle && !second && (!p.Dormant || p.Memory)
	}},
}

func creates(r Realization) bool { return r.Step == CreateGrantedPod || r.Step == CreatePod }

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
}

func (l life) part() Part {
	volume := l.volume
	if l.memory {
		volume = l.grantPod
	}
	return Part{
		Wanted: true, Admitted: true, Founder: l.founder, Memory: l.memory, Recorded: l.recorded, GrantUsed: l.grantUsed,
		NeverStarted: l.grantPod != 0 && l.unscheduled == l.grantPod,
		Volume:       PartVolume{Exists: l.volume != 0, Ours: true, Labelled: true, Fresh: true, Known: volume == l.grantVolume},
		Pod: PartPod{
			Exists: l.pod != 0, Ours: true, Ended: l.ended, Held: l.held, Granted: l.granted, Labelled: true,
			Charged: l.grantUsed && l.pod == l.grantPod, OnVolume: l.memory || l.onVolume == l.volume,
		},
	}
}

// operate takes the operator's step.
func (l life) operate() life {
	switch Realize(l.part()).Step {
	case CreateVolume:
		l.volumes++
		l.volume, l.data = l.volumes, false
	case CreatePod, CreateGrantedPod:
		granted := Realize(l.part()).Step == CreateGrantedPod
		l.pods++
		l.pod, l.onVolume, l.held, l.granted = l.pods, l.volume, granted, granted
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
	case Rest, LabelPod, LabelVolume, DeleteVolume:
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
		l.late = l.recorded || l.founder && l.emptyStarts > 1
		l.data, l.begun = true, true
	}
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
	may(l.begun && l.data && l.grantUsed, func(a *life) { a.recorded = true })
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
			if l.pod == 0 && r.Failure == "" {
				t.Fatalf("rests without a Pod and without a failure: %+v", l)
			}
			return
		}
		l = l.operate()
	}
	t.Fatalf("never rests: %+v", l)
}

package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

var rehearsalWords = map[string]func(*Rehearsal){
	"due":       func(r *Rehearsal) { r.Due = true },
	"passed":    func(r *Rehearsal) { r.Result = Passed },
	"refused":   func(r *Rehearsal) { r.Result, r.Message = RefusedByEtcd, "etcd does not start: invalid value" },
	"prevented": func(r *Rehearsal) { r.Result, r.Message = Prevented, "ErrImagePull: not found" },
	"again":     func(r *Rehearsal) { r.Ago = preventedAgain },
	"apart":     func(r *Rehearsal) { r.Due, r.Apart = false, "a has heartbeats every 100ms, the spec asks for 1s" },
	"pod":       func(r *Rehearsal) { r.Pod.Exists, r.Pod.Current = true, true },
	"other-pod": func(r *Rehearsal) { r.Pod.Exists = true },
	"going":     func(r *Rehearsal) { r.Pod.Exists, r.Pod.Going = true, true },
	"void":      func(r *Rehearsal) { r.Pod.Void = true },
	"served":    func(r *Rehearsal) { r.Pod.Result = Passed },
	"ended":     func(r *Rehearsal) { r.Pod.Result, r.Pod.Message = RefusedByEtcd, "etcd does not start: invalid value" },
	"unpulled":  func(r *Rehearsal) { r.Pod.Obstacle = "ErrImagePull: not found" },
	"repelled":  func(r *Rehearsal) { r.Pod.Repelled = true },
	"unplaced":  func(r *Rehearsal) { r.Pod.Unplaced = "0/3 nodes are available: 3 Insufficient memory." },
	"patiently": func(r *Rehearsal) { r.Pod.Age = pullPatience },
	"long":      func(r *Rehearsal) { r.Pod.Age = rehearsalHolds },
}

func parseRehearsal(t *testing.T, d *datadriven.TestData, c *Cluster, a datadriven.CmdArg) bool {
	t.Helper()
	if a.Key != "rehearsal" {
		return false
	}
	c.Rehearsal.Version = "3.7.3"
	for _, word := range a.Vals {
		set, ok := rehearsalWords[word]
		if !ok {
			d.Fatalf(t, "unknown word %q", word)
		}
		set(&c.Rehearsal)
	}
	return true
}

// rehearsalWorld is all that a rehearsal depends on, and what the kubelet will make of its Pod.
type rehearsalWorld struct {
	Rehearsal
	becomes RehearsalPod
}

func rehearsalWorlds() (all []rehearsalWorld) {
	futures := []RehearsalPod{
		{Result: Passed}, {Result: RefusedByEtcd, Message: "no"}, {Result: Prevented, Message: "gone"},
		{Obstacle: "ErrImagePull", Age: pullPatience}, {Void: true},
	}
	pods := []RehearsalPod{
		{}, {Exists: true}, {Exists: true, Going: true}, {Exists: true, Current: true}, {Exists: true, Going: true, Current: true},
	}
	for _, due := range []bool{true, false} {
		for _, result := range []Trial{Untried, Passed, RefusedByEtcd, Prevented} {
			for _, ago := range []time.Duration{0, preventedAgain} {
				for _, now := range pods {
					for _, becomes := range futures {
						r := Rehearsal{Due: due, Result: result, Ago: ago, Pod: now}
						all = append(all, rehearsalWorld{r, becomes})
						for _, ended := range futures {
							pod := ended
							pod.Exists, pod.Going, pod.Current = now.Exists, now.Going, now.Current
							if now.Exists {
								r.Pod = pod
								all = append(all, rehearsalWorld{r, becomes})
							}
						}
					}
				}
			}
		}
	}
	return all
}

// act does what a step says; what it may not do is an error.
func (w *rehearsalWorld) act(s Step) error {
	switch s := s.(type) {
	case Rehearse:
		if w.Pod.Exists || !w.Due {
			return fmt.Errorf("a second Pod, or one for nothing: %+v", w.Rehearsal)
		}
		w.Pod = RehearsalPod{Exists: true, Current: true}
	case EndRehearsal:
		if w.Pod.Current && w.Pod.Result != Untried && !w.Pod.Void && !w.settled() {
			return fmt.Errorf("a result is lost: %+v", w.Rehearsal)
		}
		w.Pod.Going = true
	case RecordRehearsal:
		if result, _ := w.Pod.outcome(); !w.Pod.Current || w.Pod.Void || s.Result != result || result == Untried {
			return fmt.Errorf("%v is recorded of %+v", s.Result, w.Pod)
		}
		w.Result, w.Message, w.Ago = s.Result, s.Message, 0
	}
	return nil
}

// pass lets the kubelet do what is to be expected: Pods that go are gone, and one that is not at its end comes to it.
func (w *rehearsalWorld) pass() {
	switch p := &w.Pod; {
	case p.Going:
		*p = RehearsalPod{}
	case p.Exists && p.Current && p.Result == Untried && !p.Void:
		p.Result, p.Message, p.Obstacle, p.Age, p.Void = w.becomes.Result, w.becomes.Message, w.becomes.Obstacle, w.becomes.Age, w.becomes.Void
		w.becomes.Void = false // the next one is on another node
		if p.Void {
			w.becomes.Result = Passed
		}
	}
}

// TestARehearsalComesToAnEnd begins in every state that a crash of the operator, or of anything else, may leave.
func TestARehearsalComesToAnEnd(t *testing.T) {
	for _, w := range rehearsalWorlds() {
		begun := w
		for n := 0; ; n++ {
			d, acts := rehearse(Cluster{Rehearsal: w.Rehearsal})
			if err := w.act(d.Step); acts && err != nil {
				t.Fatalf("from %+v: %v", begun, err)
			}
			if before := w; !acts {
				if w.pass(); before == w {
					break
				}
			}
			if n > 20 {
				t.Fatalf("from %+v it comes never to rest: %+v", begun, w)
			}
		}
		if w.Pod.Exists || w.Due && w.Result == Untried {
			t.Errorf("from %+v it rests at %+v", begun, w)
		}
	}
}

func TestTimersThatMixAreToldFromThoseThatDoNot(t *testing.T) {
	of := func(heartbeat, election int) Timers {
		return Timers{"a", time.Duration(heartbeat) * time.Millisecond, time.Duration(election) * time.Millisecond}
	}
	for _, tc := range []struct {
		claim        string
		wanted, have Timers
		apart        bool
	}{
		{"the same", of(100, 1000), of(100, 1000), false},
		{"three times", of(300, 3000), of(100, 1000), false},
		{"a third", of(100, 1000), of(300, 3000), false},
		{"beats that are seldom for old timeouts", of(400, 4000), of(100, 1000), true},
		{"beats that are seldom for new timeouts", of(100, 1000), of(400, 4000), true},
		{"a timeout of five times", of(100, 5000), of(100, 1000), false},
		{"a timeout of more than five times", of(100, 5001), of(100, 1000), true},
		{"beats of a sixth", of(50, 1000), of(300, 3000), true},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if why := TimersApart(tc.wanted, []Timers{tc.wanted, tc.have}); (why != "") != tc.apart {
				t.Errorf("got %q", why)
			}
		})
	}
}

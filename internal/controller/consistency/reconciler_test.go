package consistency

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/plan"
)

func TestTheDataOfAllVotersAreCompared(t *testing.T) {
	for _, tc := range []struct {
		claim    string
		founders []string
		change   func(*world)
		want     v1alpha2.ConsistencyVerdict
		compared []string
		diverged []string
		event    string
	}{
		{claim: "equal data agree", want: v1alpha2.ConsistencyAgreed, compared: []string{"a", "b", "c"}},
		{claim: "one of three differs", change: func(w *world) { w.etcd.Corrupt("b") }, want: v1alpha2.ConsistencyDiverged,
			compared: []string{"a", "b", "c"}, diverged: []string{"b"}, event: "Warning DataDiverged"},
		{claim: "one of two differs: nobody knows which", founders: []string{"a", "b"}, change: func(w *world) { w.etcd.Corrupt("b") },
			want: v1alpha2.ConsistencyUnclear, compared: []string{"a", "b"}, event: "Warning DataUnclear"},
		{claim: "all three differ", change: func(w *world) { w.etcd.Corrupt("a"); w.etcd.Corrupt("b") }, want: v1alpha2.ConsistencyUnclear,
			compared: []string{"a", "b", "c"}, event: "Warning DataUnclear"},
		{claim: "one is down, the others agree", change: func(w *world) { w.etcd.Process(clientURL("c")).Stop() },
			want: v1alpha2.ConsistencyAgreed, compared: []string{"a", "b"}},
		{claim: "one is down and the others differ", change: func(w *world) { w.etcd.Process(clientURL("c")).Stop(); w.etcd.Corrupt("b") },
			want: v1alpha2.ConsistencyUnclear, compared: []string{"a", "b"}, event: "Warning DataUnclear"},
		{claim: "one that lags is compared at the revision it has come to", change: (*world).stallC, want: v1alpha2.ConsistencyAgreed,
			compared: []string{"a", "b", "c"}},
		{claim: "a learner does not count", change: func(w *world) { w.addLearner(); w.etcd.Process(clientURL("c")).Stop() },
			want: v1alpha2.ConsistencyAgreed, compared: []string{"a", "b"}},
		{claim: "a compaction in between is no difference", change: (*world).compactOnce, want: v1alpha2.ConsistencyAgreed,
			compared: []string{"a", "b", "c"}},
		{claim: "an answer under another identity does not count", change: (*world).swapVolumeOfC, want: v1alpha2.ConsistencyAgreed,
			compared: []string{"a", "b"}},
		{claim: "one hash that gets lost is no difference", change: func(w *world) {
			w.fault = func(c etcdfake.Call) (f etcdfake.Fault) {
				if c.Method == "HashKV" && c.Endpoint == clientURL("c") {
					f.Err = etcd.ErrUnreachable
				}
				return f
			}
		}, want: v1alpha2.ConsistencyAgreed, compared: []string{"a", "b"}},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if tc.founders == nil {
				tc.founders = []string{"a", "b", "c"}
			}
			w := newWorld(t, tc.founders...)
			if tc.change != nil {
				tc.change(w)
			}
			check := w.due()
			if check == nil || check.Verdict != tc.want || !slices.Equal(check.Compared, w.ids(tc.compared)) ||
				!slices.Equal(check.Diverged, w.ids(tc.diverged)) || !check.CheckedAt.Time.Equal(w.clock.Now()) {
				t.Errorf("got %+v", check)
			}
			if e := w.event(); !strings.HasPrefix(e, tc.event) || (e == "") != (tc.event == "") {
				t.Errorf("the event is %q, want %q", e, tc.event)
			}
			if w.writes != 1 || !slices.Equal(w.measured, []plan.Agreement{plan.Agreement(tc.want)}) {
				t.Errorf("wrote %d times, measured %v", w.writes, w.measured)
			}
		})
	}
}

func (w *world) ids(names []string) (ids []string) {
	for _, name := range names {
		ids = append(ids, w.id(name))
	}
	slices.SortFunc(ids, func(a, b string) int { return len(a) - len(b) })
	slices.SortStableFunc(ids, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return ids
}

// stallC makes c a follower that answers and has missed two writes.
func (w *world) stallC() {
	w.etcd.Stall(peerURL("c"), true)
	w.put(2)
}

func (w *world) addLearner() {
	c, err := w.etcd.Dialer().Dial(etcd.Target{Endpoint: clientURL("a")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.clock.Step(time.Minute)
	added, err := c.AddLearner(w.t.Context(), peerURL("d"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.run("d", "a="+peerURL("a")+",b="+peerURL("b")+",c="+peerURL("c")+",d="+peerURL("d"), true)
	w.createMember("d", added.ID)
}

// compactOnce compacts between the first two hashes of a comparison.
func (w *world) compactOnce() {
	hashes := 0
	w.fault = func(c etcdfake.Call) etcdfake.Fault {
		if c.Method == "HashKV" {
			if hashes++; hashes == 2 {
				w.compact(4)
			}
		}
		return etcdfake.Fault{}
	}
}

func (w *world) compact(revision int64) {
	if err := w.etcd.Process(clientURL("a")).Compact(revision); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) swapVolumeOfC() {
	var m v1alpha2.EtcdMember
	if err := w.store.Get(w.t.Context(), client.ObjectKey{Namespace: demo.Namespace, Name: "c"}, &m); err != nil {
		w.t.Fatal(err)
	}
	m.Status.Incarnation.VolumeUID = "another"
	if err := w.store.Status().Update(w.t.Context(), &m); err != nil {
		w.t.Fatal(err)
	}
	w.etcd.Corrupt("c")
}

func TestAMemberIsFoundToDifferOnlyTwiceInARow(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	hashes := 0
	w.etcd.Corrupt("b")
	w.fault = func(c etcdfake.Call) etcdfake.Fault {
		if c.Method == "HashKV" {
			if hashes++; hashes == 4 {
				w.etcd.Corrupt("c") // and none of the three is like another
			}
		}
		return etcdfake.Fault{}
	}
	if check := w.due(); check.Verdict != v1alpha2.ConsistencyUnclear || check.Diverged != nil {
		t.Errorf("got %+v", check)
	}
}

func TestNothingIsComparedOfAClusterThatIsOff(t *testing.T) {
	for claim, change := range map[string]func(*v1alpha2.EtcdCluster){
		"disabled": func(c *v1alpha2.EtcdCluster) {
			c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
		},
		"paused":     func(c *v1alpha2.EtcdCluster) { c.Spec.Replicas = new(int32(0)) },
		"not formed": func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "" },
	} {
		t.Run(claim, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c")
			w.changeCluster(change)
			if check := w.due(); check != nil || len(w.asked) > 0 || w.writes > 0 {
				t.Errorf("got %+v after asking %v", check, w.asked)
			}
		})
	}
}

func TestWithoutAQuorumNothingIsWritten(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.etcd.Process(clientURL("a")).Stop()
	w.etcd.Process(clientURL("b")).Stop()
	w.clock.Step(2 * time.Hour)
	if result := w.pass(); result.RequeueAfter != plan.CompareAgain || w.writes > 0 {
		t.Errorf("wrote %d times, and looks again after %s", w.writes, result.RequeueAfter)
	}
}

func TestAtRestNobodyIsAskedWithinThePeriod(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.due()
	w.asked = nil
	result := w.pass()
	if len(w.asked) > 0 || w.writes != 1 || result.RequeueAfter <= 0 || result.RequeueAfter > time.Hour {
		t.Errorf("asked %v, wrote %d times, looks again after %s", w.asked, w.writes, result.RequeueAfter)
	}
	w.Period = 0
	w.clock.Step(100 * time.Hour)
	if result := w.pass(); len(w.asked) > 0 || result.RequeueAfter != 0 {
		t.Errorf("with no period it asked %v, and looks again after %s", w.asked, result.RequeueAfter)
	}
}

func TestLargeDatabasesAreComparedLessOften(t *testing.T) {
	for size, hours := range map[string]int{"1Mi": 1, "256Mi": 1, "1Gi": 4, "8Gi": 32} {
		w := newWorld(t, "a", "b", "c")
		w.changeCluster(func(c *v1alpha2.EtcdCluster) { c.Status.DBSize = new(resource.MustParse(size)) })
		w.due()
		w.clock.Step(1000 * time.Hour)
		w.pass()
		if at := w.cluster().Status.Consistency.CheckedAt; !at.Time.Equal(w.clock.Now()) {
			t.Fatalf("%s: last compared at %s", size, at)
		}
		most := time.Duration(hours) * time.Hour
		if next := w.pass().RequeueAfter; next <= 0 || next > most {
			t.Errorf("%s: compared again in %s, want it within %s", size, next, most)
		}
		w.clock.Step(most - time.Second)
		if next := w.pass().RequeueAfter; next <= 0 || next > most {
			t.Errorf("%s: then again in %s", size, next)
		}
		if w.writes > 3 {
			t.Errorf("%s: compared %d times within %s", size, w.writes, most)
		}
	}
}

func TestASuspicionIsFollowedAtOnce(t *testing.T) {
	for claim, suspect := range map[string]func(*world){
		"an alarm of a member": func(w *world) {
			w.changeCluster(func(c *v1alpha2.EtcdCluster) { c.Status.Members[0].Alarms = []string{"CORRUPT"} })
		},
		"an alarm that names nobody": func(w *world) {
			w.changeCluster(func(c *v1alpha2.EtcdCluster) {
				c.Status.Conditions = []metav1.Condition{{Type: v1alpha2.ConditionAvailable, Reason: v1alpha2.ReasonCorruptAlarm,
					Message: "etcd has raised CORRUPT and refuses writes"}}
			})
		},
		"a member that refuses to start": func(w *world) {
			var m v1alpha2.EtcdMember
			if err := w.store.Get(w.t.Context(), client.ObjectKey{Namespace: demo.Namespace, Name: "b"}, &m); err != nil {
				w.t.Fatal(err)
			}
			m.Status.Failure = &v1alpha2.MemberFailure{Reason: v1alpha2.FailureDataInconsistent, Since: new(metav1.NewTime(w.clock.Now()))}
			if err := w.store.Status().Update(w.t.Context(), &m); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(claim, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c")
			w.due()
			w.clock.Step(time.Minute)
			suspect(w)
			w.asked = nil
			if result := w.pass(); result.RequeueAfter != time.Second {
				t.Fatalf("looks again after %s, want the next second", result.RequeueAfter)
			}
			w.clock.Step(time.Second)
			w.pass()
			if at := w.cluster().Status.Consistency.CheckedAt; !at.Time.Equal(w.clock.Now()) || len(w.asked) != 3 {
				t.Errorf("last compared at %s by asking %v", at, w.asked)
			}
			w.clock.Step(time.Minute)
			w.asked = nil
			w.pass()
			if len(w.asked) > 0 {
				t.Errorf("asked %v again although nothing has changed", w.asked)
			}
		})
	}
}

func TestAChangeOfTheMinorWaitsForAComparison(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.due()
	w.clock.Step(plan.CompareAgain)
	for waits, asked := range map[bool]int{true: 3, false: 0} {
		w.changeCluster(func(c *v1alpha2.EtcdCluster) {
			c.Status.Rollout = &v1alpha2.RolloutStatus{Checks: []v1alpha2.RolloutCheck{{Name: plan.DataAgree, OK: !waits}}}
		})
		w.asked = nil
		if w.pass(); len(w.asked) != asked {
			t.Errorf("it waits: %t; asked %v", waits, w.asked)
		}
	}
}

func TestOtherWritersOfStatusAreGivenWay(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.conflict = 2
	if check := w.due(); check == nil || check.Verdict != v1alpha2.ConsistencyAgreed {
		t.Fatalf("got %+v", check)
	}
	if c := w.cluster(); c.Status.LastOrdinal != 2 || len(c.Status.Members) != 3 {
		t.Errorf("what others wrote is gone: %+v", c.Status)
	}
	w.conflict = 1000
	before := w.cluster().Status.Consistency.CheckedAt
	w.clock.Step(2 * time.Hour)
	if result := w.pass(); result.RequeueAfter != plan.Settle || !w.cluster().Status.Consistency.CheckedAt.Equal(&before) {
		t.Errorf("looks again after %s", result.RequeueAfter)
	}
}

package cluster

import (
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func voter(name string) plan.Member {
	return plan.Member{
		Name: name, ID: 1, Role: plan.Voter, Admitted: true, Recorded: true, Votes: true, Answered: true, Healthy: true, Ready: true,
	}
}

func well(want int) plan.Cluster {
	return plan.Cluster{
		Want: want, ClusterID: 0xc1, Listed: true, OrdinalsRecorded: true, Deadline: 10 * time.Minute,
		Members: []plan.Member{voter("a"), voter("b"), voter("c")},
	}
}

func with(c plan.Cluster, change func(*plan.Cluster)) plan.Cluster {
	change(&c)
	return c
}

// statusOf publishes what was seen, as the reconciler does.
func statusOf(c plan.Cluster) v1alpha2.EtcdClusterStatus {
	s := &observe.Scene{Cluster: &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Name: "demo", Generation: 2}}}
	return statusFrom(s, c, plan.Next(c), noon)
}

func TestStatusIsWhatKstatusExpects(t *testing.T) {
	for claim, tc := range map[string]struct {
		seen      plan.Cluster
		want      status.Status
		ready     metav1.ConditionStatus
		available metav1.ConditionStatus
	}{
		"a cluster as desired is current": {well(3), status.CurrentStatus, metav1.ConditionTrue, metav1.ConditionTrue},
		"a growing cluster is in progress, and available": {
			well(5), status.InProgressStatus, metav1.ConditionFalse, metav1.ConditionTrue,
		},
		"a paused cluster is current, and not available": {
			with(well(0), func(c *plan.Cluster) {
				c.Listed = false
				for i := range c.Members {
					c.Members[i] = plan.Member{Name: "x", Role: plan.Voter, Dormant: true, Stopped: true}
				}
			}),
			status.CurrentStatus, metav1.ConditionTrue, metav1.ConditionFalse,
		},
		"a forming cluster is in progress": {
			plan.Cluster{Want: 3, Founders: []string{"a"}, Members: []plan.Member{{Name: "a", Founder: true}}},
			status.InProgressStatus, metav1.ConditionFalse, metav1.ConditionFalse,
		},
		"a cluster that has lost its quorum is in progress: it may come back by itself": {
			with(well(3), func(c *plan.Cluster) {
				c.Listed = false
				for i := range c.Members {
					c.Members[i].Healthy, c.Members[i].Answered = false, i == 0
				}
			}),
			status.InProgressStatus, metav1.ConditionFalse, metav1.ConditionFalse,
		},
		"what only a human can mend has failed": {
			with(well(3), func(c *plan.Cluster) { c.Taken = []string{"Service demo"} }),
			status.FailedStatus, metav1.ConditionFalse, metav1.ConditionTrue,
		},
		"a member that is not ready keeps the cluster in progress, and available": {
			with(well(3), func(c *plan.Cluster) { c.Members[2].Healthy, c.Members[2].Ready = false, false }),
			status.InProgressStatus, metav1.ConditionFalse, metav1.ConditionTrue,
		},
	} {
		t.Run(claim, func(t *testing.T) {
			st := statusOf(tc.seen)
			object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha2.EtcdCluster{
				ObjectMeta: metav1.ObjectMeta{Name: "demo", Generation: 2}, Status: st,
			})
			if err != nil {
				t.Fatal(err)
			}
			res, err := status.Compute(&unstructured.Unstructured{Object: object})
			if err != nil {
				t.Fatal(err)
			}
			if res.Status != tc.want {
				t.Errorf("kstatus says %s (%s), want %s", res.Status, res.Message, tc.want)
			}
			if got := meta.FindStatusCondition(st.Conditions, v1alpha2.ConditionReady).Status; got != tc.ready {
				t.Errorf("Ready is %s, want %s", got, tc.ready)
			}
			if got := meta.FindStatusCondition(st.Conditions, v1alpha2.ConditionAvailable); got.Status != tc.available {
				t.Errorf("Available is %s (%s), want %s", got.Status, got.Reason, tc.available)
			}
		})
	}
}

func TestAnEvenSizeIsWarnedOf(t *testing.T) {
	for want, warned := range map[int]bool{0: false, 1: false, 2: true, 3: false, 4: true} {
		st := statusOf(well(want))
		if got := meta.IsStatusConditionTrue(st.Conditions, v1alpha2.ConditionEvenSize); got != warned {
			t.Errorf("%d members: EvenSize is %v", want, got)
		}
	}
}

func TestProgressIsReportedLateAndNotGivenUp(t *testing.T) {
	stuck := with(well(3), func(c *plan.Cluster) {
		c.Members[2].Healthy = false
		c.Idle = c.Deadline
	})
	st := statusOf(stuck)
	progressing := meta.FindStatusCondition(st.Conditions, v1alpha2.ConditionProgressing)
	if progressing.Status != metav1.ConditionFalse || progressing.Reason != v1alpha2.ReasonDeadlineExceeded {
		t.Errorf("Progressing is %s/%s", progressing.Status, progressing.Reason)
	}
	if meta.IsStatusConditionTrue(st.Conditions, v1alpha2.ConditionStalled) {
		t.Error("a missed deadline is not Stalled: the operator goes on trying")
	}
}

func TestANudgeIsNoProgress(t *testing.T) {
	for step, want := range map[plan.Step]bool{plan.Nudge{}: false, plan.Nothing{}: false, plan.Promote{}: true} {
		s := &observe.Scene{Cluster: &v1alpha2.EtcdCluster{}}
		if st := statusFrom(s, plan.Cluster{}, plan.Decision{Step: step}, noon); st.LastProgressTime != nil != want {
			t.Errorf("%T: progress at %s", step, st.LastProgressTime)
		}
	}
}

func TestRecordedFactsAreKept(t *testing.T) {
	s := &observe.Scene{Cluster: &v1alpha2.EtcdCluster{Status: v1alpha2.EtcdClusterStatus{
		ClusterID: "c1", ClusterToken: "t", InitialMembers: []string{"a"}, LastOrdinal: 7,
	}}}
	st := statusFrom(s, plan.Cluster{}, plan.Next(plan.Cluster{}), noon)
	if st.ClusterID != "c1" || st.ClusterToken != "t" || len(st.InitialMembers) != 1 || st.LastOrdinal != 7 {
		t.Errorf("lost a recorded fact: %+v", st)
	}
}

func TestTimeThatTheOperatorWasNotLetInDoesNotCountAsSilence(t *testing.T) {
	hour := metav1.NewTime(noon.Add(-time.Hour))
	silent := voter("a")
	silent.Healthy, silent.Answered = false, false
	if got := unhealthySince(silent, &hour, noon); got == nil || !got.Equal(&hour) {
		t.Errorf("a silent voter has been so since %v", got)
	}
	silent.Barred = true
	if got := unhealthySince(silent, &hour, noon); got != nil {
		t.Errorf("one that asks who calls has been unhealthy since %v", got)
	}
}

func TestWithoutBeingLetInTheOperatorSaysThatAndNotThatTheQuorumIsLost(t *testing.T) {
	seen := with(well(3), func(c *plan.Cluster) {
		c.Listed = false
		for i := range c.Members {
			c.Members[i].Healthy, c.Members[i].Answered, c.Members[i].Barred = false, false, true
		}
	})
	got := meta.FindStatusCondition(statusOf(seen).Conditions, v1alpha2.ConditionAvailable)
	if got.Status != metav1.ConditionFalse || got.Reason != v1alpha2.ReasonAuthRequired {
		t.Errorf("Available is %s %s: %s", got.Status, got.Reason, got.Message)
	}
}

func TestSizesStayAsToldUntilTheyMoveNoticeably(t *testing.T) {
	for claim, tc := range map[string]struct{ before, now, want int64 }{
		"a page of an empty database that is freed is not told": {20480, 16384, 20480},
		"a database that grows by a MiB is told":                {20480, 20480 + 1<<20, 20480 + 1<<20},
		"a tenth of a large database less is told":              {1 << 30, 900 << 20, 900 << 20},
		"less than a tenth of a large database is not told":     {1 << 30, 1000 << 20, 1 << 30},
	} {
		t.Run(claim, func(t *testing.T) {
			before, now := quantity(tc.before), quantity(tc.now)
			if got := steadySize(now, before); got.Value() != tc.want {
				t.Errorf("told %d bytes after %d and then %d, want %d", got.Value(), tc.before, tc.now, tc.want)
			}
		})
	}
}

func quantity(bytes int64) *apiresource.Quantity {
	return apiresource.NewQuantity(bytes, apiresource.BinarySI)
}

package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// everyMinute keeps two, and tries the newest out every five minutes.
func everyMinute(spec *v1alpha2.EtcdSnapshotScheduleSpec) {
	spec.Retention = keepLast(2)
	spec.Verify = &v1alpha2.SnapshotDrill{Period: metav1.Duration{Duration: 5 * time.Minute}}
}

// TestEveryMinuteForAQuarterOfAnHour: with a store that is away for three minutes, an operator that is away for two, and one of its
// writes failing, before it is done or after: exactly the expected snapshots are made, and exactly the expected ones are left.
func TestEveryMinuteForAQuarterOfAnHour(t *testing.T) {
	story := func(t *testing.T, failAt int, done bool) *world {
		w := newWorld(t, "* * * * *", everyMinute)
		w.failAt, w.done = failAt, done
		storeAway := eight.Add(5 * time.Minute)
		w.fails = func(due time.Time) bool { return !due.Before(storeAway) && due.Before(storeAway.Add(3*time.Minute)) }
		w.run(9*time.Minute + 30*time.Second)
		w.now = w.now.Add(2*time.Minute + 15*time.Second) // nobody was there; 8:10 is missed, 8:11 is made up for
		w.run(3*time.Minute + 45*time.Second)
		return w
	}
	calm := story(t, -1, false)
	wantMade := "08:01:00 08:02:00 08:03:00 08:04:00 08:05:00 08:06:00 08:07:00 08:08:00 08:09:00 08:11:00 08:12:00 08:13:00 08:14:00 08:15:00"
	check := func(t *testing.T, w *world) {
		t.Helper()
		if made := strings.Join(w.made, " "); made != wantMade {
			t.Errorf("made %s", made)
		}
		if has, want := w.has(), "08:05F 08:06F 08:07F 08:13CV 08:14C 08:15C"; !strings.HasPrefix(has, "08:05F 08:06F 08:07F ") ||
			!strings.HasSuffix(has, " 08:14C 08:15C") && has != want {
			t.Errorf("has %s, want about %s", has, want)
		}
		for _, name := range []string{"08:05", "08:06", "08:07", "08:14", "08:15"} {
			if slices.Contains(w.erased, name) {
				t.Errorf("%s is deleted", name)
			}
		}
		status := w.schedule().Status
		if status.LastSuccessfulSnapshot != "nightly-20260301-081500" || status.ConsecutiveFailures != 0 || status.LastVerifiedTime == nil {
			t.Errorf("status is %+v", status)
		}
	}
	check(t, calm)
	if status := calm.schedule().Status; status.Missed != 1 {
		t.Errorf("missed %d", status.Missed)
	}
	for write := 1; write <= len(calm.writes); write += 3 {
		done := write%2 == 0
		t.Run(fmt.Sprintf("%d %s, done %t", write, calm.writes[write-1], done), func(t *testing.T) {
			check(t, story(t, write, done))
		})
	}
}

func TestASnapshotSaysWhereItComesFrom(t *testing.T) {
	w := newWorld(t, "* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) {
		spec.Compression, spec.ActiveDeadlineSeconds = v1alpha2.CompressionZstd, ptr.To[int64](90)
	})
	w.run(time.Minute)
	if len(w.snapshots()) != 1 {
		t.Fatalf("made %v", w.made)
	}
	s := w.snapshots()[0]
	if s.Name != "nightly-20260301-080100" || s.Labels[v1alpha2.LabelSchedule] != "nightly" || len(s.OwnerReferences) != 0 ||
		s.Annotations[v1alpha2.AnnotationScheduledAt] != "2026-03-01T08:01:00Z" || s.Spec.ClusterRef.Name != "demo" ||
		s.Spec.Destination.PVC.ClaimName != "backup" || s.Spec.Compression != v1alpha2.CompressionZstd ||
		*s.Spec.ActiveDeadlineSeconds != 90 || s.Spec.DeletionPolicy != v1alpha2.SnapshotRetain {
		t.Errorf("is %+v", s)
	}
	status := w.schedule().Status
	if status.LastScheduleTime.UTC() != eight.Add(time.Minute) || status.NextScheduleTime.UTC() != eight.Add(2*time.Minute) ||
		!slices.Equal(status.Active, []string{s.Name}) || w.ready() != "Ready=True(NoSnapshotYet)" || status.ObservedGeneration != 1 {
		t.Errorf("status is %+v", status)
	}
	w.run(10 * time.Second)
	status = w.schedule().Status
	if len(status.Active) != 0 || status.LastSuccessfulSnapshot != s.Name || w.ready() != "Ready=True(SnapshotComplete)" {
		t.Errorf("status is %+v", status)
	}
	if !slices.Contains(w.told(), "Normal SnapshotCreated taking the snapshot of 2026-03-01T08:01:00Z") {
		t.Error("no Event")
	}
}

func TestFailuresAreTold(t *testing.T) {
	w := newWorld(t, "* * * * *", everyMinute)
	w.fails = func(time.Time) bool { return true }
	w.run(6*time.Minute + 30*time.Second)
	status := w.schedule().Status
	if status.ConsecutiveFailures != 6 || status.LastFailure != "nightly-20260301-080600: the store does not answer" ||
		w.ready() != "Ready=False(SnapshotFailed) Reconciling=True(SnapshotFailed)" {
		t.Errorf("%s: %+v", w.ready(), status)
	}
	if has := w.has(); has != "08:04F 08:05F 08:06F" {
		t.Errorf("has %s", has)
	}
	if len(w.erased) > 0 {
		t.Errorf("deletes what %v stored", w.erased)
	}
	if n, err := testutil.GatherAndCount(w.registry, "etcd_operator_snapshot_schedule_consecutive_failures"); n != 1 || err != nil {
		t.Errorf("%d series: %v", n, err)
	}
}

func TestOnlyItsOwnSnapshotsAreDeleted(t *testing.T) {
	w := newWorld(t, "* * * * *", everyMinute)
	stranger := func(name string, change func(*v1alpha2.EtcdSnapshot)) {
		s := snapshotOf(w.schedule(), eight.Add(-time.Hour))
		s.Name = name
		change(s)
		w.create(s)
		w.finish(s)
	}
	stranger("of-nobody", func(s *v1alpha2.EtcdSnapshot) { s.Labels = nil })
	stranger("of-another-schedule", func(s *v1alpha2.EtcdSnapshot) { s.Labels[v1alpha2.LabelSchedule] = "weekly" })
	stranger("of-another-cluster", func(s *v1alpha2.EtcdSnapshot) { s.Spec.ClusterRef.Name = "other" })
	w.run(5 * time.Minute)
	for _, name := range []string{"of-nobody", "of-another-schedule", "of-another-cluster"} {
		if !slices.ContainsFunc(w.snapshots(), func(s v1alpha2.EtcdSnapshot) bool { return s.Name == name }) {
			t.Errorf("%s is deleted", name)
		}
	}
	if len(w.erased) == 0 {
		t.Error("nothing is deleted at all")
	}
}

func TestAClusterThatIsBeingRestoredKeepsItsSnapshot(t *testing.T) {
	w := newWorld(t, "* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) { spec.Retention = keepLast(2) })
	w.run(90 * time.Second)
	restored := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "copy"}}
	restored.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{}}
	restored.Spec.Bootstrap.Restore.SnapshotRef = ptr.To(w.schedule().Spec.ClusterRef)
	restored.Spec.Bootstrap.Restore.SnapshotRef.Name = "nightly-20260301-080100"
	w.create(restored)
	w.run(5 * time.Minute)
	if has := w.has(); has != "08:01C 08:05C 08:06C" {
		t.Errorf("has %s", has)
	}
	restored.Status.ClusterID = "c"
	must(t, w.store.Status().Update(t.Context(), restored))
	w.run(time.Minute)
	if has := w.has(); has != "08:06C 08:07C" {
		t.Errorf("then has %s", has)
	}
}

func TestDeletionOfAScheduleIsAsItsPolicySays(t *testing.T) {
	for policy, want := range map[v1alpha2.SnapshotDeletionPolicy]string{
		v1alpha2.SnapshotRetain: "08:01C 08:02C", v1alpha2.SnapshotDelete: "",
	} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, "* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) { spec.DeletionPolicy = policy })
			w.run(2*time.Minute + 30*time.Second)
			must(t, w.store.Delete(t.Context(), w.schedule()))
			w.run(time.Minute)
			if has := w.has(); has != want {
				t.Errorf("has %q, want %q", has, want)
			}
			if want == "" && strings.Join(w.erased, " ") != "08:01 08:02" {
				t.Errorf("data of %v are deleted", w.erased)
			}
			if err := w.store.Get(t.Context(), nightly, &v1alpha2.EtcdSnapshotSchedule{}); client.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("the schedule is still there: %v", err)
			}
			if n, err := testutil.GatherAndCount(w.registry); n != 0 || err != nil {
				t.Errorf("%d series are left: %v", n, err)
			}
		})
	}
}

func TestBadSchedulesStallAndGoOnOnceCorrected(t *testing.T) {
	w := newWorld(t, "61 * * * *", nil)
	w.run(time.Minute)
	stalled := w.ready()
	if !strings.Contains(stalled, "Ready=False(InvalidSchedule)") || !strings.Contains(stalled, "Stalled=True(InvalidSchedule)") {
		t.Errorf("is %s", stalled)
	}
	if said := strings.Join(w.told(), "; "); !strings.Contains(said, "Warning InvalidSchedule spec.schedule: end of range (61) above") {
		t.Errorf("says %s", said)
	}
	w.change(func(spec *v1alpha2.EtcdSnapshotScheduleSpec) { spec.Schedule = "* * * * *" })
	w.run(65 * time.Second)
	if w.ready() != "Ready=True(SnapshotComplete)" {
		t.Errorf("is %s, made %v", w.ready(), w.made)
	}
}

func TestWithoutItsClusterNothingIsTaken(t *testing.T) {
	w := newWorld(t, "* * * * *", nil)
	must(t, w.store.Delete(t.Context(), &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"}}))
	w.run(3 * time.Minute)
	if len(w.made) > 0 || !strings.Contains(w.ready(), "Ready=False(ClusterMissing)") || w.schedule().Status.Missed != 3 {
		t.Errorf("%s, made %v: %+v", w.ready(), w.made, w.schedule().Status)
	}
	w.create(&v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"},
		Spec: v1alpha2.EtcdClusterSpec{Replicas: ptr.To[int32](0)}})
	w.run(2 * time.Minute)
	if len(w.made) > 0 || w.ready() != "Ready=True(ClusterPaused)" {
		t.Errorf("%s, made %v", w.ready(), w.made)
	}
}

// TestAClockThatRunsAheadDeletesNothingYoung: the operator's clock alone is 30 days ahead for five minutes.
func TestAClockThatRunsAheadDeletesNothingYoung(t *testing.T) {
	w := newWorld(t, "* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) {
		spec.Retention = &v1alpha2.SnapshotRetention{KeepFor: &metav1.Duration{Duration: 24 * time.Hour}}
	})
	w.run(5*time.Minute + 30*time.Second)
	const ahead = 30 * 24 * time.Hour
	w.now, w.skew = w.now.Add(ahead), ahead
	w.run(5 * time.Minute)
	w.now, w.skew = w.now.Add(-ahead), 0
	w.run(5 * time.Minute)
	if len(w.erased) > 0 {
		t.Errorf("deletes %v", w.erased)
	}
	if len(w.made) < 15 || len(w.made) > 17 {
		t.Errorf("made %d: %v", len(w.made), w.made)
	}
}

func TestANameThatIsTakenIsLeftAlone(t *testing.T) {
	w := newWorld(t, "* * * * *", nil)
	theirs := snapshotOf(w.schedule(), eight.Add(time.Minute))
	theirs.Labels = nil
	w.create(theirs)
	w.run(time.Minute)
	said := strings.Join(w.told(), "; ")
	if len(w.made) > 0 || !strings.Contains(said, "NameTaken EtcdSnapshot nightly-20260301-080100 is there") {
		t.Errorf("made %v, says %s", w.made, said)
	}
	w.run(65 * time.Second)
	if len(w.made) != 1 {
		t.Errorf("then made %v", w.made)
	}
}

// TestAStaleCacheDecidesNothing: the operator's cache shows the world as it was before the last snapshot was made.
func TestAStaleCacheDecidesNothing(t *testing.T) {
	w := newWorld(t, "* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) { spec.ConcurrencyPolicy = v1alpha2.ConcurrencyAllow })
	w.run(59 * time.Second)
	stale := w.schedule()
	w.run(6 * time.Second)
	w.Client = interceptor.NewClient(w.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if schedule, ok := o.(*v1alpha2.EtcdSnapshotSchedule); ok {
				stale.DeepCopyInto(schedule)
				return nil
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return nil },
	})
	before := len(w.writes)
	result, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: nightly})
	if must(t, err); len(w.writes) != before || result.RequeueAfter == 0 || len(w.told()) != 1 {
		t.Errorf("writes %v, says %v", w.writes[before:], w.told())
	}
}

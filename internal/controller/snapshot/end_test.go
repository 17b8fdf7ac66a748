package snapshot

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// metric is the value of a series, 0 if there is none.
func (w *world) metric(name, label, value string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	must(w.t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() == value }
			if label == "" || slices.ContainsFunc(m.GetLabel(), has) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func deletes(s *v1alpha2.EtcdSnapshot) { s.Spec.DeletionPolicy = v1alpha2.SnapshotDelete }

// complete is a world in which the snapshot is stored.
func complete(t *testing.T, change func(*v1alpha2.EtcdSnapshot)) *world {
	t.Helper()
	w := newWorld(t, change)
	w.settle()
	w.end("now-1", saved())
	w.settle()
	w.told()
	return w
}

func TestWhatIsStoredIsDeletedBeforeTheEtcdSnapshotIs(t *testing.T) {
	w := complete(t, deletes)
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	w.hasJobs("now-1", "now-delete-1")
	kind, given := w.taskOf("now-delete-1")
	at := task.URI(given.Location)
	if kind != "delete" || !given.Exact || given.UID != "s1" || at != "s3://backup/prod/now.db" || len(given.Endpoints) > 0 {
		t.Errorf("the agent is to %s %+v", kind, given)
	}
	w.end("now-delete-1", refused(task.StoreAccessDenied, "the store says 403"))
	w.settle()
	ready := meta.FindStatusCondition(w.snapshot().Status.Conditions, v1alpha2.ConditionReady)
	if ready.Reason != "StoreAccessDenied" || ready.Status == metav1.ConditionTrue {
		t.Errorf("Ready is %+v", ready)
	}
	w.later(5 * time.Second)
	w.end("now-delete-2", &task.Report{Succeeded: true})
	w.settle()
	if s := w.snapshot(); s != nil {
		t.Errorf("it is still there: %+v", s)
	}
	if got := w.told(); !slices.Contains(got, eventErased) {
		t.Errorf("Events are %q", got)
	}
}

func TestThePolicyCanBeChangedAtAnyTime(t *testing.T) {
	w := complete(t, nil)
	if len(w.snapshot().Finalizers) > 0 {
		t.Error("what is to be kept is held")
	}
	s := &v1alpha2.EtcdSnapshot{}
	w.change(s, "now", func() { deletes(s) })
	w.settle()
	if len(w.snapshot().Finalizers) != 1 {
		t.Error("what is to be deleted is not held")
	}
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	w.end("now-delete-1", refused(task.BadTask, "no"))
	w.settle()
	w.change(s, "now", func() { s.Spec.DeletionPolicy = v1alpha2.SnapshotRetain })
	w.settle()
	if w.snapshot() != nil {
		t.Error("it is held although what is stored is to be kept")
	}
}

func TestWhatIsStoredBySomebodyElseIsLeftAlone(t *testing.T) {
	w := newWorld(t, deletes)
	w.settle()
	w.end("now-1", refused(task.ForeignObject, "it is not ours"))
	w.settle()
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	w.told()
	w.end("now-delete-1", refused(task.ForeignObject, "it is not ours"))
	w.settle()
	if w.snapshot() != nil {
		t.Error("it is held although nothing of its own is stored")
	}
	if got := w.told(); !slices.Equal(got, []string{"ForeignObject"}) {
		t.Errorf("Events are %q", got)
	}
}

func TestATryIsStoppedBeforeWhatItStoredIsDeleted(t *testing.T) {
	w := newWorld(t, deletes)
	w.settle()
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	w.hasJobs("now-delete-1")
}

func TestNothingIsDeletedWhereNothingWasTried(t *testing.T) {
	w := newWorld(t, func(s *v1alpha2.EtcdSnapshot) { deletes(s); s.Spec.ClusterRef.Name = "other" })
	w.settle()
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	w.hasJobs()
	if w.snapshot() != nil {
		t.Error("it is still there")
	}
}

func TestANamespaceThatEndsIsNotHeldUp(t *testing.T) {
	w := complete(t, deletes)
	must(t, w.store.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "creds"}}))
	must(t, w.store.Delete(t.Context(), w.snapshot()))
	w.settle()
	if s := w.snapshot(); s == nil || readyOf(s).Reason != v1alpha2.ReasonSecretMissing {
		t.Fatalf("without credentials it waits, but is %+v", s)
	}
	w.Client = interceptor.NewClient(w.store.(client.WithWatch), interceptor.Funcs{
		Create: func(_ context.Context, _ client.WithWatch, o client.Object, _ ...client.CreateOption) error {
			err := apierrors.NewForbidden(schema.GroupResource{Resource: "jobs"}, o.GetName(), errors.New("namespace ns is being terminated"))
			err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
			return err
		},
	})
	_, err := w.Reconcile(t.Context(), reconcile.Request{NamespacedName: now})
	must(t, err)
	if w.snapshot() != nil {
		t.Error("it holds up the end of its namespace")
	}
}

func TestADrillSaysWhetherTheDataCanBeRestored(t *testing.T) {
	for _, tc := range []struct {
		claim   string
		reports []*task.Report
		outcome v1alpha2.VerificationOutcome
		holds   metav1.ConditionStatus
		event   string
	}{
		{"restored", []*task.Report{{Succeeded: true}}, v1alpha2.VerificationVerified, metav1.ConditionTrue, "SnapshotVerified"},
		{"other data", []*task.Report{refused(task.DrillFailed, "12 keys, want 13")},
			v1alpha2.VerificationFailed, metav1.ConditionFalse, "SnapshotDrillFailed"},
		{"a store that comes back", []*task.Report{refused(task.StoreUnreachable, "no"), {Succeeded: true}},
			v1alpha2.VerificationVerified, metav1.ConditionTrue, "SnapshotVerified"},
		{"a store that does not", []*task.Report{refused(task.StoreUnreachable, "no"), nil, refused(task.StoreUnreachable, "no")},
			v1alpha2.VerificationInconclusive, metav1.ConditionUnknown, "SnapshotDrillInconclusive"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			w := complete(t, nil)
			s := &v1alpha2.EtcdSnapshot{}
			w.change(s, "now", func() { s.Annotations = map[string]string{v1alpha2.AnnotationVerify: "r1"} })
			for _, report := range tc.reports {
				w.settle()
				jobs := w.jobs()
				last := jobs[len(jobs)-1]
				kind, given := w.taskOf(last)
				if kind != "drill" || !given.Exact || given.Expect.Checksum != "sha256:abc" || given.EtcdVersion != "3.6.16" {
					t.Fatalf("the agent of %s is to %s %+v", last, kind, given)
				}
				w.end(last, report)
				w.settle()
				w.clock.Step(time.Minute)
			}
			w.settle()
			s = w.snapshot()
			v, c := s.Status.Verification, meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionVerified)
			if v == nil || v.Request != "r1" || v.Outcome != tc.outcome || v.CompletedAt == nil {
				t.Errorf("the verification is %+v", v)
			}
			if c == nil || c.Status != tc.holds || c.Message == "" {
				t.Errorf("the condition is %+v", c)
			}
			if got := w.told(); !slices.Equal(got, []string{tc.event}) {
				t.Errorf("Events are %q, want %s", got, tc.event)
			}
			w.is(v1alpha2.SnapshotComplete, "Complete")
			if jobs := w.jobs(); len(jobs) != 2 {
				t.Errorf("Jobs are %q, want that of the save and that of the drill", jobs)
			}
		})
	}
}

func TestTheLastSnapshotOfAClusterIsTheNewestCompleteOne(t *testing.T) {
	w := complete(t, nil)
	r := &Recorder{Client: w.store, Live: w.store, Meter: w.Meter}
	demo := types.NamespacedName{Namespace: "ns", Name: "demo"}
	add := func(name string, seconds int, change func(*v1alpha2.EtcdSnapshot)) {
		s := w.snapshot().DeepCopy()
		s.ObjectMeta = metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name)}
		s.Status.CompletedAt = &metav1.Time{Time: noon.Add(time.Duration(seconds) * time.Second)}
		change(s)
		must(t, w.store.Create(t.Context(), s))
	}
	add("a-later", 600, func(s *v1alpha2.EtcdSnapshot) {
		s.Status.Verification = &v1alpha2.SnapshotVerification{Outcome: v1alpha2.VerificationVerified}
	})
	add("z-later-still", 900, func(*v1alpha2.EtcdSnapshot) {})
	add("by-a-clock-that-was-ahead", 9000, func(s *v1alpha2.EtcdSnapshot) { s.Status.Artifact.Revision = 41 })
	add("failed", 1000, func(s *v1alpha2.EtcdSnapshot) { s.Status.Phase, s.Status.Artifact = v1alpha2.SnapshotFailed, nil })
	add("another-cluster", 1000, func(s *v1alpha2.EtcdSnapshot) { s.Spec.ClusterRef.Name = "other" })
	add("an-earlier-cluster-of-the-name", 1000, func(s *v1alpha2.EtcdSnapshot) { s.Status.Artifact.ClusterID = "c0" })
	last := func() *v1alpha2.LastSnapshot {
		_, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: demo})
		must(t, err)
		c := &v1alpha2.EtcdCluster{}
		must(t, w.store.Get(t.Context(), demo, c))
		return c.Status.LastSnapshot
	}
	want := &v1alpha2.LastSnapshot{
		Name: "z-later-still", CompletedAt: metav1.NewTime(noon.Add(900 * time.Second)), Revision: 42, SizeBytes: 5 << 20,
	}
	if diff := cmp.Diff(want, last()); diff != "" {
		t.Error(diff)
	}
	for name, at := range map[string]int{
		"etcd_operator_snapshot_last_success_timestamp_seconds": 900, "etcd_operator_snapshot_last_verified_timestamp_seconds": 600,
	} {
		if got, want := w.metric(name, "", ""), float64(noon.Unix()+int64(at)); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, gone := range []string{"z-later-still", "a-later", "now", "by-a-clock-that-was-ahead"} {
		must(t, w.store.Delete(t.Context(), &v1alpha2.EtcdSnapshot{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: gone}}))
	}
	if got := last(); got != nil {
		t.Errorf("all are gone, and the last one is %+v", got)
	}
	if got := w.metric("etcd_operator_snapshot_last_success_timestamp_seconds", "", ""); got != 0 {
		t.Errorf("all are gone, and the last one was at %v", got)
	}
}

func TestATryOnANodeThatDoesNotAnswerIsNotWaitedForForever(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.finish("now-1", batchv1.JobFailureTarget, "BackoffLimitExceeded")
	w.later(30 * time.Second)
	w.is(v1alpha2.SnapshotStarted, "Saving")
	w.later(time.Minute)
	w.is(v1alpha2.SnapshotStarted, "Interrupted")
	w.later(5 * time.Second)
	w.hasJobs("now-1", "now-2")
}

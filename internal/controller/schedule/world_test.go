package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/metrics"
)

var (
	nightly = types.NamespacedName{Namespace: "ns", Name: "nightly"}
	eight   = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
)

// world is a cluster and a schedule for it in a fake API server. It is its clock, and it takes the place of the snapshot controller.
type world struct {
	*Reconciler
	t        *testing.T
	store    client.Client
	recorder *events.FakeRecorder
	registry *prometheus.Registry
	now      time.Time // of the operator
	skew     time.Duration
	writes   []string
	failAt   int  // the write that fails
	done     bool // though it is made
	revision int64
	took     time.Duration // what a snapshot takes
	fails    func(due time.Time) bool
	made     []string // the runs that an EtcdSnapshot was made for, as hh:mm:ss
	erased   []string // the names of those that were deleted together with what they stored
}

// every is a schedule of @every or five fields, with what else a test wants.
func newWorld(t *testing.T, spec string, change func(*v1alpha2.EtcdSnapshotScheduleSpec)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, v1alpha2.AddToScheme(scheme))
	w := &world{t: t, recorder: events.NewFakeRecorder(10000), registry: prometheus.NewRegistry(), now: eight, failAt: -1,
		took: 5 * time.Second, fails: func(time.Time) bool { return false }}
	w.store = fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha2.EtcdSnapshotSchedule{}, &v1alpha2.EtcdSnapshot{}, &v1alpha2.EtcdCluster{}).Build()
	w.Reconciler = &Reconciler{
		Client: w.watched(), Live: w.store, Recorder: w.recorder, Meter: metrics.New(w.registry), Now: func() time.Time { return w.now },
	}
	w.create(&v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"}})
	schedule := &v1alpha2.EtcdSnapshotSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "nightly", CreationTimestamp: metav1.NewTime(eight), Generation: 1},
		Spec: v1alpha2.EtcdSnapshotScheduleSpec{
			Schedule: spec, ConcurrencyPolicy: v1alpha2.ConcurrencyForbid, DeletionPolicy: v1alpha2.SnapshotRetain,
			Destination: v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backup"}},
		},
	}
	schedule.Spec.ClusterRef.Name = "demo"
	if change != nil {
		change(&schedule.Spec)
	}
	w.create(schedule)
	return w
}

func keepLast(n int32) *v1alpha2.SnapshotRetention {
	return &v1alpha2.SnapshotRetention{KeepLast: ptr.To(n)}
}

var errCut = errors.New("the connection was cut off")

// watched is the operator's client: it notes writes, and lets one of them fail.
func (w *world) watched() client.Client {
	write := func(what string, do func() error) error {
		w.writes = append(w.writes, what)
		fails := len(w.writes) == w.failAt
		if fails && !w.done {
			return errCut
		}
		err := do()
		if fails && err == nil {
			err = errCut
		}
		return err
	}
	return interceptor.NewClient(w.store.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return write("create "+o.GetName(), func() error {
				o.SetCreationTimestamp(metav1.NewTime(w.now.Add(-w.skew)))
				err := c.Create(ctx, o, opts...)
				if err == nil {
					w.made = append(w.made, w.due(o).Format(time.TimeOnly))
				}
				return err
			})
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write("patch "+o.GetName(), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write("delete "+o.GetName(), func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch,
			opts ...client.SubResourcePatchOption) error {
			return write("status", func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

func (w *world) due(o client.Object) time.Time {
	w.t.Helper()
	due, err := time.Parse(time.RFC3339, o.GetAnnotations()[v1alpha2.AnnotationScheduledAt])
	must(w.t, err)
	return due
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	must(w.t, w.store.Create(w.t.Context(), o))
}

func (w *world) schedule() *v1alpha2.EtcdSnapshotSchedule {
	w.t.Helper()
	s := &v1alpha2.EtcdSnapshotSchedule{}
	must(w.t, w.store.Get(w.t.Context(), nightly, s))
	return s
}

func (w *world) change(change func(*v1alpha2.EtcdSnapshotScheduleSpec)) {
	w.t.Helper()
	s := w.schedule()
	change(&s.Spec)
	must(w.t, w.store.Update(w.t.Context(), s))
}

func (w *world) snapshots() (items []v1alpha2.EtcdSnapshot) {
	w.t.Helper()
	var list v1alpha2.EtcdSnapshotList
	must(w.t, w.store.List(w.t.Context(), &list))
	return list.Items
}

// has lists the snapshots that are there, as hh:mm, with the marks of their phase (C F or -) and of their drill (V F I).
func (w *world) has() string {
	w.t.Helper()
	var names []string
	for _, s := range w.snapshots() {
		mark := map[v1alpha2.SnapshotPhase]string{v1alpha2.SnapshotComplete: "C", v1alpha2.SnapshotFailed: "F"}[s.Status.Phase]
		if mark == "" {
			mark = "-"
		}
		if s.Status.Verification != nil {
			mark += string(s.Status.Verification.Outcome)[:1]
		}
		names = append(names, w.due(&s).Format("15:04")+mark)
	}
	return strings.Join(slices.Sorted(slices.Values(names)), " ")
}

// pass runs the operator until it rests, and gives how long it wants to.
func (w *world) pass() time.Duration {
	w.t.Helper()
	for range 100 {
		before := len(w.writes)
		result, err := w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: nightly})
		if err != nil && !errors.Is(err, errCut) {
			w.t.Fatal(err)
		}
		if err == nil && len(w.writes) == before {
			return result.RequeueAfter
		}
	}
	w.t.Fatalf("does not come to rest: %v", w.writes[len(w.writes)-10:])
	return 0
}

// run lets time go by.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); ; {
		next := w.pass()
		if w.serve() {
			continue
		}
		step := min(next, w.took, end.Sub(w.now))
		if w.now = w.now.Add(step); step <= 0 {
			return
		}
	}
}

// serve does what the snapshot controller would do, and says whether it did anything.
func (w *world) serve() (did bool) {
	w.t.Helper()
	for _, s := range w.snapshots() {
		switch {
		case !s.DeletionTimestamp.IsZero():
			w.erased = append(w.erased, w.due(&s).Format("15:04"))
			controllerutil.RemoveFinalizer(&s, v1alpha2.FinalizerSnapshot)
			must(w.t, w.store.Update(w.t.Context(), &s))
		case s.Status.Phase == "" && !w.now.Add(-w.skew).Before(s.CreationTimestamp.Add(w.took)):
			w.finish(&s)
		case s.Status.Phase == v1alpha2.SnapshotComplete && w.asked(&s):
			s.Status.Verification = &v1alpha2.SnapshotVerification{
				Request: s.Annotations[v1alpha2.AnnotationVerify], Outcome: v1alpha2.VerificationVerified,
				StartedAt: ptr.To(metav1.NewTime(w.now)), CompletedAt: ptr.To(metav1.NewTime(w.now)),
			}
			must(w.t, w.store.Status().Update(w.t.Context(), &s))
		default:
			continue
		}
		did = true
	}
	return did
}

func (w *world) asked(s *v1alpha2.EtcdSnapshot) bool {
	request := s.Annotations[v1alpha2.AnnotationVerify]
	return request != "" && (s.Status.Verification == nil || s.Status.Verification.Request != request)
}

func (w *world) finish(s *v1alpha2.EtcdSnapshot) {
	w.t.Helper()
	s.Status.CompletedAt = ptr.To(metav1.NewTime(w.now))
	if w.fails(w.due(s)) {
		s.Status.Phase = v1alpha2.SnapshotFailed
		meta.SetStatusCondition(&s.Status.Conditions, metav1.Condition{
			Type: v1alpha2.ConditionReady, Status: metav1.ConditionFalse, Reason: "StoreUnreachable", Message: "the store does not answer",
		})
	} else {
		w.revision++
		s.Status.Phase = v1alpha2.SnapshotComplete
		s.Status.Artifact = &v1alpha2.SnapshotArtifact{ClusterID: "1", Revision: w.revision, URI: "pvc://backup/" + s.Name, Checksum: "sha256:0"}
	}
	must(w.t, w.store.Status().Update(w.t.Context(), s))
}

// ready is the reason of the condition Ready, with a mark of what it is, and the other conditions that hold.
func (w *world) ready() string {
	w.t.Helper()
	var b strings.Builder
	for _, c := range w.schedule().Status.Conditions {
		fmt.Fprintf(&b, "%s=%s(%s) ", c.Type, c.Status, c.Reason)
	}
	return strings.TrimSpace(b.String())
}

// told is what Events have said since it was asked last.
func (w *world) told() (said []string) {
	for len(w.recorder.Events) > 0 {
		said = append(said, <-w.recorder.Events)
	}
	return said
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

var (
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	now  = types.NamespacedName{Namespace: "ns", Name: "now"}
)

// world is a cluster of one member and an EtcdSnapshot of it, in a fake API server. The test plays Jobs and agents.
type world struct {
	*Reconciler
	t        *testing.T
	store    client.Client
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	registry *prometheus.Registry
	writes   int
	failAt   int  // the write that fails
	done     bool // though it is made
}

func newWorld(t *testing.T, change func(*v1alpha2.EtcdSnapshot)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, errors.Join(batchv1.AddToScheme(scheme), corev1.AddToScheme(scheme), v1alpha2.AddToScheme(scheme)))
	w := &world{t: t, clock: testingclock.NewFakeClock(noon), recorder: events.NewFakeRecorder(1000), failAt: -1}
	w.store = fake.NewClientBuilder().WithScheme(scheme).
		WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}, &v1alpha2.EtcdSnapshot{}, &batchv1.Job{}).Build()
	w.registry = prometheus.NewRegistry()
	w.Reconciler = &Reconciler{
		Client: w.watched(), Live: w.store, Recorder: w.recorder, Meter: metrics.New(w.registry), Now: w.clock.Now,
		OperatorImage: "operator:dev", EtcdRepository: "registry.example/etcd",
	}
	cluster := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo", UID: "u1"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
		Status:     v1alpha2.EtcdClusterStatus{ClusterID: "c1"},
	}
	must(t, w.store.Create(t.Context(), cluster))
	w.member("demo-a", nil)
	must(t, w.store.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "creds"},
		Data:       map[string][]byte{resource.S3AccessKey: []byte("id"), resource.S3SecretKey: []byte("sesame")},
	}))
	s := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "now", UID: "s1", CreationTimestamp: metav1.NewTime(noon), Generation: 1},
		Spec: v1alpha2.EtcdSnapshotSpec{
			ClusterRef: corev1.LocalObjectReference{Name: "demo"}, DeletionPolicy: v1alpha2.SnapshotRetain,
			Destination: v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
				Endpoint: "https://s3.example.org", Bucket: "backup", Key: "prod", CredentialsSecretRef: &corev1.LocalObjectReference{Name: "creds"},
			}},
		},
	}
	if change != nil {
		change(s)
	}
	must(t, w.store.Create(t.Context(), s))
	return w
}

var errCut = errors.New("the connection was cut off")

func (w *world) watched() client.Client {
	write := func(do func() error) error {
		w.writes++
		fails := w.writes == w.failAt
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
			if slices.Contains(opts, client.CreateOption(client.DryRunAll)) {
				return c.Create(ctx, o, opts...)
			}
			return write(func() error { return c.Create(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, o, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch,
			opts ...client.SubResourcePatchOption) error {
			return write(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

// member adds a voter.
func (w *world) member(name string, tls *v1alpha2.EtcdMemberTLS) {
	w.t.Helper()
	must(w.t, w.store.Create(w.t.Context(), &v1alpha2.EtcdMember{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: resource.Labels("demo", "u1", "member")},
		Spec:       v1alpha2.EtcdMemberSpec{ClusterName: "demo", TLS: tls},
		Status:     v1alpha2.EtcdMemberStatus{IsVoter: true},
	}))
}

func (w *world) change(o client.Object, name string, change func()) {
	w.t.Helper()
	must(w.t, w.store.Get(w.t.Context(), types.NamespacedName{Namespace: "ns", Name: name}, o))
	change()
	status := o.DeepCopyObject().(client.Object)
	must(w.t, w.store.Update(w.t.Context(), o))
	status.SetResourceVersion(o.GetResourceVersion())
	must(w.t, client.IgnoreNotFound(w.store.Status().Update(w.t.Context(), status)))
}

// snapshot is nil if it is gone.
func (w *world) snapshot() *v1alpha2.EtcdSnapshot {
	w.t.Helper()
	s := &v1alpha2.EtcdSnapshot{}
	err := w.store.Get(w.t.Context(), now, s)
	must(w.t, client.IgnoreNotFound(err))
	if err != nil {
		return nil
	}
	return s
}

func (w *world) jobs() (names []string) {
	w.t.Helper()
	var jobs batchv1.JobList
	must(w.t, w.store.List(w.t.Context(), &jobs))
	for i := range jobs.Items {
		names = append(names, jobs.Items[i].Name)
	}
	slices.Sort(names)
	return names
}

func (w *world) job(name string) *batchv1.Job {
	w.t.Helper()
	job := &batchv1.Job{}
	must(w.t, w.store.Get(w.t.Context(), types.NamespacedName{Namespace: "ns", Name: name}, job))
	return job
}

// pod is one of a Job, as it would be before it has a node.
func (w *world) pod(job string, status corev1.PodStatus) {
	w.t.Helper()
	j := w.job(job)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: job + "-pod", Labels: map[string]string{batchv1.JobNameLabel: job},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(j, batchv1.SchemeGroupVersion.WithKind("Job"))},
		},
		Status: status,
	}
	must(w.t, client.IgnoreNotFound(w.store.Delete(w.t.Context(), pod.DeepCopy())))
	must(w.t, w.store.Create(w.t.Context(), pod))
}

func agentIs(phase corev1.PodPhase, state corev1.ContainerState) corev1.PodStatus {
	return corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{Name: resource.AgentContainer, State: state}}}
}

func waiting(reason, message string) corev1.PodStatus {
	return agentIs(corev1.PodPending, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
}

// end lets the agent of a Job end with a report; none lets its Pod vanish.
func (w *world) end(job string, report *task.Report) {
	w.t.Helper()
	kind := batchv1.JobFailed
	if report != nil {
		code := int32(1)
		if report.Succeeded {
			kind, code = batchv1.JobComplete, 0
		}
		text, err := report.Encode()
		must(w.t, err)
		w.pod(job, agentIs(corev1.PodSucceeded, corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: string(text)},
		}))
	}
	w.finish(job, kind, "")
}

func (w *world) finish(job string, kind batchv1.JobConditionType, reason string) {
	w.t.Helper()
	j := w.job(job)
	j.Status.StartTime = &metav1.Time{Time: w.clock.Now().Add(-3 * time.Second)}
	j.Status.Conditions = append(j.Status.Conditions, batchv1.JobCondition{
		Type: kind, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.NewTime(w.clock.Now()),
	})
	must(w.t, w.store.Status().Update(w.t.Context(), j))
}

func saved() *task.Report {
	return &task.Report{Succeeded: true, Artifact: &v1alpha2.SnapshotArtifact{
		URI: "s3://backup/prod/now.db", SizeBytes: 5 << 20, Checksum: "sha256:abc", Revision: 42, ClusterID: "c1", EtcdVersion: "3.6.16",
	}}
}

func refused(reason task.Reason, message string) *task.Report {
	return &task.Report{Reason: reason, Message: message}
}

// settle runs passes until nothing is written any more.
func (w *world) settle() reconcile.Result {
	w.t.Helper()
	for range 30 {
		before := w.writes
		result, err := w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: now})
		if err != nil && !errors.Is(err, errCut) {
			w.t.Fatal(err)
		}
		if err == nil && w.writes == before {
			return result
		}
	}
	w.t.Fatal("does not come to rest")
	return reconcile.Result{}
}

// later lets time go by.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	w.clock.Step(d)
	w.settle()
}

// is expects a phase, and what Ready says.
func (w *world) is(phase v1alpha2.SnapshotPhase, reason string, saying ...string) {
	w.t.Helper()
	s := w.snapshot()
	ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady)
	complete := phase == v1alpha2.SnapshotComplete
	if s.Status.Phase != phase || ready == nil || ready.Reason != reason || (ready.Status == metav1.ConditionTrue) != complete {
		w.t.Fatalf("it is %s, and Ready %+v; want %s and %s", s.Status.Phase, ready, phase, reason)
	}
	for _, text := range saying {
		if !strings.Contains(ready.Message, text) {
			w.t.Errorf("Ready says %q, want %q", ready.Message, text)
		}
	}
}

func (w *world) hasJobs(want ...string) {
	w.t.Helper()
	if got := w.jobs(); !slices.Equal(got, want) {
		w.t.Fatalf("Jobs are %q, want %q", got, want)
	}
}

// told are the reasons of all Events since it was last asked.
func (w *world) told() (reasons []string) {
	for len(w.recorder.Events) > 0 {
		reasons = append(reasons, strings.Fields(<-w.recorder.Events)[1])
	}
	return reasons
}

// taskOf is what the agent of a Job is told.
func (w *world) taskOf(job string) (kind string, of task.Task) {
	w.t.Helper()
	c := w.job(job).Spec.Template.Spec.Containers[0]
	text, _ := strings.CutPrefix(c.Command[3], "--task=")
	must(w.t, json.Unmarshal([]byte(text), &of))
	return c.Command[2], of
}

// mustHide: what Secrets hold is nowhere else.
func (w *world) mustHide(secrets ...string) {
	w.t.Helper()
	var jobs batchv1.JobList
	must(w.t, w.store.List(w.t.Context(), &jobs))
	text := fmt.Sprintf("%+v %+v", w.snapshot(), jobs)
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			w.t.Errorf("%s is told", secret)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

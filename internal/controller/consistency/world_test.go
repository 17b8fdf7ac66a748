package consistency

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

var (
	demo = types.NamespacedName{Namespace: "ns", Name: "demo"}
	noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
)

// world is a formed cluster in a fake API server and a fake etcd.
type world struct {
	*Reconciler
	t        *testing.T
	store    client.Client
	etcd     *etcdfake.World
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	founders []string
	writes   int
	asked    []string         // calls of HashKV, by endpoint
	conflict int              // that many writes of status fail
	measured []plan.Agreement // what the meter was told
	fault    func(etcdfake.Call) etcdfake.Fault
}

func (w *world) Compared(_ types.NamespacedName, a plan.Agreement, _ time.Time) {
	w.measured = append(w.measured, a)
}

func newWorld(t *testing.T, founders ...string) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, founders: founders, clock: testingclock.NewFakeClock(noon), recorder: events.NewFakeRecorder(10)}
	w.etcd = etcdfake.New(w.clock)
	w.store = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: w.patch}).Build()
	w.etcd.Inject(func(c etcdfake.Call) etcdfake.Fault {
		if c.Method == "HashKV" {
			w.asked = append(w.asked, c.Endpoint)
		}
		if w.fault != nil {
			return w.fault(c)
		}
		return etcdfake.Fault{}
	})
	w.Reconciler = &Reconciler{
		Client: w.store, Meter: w, Recorder: w.recorder, Now: w.clock.Now, Period: time.Hour,
		Observer: &observe.Observer{
			Cached: w.store, Live: w.store, Dialer: w.etcd.Dialer(), ClientURL: observe.ClientURL, Now: w.clock.Now,
		},
	}
	ids := map[string]uint64{}
	for _, name := range founders {
		ids[name] = etcdfake.FounderID("token", peerURL(name))
		w.start(name)
	}
	cluster := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name, UID: "u1", CreationTimestamp: metav1.NewTime(noon)},
		Spec:       v1alpha2.EtcdClusterSpec{Replicas: new(int32(len(founders)))},
		Status: v1alpha2.EtcdClusterStatus{
			ClusterID: observe.FormatID(etcdfake.ClusterID(slices.Collect(maps.Values(ids))...)), InitialMembers: founders,
		},
	}
	for _, name := range founders {
		cluster.Status.Members = append(cluster.Status.Members, v1alpha2.MemberSummary{
			Name: name, MemberID: observe.FormatID(ids[name]), Role: v1alpha2.MemberRoleVoter,
		})
	}
	w.create(cluster)
	for _, name := range founders {
		w.createMember(name, ids[name])
	}
	w.put(5)
	return w
}

func peerURL(name string) string   { return "http://" + name + ".demo.ns.svc:2380" }
func clientURL(name string) string { return "http://" + name + ".demo.ns.svc:2379" }

// start starts a founder, on the volume that has its name.
func (w *world) start(name string) {
	w.t.Helper()
	var pairs []string
	for _, f := range w.founders {
		pairs = append(pairs, f+"="+peerURL(f))
	}
	w.run(name, strings.Join(pairs, ","), false)
}

func (w *world) run(name, initial string, existing bool) {
	w.t.Helper()
	_, err := w.etcd.Start(etcdfake.Args{
		Name: name, PeerURL: peerURL(name), ClientURL: clientURL(name), InitialCluster: initial, Token: "token", Existing: existing,
		Volume: name, Version: "3.6.16",
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) createMember(name string, id uint64) {
	w.t.Helper()
	meta := func(n string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: demo.Namespace, Name: n, UID: types.UID("volume-of-" + name), Labels: map[string]string{
			v1alpha2.LabelCluster: demo.Name, v1alpha2.LabelClusterUID: "u1", v1alpha2.LabelMember: name,
		}}
	}
	w.create(&v1alpha2.EtcdMember{
		ObjectMeta: meta(name), Spec: v1alpha2.EtcdMemberSpec{ClusterName: demo.Name, PeerURL: peerURL(name), InitialCluster: "x"},
		Status: v1alpha2.EtcdMemberStatus{
			MemberID: observe.FormatID(id), IsVoter: true,
			Incarnation: &v1alpha2.MemberIncarnation{MemberID: observe.FormatID(id), VolumeUID: "volume-of-" + name},
		},
	})
	w.create(&corev1.PersistentVolumeClaim{ObjectMeta: meta("data-" + name)})
	w.create(&corev1.Pod{ObjectMeta: meta(name), Status: corev1.PodStatus{
		Phase:             corev1.PodRunning,
		ContainerStatuses: []corev1.ContainerStatus{{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	}})
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.store.Create(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) patch(
	ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
) error {
	if w.conflict > 0 {
		w.conflict--
		w.changeCluster(func(c *v1alpha2.EtcdCluster) { c.Status.LastOrdinal++ }) // somebody else was faster
	}
	w.writes++
	return c.SubResource(sub).Patch(ctx, o, p, opts...)
}

func (w *world) put(keys int) {
	w.t.Helper()
	for i := range keys {
		if err := w.etcd.Process(clientURL(w.founders[0])).Put(fmt.Sprint("key-", i)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) cluster() *v1alpha2.EtcdCluster {
	w.t.Helper()
	c := &v1alpha2.EtcdCluster{}
	if err := w.store.Get(w.t.Context(), demo, c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// changeCluster changes spec, metadata and status.
func (w *world) changeCluster(change func(*v1alpha2.EtcdCluster)) {
	w.t.Helper()
	c := w.cluster()
	change(c)
	status := c.Status.DeepCopy()
	if err := w.store.Update(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
	c.Status = *status
	if err := w.store.Status().Update(w.t.Context(), c); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pass() reconcile.Result {
	w.t.Helper()
	result, err := w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: demo})
	if err != nil {
		w.t.Fatal(err)
	}
	return result
}

// due lets so much time go by that a regular comparison is due, and makes it.
func (w *world) due() *v1alpha2.ConsistencyCheck {
	w.t.Helper()
	w.clock.Step(2 * time.Hour)
	w.pass()
	return w.cluster().Status.Consistency
}

func (w *world) id(name string) string {
	return observe.FormatID(etcdfake.FounderID("token", peerURL(name)))
}

func (w *world) event() string {
	select {
	case e := <-w.recorder.Events:
		return e
	default:
		return ""
	}
}

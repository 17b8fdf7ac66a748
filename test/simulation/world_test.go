package simulation

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/cluster"
	"github.com/cozystack/etcd-operator/internal/controller/member"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

const namespace = "sim"

var demo = types.NamespacedName{Namespace: namespace, Name: "demo"}

// world is a Kubernetes cluster with the operator, kubelets and one client of etcd.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	clock *testingclock.FakeClock
	etcd  *etcdfake.World

	store  client.WithWatch // what the API server holds
	faults *faults
	cache  *cache

	clusters, members reconcile.Reconciler
	kubelet           *kubelet
	watchdog          *watchdog
	writer            *writer
	uids              int
	version           string   // of etcd, for clusters that are made; empty is one that all scenarios can live with
	before            []string // identities to compare with
}

func newWorld(t *testing.T, seed uint64, plan fault) *world {
	t.Helper()
	w := &world{
		t:     t,
		rng:   rand.New(rand.NewPCG(seed, 0)),
		clock: testingclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	w.etcd = etcdfake.New(w.clock)
	w.watchdog = &watchdog{t: t, names: map[string]types.UID{}, started: map[string]string{}}
	w.writer = &writer{}
	w.faults = &faults{planned: plan}
	w.cache = &cache{}
	scheme := newScheme(t)
	w.store = fake.NewClientBuilder().WithScheme(scheme).
		WithObjectTracker(clienttesting.NewObjectTracker(scheme, serializer.NewCodecFactory(scheme).UniversalDecoder())).
		WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}, &v1alpha2.EtcdSnapshot{}).
		WithObjects(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Status: corev1.NodeStatus{
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		}}).
		WithInterceptorFuncs(w.admission()).Build()
	w.cache.store = w.store
	w.etcd.Inject(w.faults.call)
	w.kubelet = &kubelet{w: w, volumes: map[types.UID]marker{}, prepared: map[types.UID]marker{}}
	w.cache.sync(t)
	w.startOperator()
	return w
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// startOperator begins with nothing in memory, as after a crash.
func (w *world) startOperator() {
	api := w.faults.wrap(w.store, w.cache)
	recorder := events.NewFakeRecorder(10000)
	w.clusters = &cluster.Reconciler{
		Client: api,
		Observer: &observe.Observer{
			Cached: w.cache, Live: w.store, Dialer: w.etcd.Dialer(), ClientURL: observe.ClientURL, Now: w.clock.Now,
		},
		Recorder: recorder, Meter: noMeter{}, Now: w.clock.Now, OperatorImage: "operator", EtcdRepository: "etcd",
	}
	w.members = &member.Reconciler{
		Client: api, Live: w.store, Recorder: recorder, Now: w.clock.Now, OperatorImage: "operator", EtcdRepository: "etcd",
	}
}

type noMeter struct{}

func (noMeter) Step(string, string, time.Duration, error) {}
func (noMeter) Refused(string, string)                    {}
func (noMeter) Seen(types.NamespacedName, plan.Cluster)   {}
func (noMeter) RolledOut(types.NamespacedName, int, bool) {}
func (noMeter) Forget(types.NamespacedName)               {}

// turn gives somebody drawn at random a turn, and lets a little time pass.
func (w *world) turn() {
	w.t.Helper()
	w.clock.Step(time.Duration(w.rng.IntN(400)) * time.Millisecond)
	ctx := context.Background()
	switch n := w.rng.IntN(10); {
	case n < 3:
		w.reconcile(ctx, w.clusters, demo)
	case n < 6:
		var list v1alpha2.EtcdMemberList
		w.must(w.store.List(ctx, &list, client.InNamespace(namespace)))
		for _, i := range w.rng.Perm(len(list.Items)) {
			w.reconcile(ctx, w.members, client.ObjectKeyFromObject(&list.Items[i]))
		}
	case n < 8:
		w.kubelet.sync(ctx)
		w.collectGarbage(ctx)
		w.compare(ctx)
	default:
		w.writer.write(w)
	}
	if w.rng.IntN(3) > 0 {
		w.cache.sync(w.t)
	}
	w.watchdog.look(w)
}

func (w *world) reconcile(ctx context.Context, r reconcile.Reconciler, key types.NamespacedName) {
	w.t.Helper()
	_, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: key})
	if w.faults.crashed {
		w.faults.crashed = false
		w.startOperator()
		return
	}
	if err != nil && !w.faults.struck {
		w.t.Logf("%s %s: %v", w.clock.Now().Format("04:05.000"), key.Name, err)
	}
}

// until takes turns until done holds, and fails the test if it never does.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	const most = 4000
	for range most {
		if done() {
			return
		}
		w.turn()
	}
	w.t.Fatalf("%s: not after %d turns: %s", what, most, w.describe())
}

func (w *world) describe() (s string) {
	var clusters v1alpha2.EtcdClusterList
	w.must(w.store.List(context.Background(), &clusters))
	for _, c := range clusters.Items {
		s += fmt.Sprintf("want %d, status %+v\n", *c.Spec.Replicas, c.Status)
	}
	var list v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &list))
	for _, m := range list.Items {
		s += fmt.Sprintf("%s: %+v\n%+v\n", m.Name, m.Spec, m.Status)
	}
	return s
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) cluster() *v1alpha2.EtcdCluster {
	w.t.Helper()
	c := &v1alpha2.EtcdCluster{}
	w.must(w.store.Get(context.Background(), demo, c))
	return c
}

func (w *world) create(replicas int32, medium v1alpha2.StorageMedium) {
	w.t.Helper()
	w.must(w.store.Create(context.Background(), &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: &replicas, Version: cmp.Or(w.version, "3.6.16"), Storage: v1alpha2.StorageSpec{Medium: medium},
		},
	}))
}

// restore creates a cluster that starts from a snapshot on a volume of people's.
func (w *world) restore(replicas int32) {
	w.t.Helper()
	ctx := context.Background()
	w.must(w.store.Create(ctx, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "backups"}}))
	w.must(w.store.Create(ctx, &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: &replicas, Version: "3.6.16", Bootstrap: &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{
				Source: &v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups", SubPath: "now.db"}},
			}},
		},
	}))
}

func (w *world) scale(replicas int32) {
	w.t.Helper()
	for {
		c := w.cluster()
		c.Spec.Replicas = &replicas
		c.Generation++
		if err := w.store.Update(context.Background(), c); !apierrors.IsConflict(err) {
			w.must(err)
			return
		}
	}
}

// ready says whether the cluster is as its spec asks, and says so itself.
func (w *world) ready() bool {
	c := w.cluster()
	ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && c.Status.ObservedGeneration == c.Generation &&
		ready.ObservedGeneration == c.Generation && c.Status.ReadyMembers == *c.Spec.Replicas
}

// collectGarbage deletes objects whose owner is gone, as the garbage collector does.
func (w *world) collectGarbage(ctx context.Context) {
	w.t.Helper()
	alive := map[types.UID]bool{}
	var clusters v1alpha2.EtcdClusterList
	w.must(w.store.List(ctx, &clusters))
	for _, c := range clusters.Items {
		alive[c.UID] = true
	}
	for _, list := range lists()[1:] {
		w.must(w.store.List(ctx, list))
		objects, err := meta.ExtractList(list)
		w.must(err)
		for _, o := range objects {
			o := o.(client.Object)
			alive[o.GetUID()] = true
			for _, owner := range o.GetOwnerReferences() {
				if !alive[owner.UID] {
					w.must(client.IgnoreNotFound(w.store.Delete(ctx, o)))
					alive[o.GetUID()] = false
				}
			}
		}
	}
}

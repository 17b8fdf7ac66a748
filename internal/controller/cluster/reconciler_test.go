package cluster

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/observe"
)

var demo = types.NamespacedName{Namespace: "ns", Name: "demo"}

// bench is a reconciler whose cache may show something else than the API server holds.
type bench struct {
	*Reconciler
	cached, live client.Client
	writes       []string
}

func newBench(t *testing.T, cached, live []client.Object) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{}
	build := func(objects []client.Object) client.Client {
		return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}).
			WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				b.writes = append(b.writes, "create "+o.GetName())
				return c.Create(ctx, o, opts...)
			},
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
				b.writes = append(b.writes, "patch "+o.GetName())
				return c.Patch(ctx, o, p, opts...)
			},
		}).Build()
	}
	b.cached, b.live = build(cached), build(live)
	now := testingclock.NewFakeClock(noon)
	b.Reconciler = &Reconciler{
		Client: b.live,
		Observer: &observe.Observer{
			Cached: b.cached, Live: b.live, Dialer: etcdfake.New(now).Dialer(), ClientURL: observe.ClientURL, Now: now.Now,
		},
		Recorder: events.NewFakeRecorder(100), Meter: metrics.New(prometheus.NewRegistry()), Now: now.Now,
	}
	return b
}

func (b *bench) pass(t *testing.T) reconcile.Result {
	t.Helper()
	res, err := b.Reconcile(context.Background(), reconcile.Request{NamespacedName: demo})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func etcdCluster(change func(*v1alpha2.EtcdCluster)) *v1alpha2.EtcdCluster {
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: demo.Namespace, Name: demo.Name, UID: "u1", Generation: 1, CreationTimestamp: metav1.NewTime(noon.Add(-time.Minute)),
		},
		Spec: v1alpha2.EtcdClusterSpec{Replicas: new(int32(3)), Version: "3.6.16"},
	}
	change(c)
	return c
}

func unchanged(*v1alpha2.EtcdCluster) {}

func TestNothingIsWrittenOnTheWordOfTheCacheAlone(t *testing.T) {
	for claim, live := range map[string][]client.Object{
		"the cluster is gone": nil,
		"the cluster is being deleted": {etcdCluster(func(c *v1alpha2.EtcdCluster) {
			c.DeletionTimestamp, c.Finalizers = new(metav1.NewTime(noon)), []string{"foregroundDeletion"}
		})},
		"reconciling was switched off": {etcdCluster(func(c *v1alpha2.EtcdCluster) {
			c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
		})},
		"the Service is there already, and somebody else's": {
			etcdCluster(unchanged), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name}},
		},
	} {
		t.Run(claim, func(t *testing.T) {
			b := newBench(t, []client.Object{etcdCluster(unchanged)}, live)
			b.pass(t)
			if len(b.writes) > 0 {
				t.Errorf("wrote %v", b.writes)
			}
		})
	}
}

func TestAPassMakesOneWrite(t *testing.T) {
	b := newBench(t, []client.Object{etcdCluster(unchanged)}, []client.Object{etcdCluster(unchanged)})
	res := b.pass(t)
	if len(b.writes) != 1 || b.writes[0] != "create demo" {
		t.Errorf("wrote %v, want the headless Service", b.writes)
	}
	if res.RequeueAfter <= 0 {
		t.Error("a step was taken, and nobody looks again")
	}
	if err := b.live.Get(context.Background(), demo, &corev1.Service{}); err != nil {
		t.Errorf("the headless Service: %v", err)
	}
}

func TestAClusterThatIsGoneIsForgotten(t *testing.T) {
	b := newBench(t, nil, nil)
	if res := b.pass(t); res != (reconcile.Result{}) {
		t.Errorf("looks again at a cluster that is gone: %v", res)
	}
	if err := b.live.Get(context.Background(), demo, &v1alpha2.EtcdCluster{}); !apierrors.IsNotFound(err) {
		t.Errorf("unexpected: %v", err)
	}
}

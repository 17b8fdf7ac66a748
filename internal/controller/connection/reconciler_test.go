package connection

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

var demo = types.NamespacedName{Namespace: "ns", Name: "demo"}

const oneMember = "http://demo-a.demo.ns.svc:2379"

// world is a cluster that has formed, and its one voter.
type world struct {
	*Reconciler
	t        *testing.T
	store    client.Client
	recorder *events.FakeRecorder
	writes   int
}

func newWorld(t *testing.T, change func(*v1alpha2.EtcdCluster)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha2.AddToScheme(scheme)))
	w := &world{t: t, recorder: events.NewFakeRecorder(100)}
	w.store = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}).Build()
	counted := interceptor.NewClient(w.store.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			w.writes++
			return c.Create(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			w.writes++
			return c.Update(ctx, o, opts...)
		},
	})
	w.Reconciler = &Reconciler{Client: counted, Live: w.store, Recorder: w.recorder}
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name, UID: "u1"},
		Status:     v1alpha2.EtcdClusterStatus{ClusterID: "c1"},
	}
	if change != nil {
		change(c)
	}
	must(t, w.store.Create(t.Context(), c))
	w.member("demo-a", nil)
	return w
}

// member adds a voter.
func (w *world) member(name string, tls *v1alpha2.EtcdMemberTLS) {
	w.t.Helper()
	m := &v1alpha2.EtcdMember{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name, Labels: resource.Labels(demo.Name, "u1", "member")},
		Spec:       v1alpha2.EtcdMemberSpec{ClusterName: demo.Name, TLS: tls},
		Status:     v1alpha2.EtcdMemberStatus{IsVoter: true},
	}
	must(w.t, w.store.Create(w.t.Context(), m))
}

func (w *world) change(change func(*v1alpha2.EtcdCluster)) {
	w.t.Helper()
	c := &v1alpha2.EtcdCluster{}
	must(w.t, w.store.Get(w.t.Context(), demo, c))
	change(c)
	status := c.Status
	must(w.t, w.store.Update(w.t.Context(), c))
	c.Status = status
	must(w.t, w.store.Status().Update(w.t.Context(), c))
}

// settle runs passes until nothing is written any more.
func (w *world) settle() reconcile.Result {
	w.t.Helper()
	for range 10 {
		before := w.writes
		result, err := w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: demo})
		must(w.t, err)
		if w.writes == before {
			return result
		}
	}
	w.t.Fatal("does not come to rest")
	return reconcile.Result{}
}

// connection is nil if there is none.
func (w *world) connection() *corev1.ConfigMap {
	w.t.Helper()
	m := &corev1.ConfigMap{}
	err := w.store.Get(w.t.Context(), types.NamespacedName{Namespace: demo.Namespace, Name: "demo-connection"}, m)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return m
}

func (w *world) says(key, want string) {
	w.t.Helper()
	if got := w.connection().Data[key]; got != want {
		w.t.Errorf("%s is %q, want %q", key, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestClientsAreToldOfMembersAsTheyComeAndGo(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.says("endpoints", oneMember)
	w.says("service", "http://demo-client.ns.svc:2379")
	if m := w.connection(); !resource.ControlledBy(m, "u1") || m.Labels[v1alpha2.LabelClusterUID] != "u1" {
		t.Errorf("it belongs to %v", m.OwnerReferences)
	}
	w.member("demo-b", nil)
	w.settle()
	w.says("endpoints", oneMember+",http://demo-b.demo.ns.svc:2379")

	tampered := w.connection()
	tampered.Data["endpoints"] = "http://elsewhere:2379"
	must(t, w.store.Update(t.Context(), tampered))
	w.settle()
	w.says("endpoints", oneMember+",http://demo-b.demo.ns.svc:2379")
	must(t, w.store.Delete(t.Context(), w.connection()))
	w.settle()
	w.says("service", "http://demo-client.ns.svc:2379")
}

func TestNobodyIsToldOfAClusterThatMayStillFailToForm(t *testing.T) {
	w := newWorld(t, func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "" })
	if w.settle(); w.connection() != nil {
		t.Error("clients are told of it")
	}
}

func TestNothingIsWrittenWhileReconcilingIsDisabledOrTheClusterGoes(t *testing.T) {
	for name, change := range map[string]func(*v1alpha2.EtcdCluster){
		"disabled": func(c *v1alpha2.EtcdCluster) {
			c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
		},
		"going": func(c *v1alpha2.EtcdCluster) { c.Finalizers = []string{"example.org/slow"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, change)
			if name == "going" {
				must(t, w.store.Delete(t.Context(), &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo"}}))
			}
			if w.settle(); w.connection() != nil {
				t.Error("something is written")
			}
		})
	}
}

func TestAStrangersConfigMapIsLeftAloneAndNamed(t *testing.T) {
	for name, c := range map[string]struct {
		uid  string
		says bool
	}{
		"a stranger's":         {"", true},
		"an earlier cluster's": {"u0", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			theirs := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo-connection", Labels: map[string]string{"app": "shop"}},
				Data:       map[string]string{"endpoints": "theirs"},
			}
			if c.uid != "" {
				theirs.Labels = resource.Labels("demo", types.UID(c.uid), "cluster")
			}
			must(t, w.store.Create(t.Context(), theirs))
			if result := w.settle(); result.RequeueAfter != patient {
				t.Errorf("looks again after %s", result.RequeueAfter)
			}
			w.says("endpoints", "theirs")
			said := ""
			if len(w.recorder.Events) > 0 {
				said = <-w.recorder.Events
			}
			if strings.Contains(said, "NameTaken ConfigMap demo-connection") != c.says {
				t.Errorf("says %q", said)
			}
			must(t, w.store.Delete(t.Context(), theirs))
			w.settle()
			w.says("endpoints", oneMember)
		})
	}
}

// TestCAsArePutInOnceAndThenLeftToTheirController: it writes them before anybody shows certificates of theirs.
func TestCAsArePutInOnceAndThenLeftToTheirController(t *testing.T) {
	w := newWorld(t, func(c *v1alpha2.EtcdCluster) {
		c.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
		c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Bundle: "h1"}}
	})
	trust := func(hash, text string) {
		c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "demo", UID: "u1"}}
		must(t, w.store.Create(t.Context(), resource.TrustConfigMap(c, resource.ClientPlane, hash, text)))
	}
	trust("h1", "old")
	trust("h2", "both")
	w.settle()
	w.says("ca.crt", "old")
	m := w.connection()
	m.Data["ca.crt"] = "both"
	must(t, w.store.Update(t.Context(), m))
	w.settle()
	w.says("ca.crt", "both")

	w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = nil })
	w.settle()
	w.says("ca.crt", "both") // members speak TLS still
	w.change(func(c *v1alpha2.EtcdCluster) { c.Status.TLS = nil })
	w.settle()
	if _, there := w.connection().Data["ca.crt"]; there {
		t.Error("a CA, and nobody speaks TLS")
	}
	w.change(func(c *v1alpha2.EtcdCluster) {
		c.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
	})
	m = w.connection()
	m.Data["ca.crt"] = "new"
	must(t, w.store.Update(t.Context(), m))
	w.settle()
	w.says("ca.crt", "new") // its controller was first
}

package certificate

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

var (
	demo = types.NamespacedName{Namespace: "ns", Name: "demo"}
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// world is a cluster whose members are played: they are started with what the objects say at that moment, show what kubelets carry
// to them, and are asked at every write whether they still accept each other.
type world struct {
	*Reconciler
	mu       sync.Mutex
	t        *testing.T
	store    client.Client
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	running  map[string]*process
	clients  pki.Bundle              // that clients have taken over
	apps     map[string]pki.Material // what applications show, by their Secrets
	restarts int
	writes   []string
	fail     func(n int) (before, after error) // of the n-th write
	ended    map[string]time.Time              // what the meter was told
	unsafe   bool                              // members need not accept each other
	greeted  int                               // number of handshakes
	wrote    func()                            // is called after a write
	others   func() bool                       // do what they do, and say whether they did something
	nowhere  error                             // what is answered where there is no cert-manager
}

// process is a member that runs.
type process struct {
	silent bool
	trusts map[resource.Plane]pki.Bundle // as it was started; empty where it asks nobody
	shows  map[resource.Plane]pki.Material
}

func newWorld(t *testing.T, tls v1alpha2.EtcdClusterTLS) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha2.AddToScheme(scheme), cmv1.AddToScheme(scheme)))
	w := &world{
		t: t, clock: testingclock.NewFakeClock(noon), recorder: events.NewFakeRecorder(1000), running: map[string]*process{},
		ended: map[string]time.Time{},
	}
	w.store = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}).Build()
	w.Reconciler = &Reconciler{
		Client: w.watched(), Live: w.present(), Names: w.store, Greeter: w, Recorder: w.recorder, Meter: w, Now: w.clock.Now,
		Random:    rand.Reader,
		ClientURL: observe.ClientURL, ClusterDomain: "cluster.local", Grace: DefaultGrace,
	}
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name, UID: "u1"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16", TLS: &tls},
		Status:     v1alpha2.EtcdClusterStatus{LastOrdinal: 3},
	}
	for n := range int64(3) {
		c.Status.InitialMembers = append(c.Status.InitialMembers, resource.MemberName(c.Name, c.UID, n+1))
	}
	must(t, w.store.Create(t.Context(), c))
	return w
}

// watched counts the operator's writes, lets them fail, and asks after each whether all is well.
func (w *world) watched() client.Client {
	write := func(what string, do func() error) error {
		w.writes = append(w.writes, what)
		var before, after error
		if w.fail != nil {
			before, after = w.fail(len(w.writes))
		}
		if before != nil {
			return before
		}
		if err := do(); err != nil {
			return err
		}
		if strings.HasSuffix(what, "-operator-tls") { // nothing else that is written is shown at once
			w.mustAccept()
		}
		if w.wrote != nil {
			w.wrote()
		}
		return after
	}
	return interceptor.NewClient(w.store.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID(fmt.Sprint("created-", len(w.writes))))
			return write("create "+o.GetName(), func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write("update "+o.GetName(), func() error { return c.Update(ctx, o, opts...) })
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

// present is the API server, which knows Certificates only where there is cert-manager.
func (w *world) present() client.Reader {
	return interceptor.NewClient(w.store.(client.WithWatch), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ok := list.(*cmv1.CertificateList); ok && w.nowhere != nil {
				return w.nowhere
			}
			return c.List(ctx, list, opts...)
		},
	})
}

func (w *world) Expires(_ types.NamespacedName, plane, kind string, at time.Time) {
	w.ended[plane+" "+kind] = at
}

// Certificate is what a member shows at a URL.
func (w *world) Certificate(ctx context.Context, endpoint string, config *tls.Config) (*x509.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if end, bounded := ctx.Deadline(); !bounded || time.Until(end) > greeting {
		w.t.Error("a member that says nothing holds everybody up")
	}
	w.greeted++
	u, err := url.Parse(endpoint)
	must(w.t, err)
	name, _, _ := strings.Cut(u.Hostname(), ".")
	p, plane := w.running[name], resource.ClientPlane
	if u.Port() == "2380" {
		plane = resource.PeerPlane
	}
	if p == nil || p.silent {
		return nil, etcd.ErrUnreachable
	}
	m, secured := p.shows[plane]
	if !secured {
		return nil, etcd.ErrHandshake
	}
	if _, err := m.Leaf().Verify(x509.VerifyOptions{Roots: config.RootCAs, DNSName: u.Hostname(), CurrentTime: w.clock.Now()}); err != nil {
		return m.Leaf(), fmt.Errorf("%w: %w", etcd.ErrHandshake, err)
	}
	return m.Leaf(), nil
}

// mustAccept asks that whoever runs accepts whatever is shown to it.
func (w *world) mustAccept() {
	w.t.Helper()
	if w.unsafe {
		return
	}
	accepts := func(who string, trust pki.Bundle, m pki.Material, usages usages) {
		if trust.Len() > 0 && len(pki.Vouchers(m.Chain, trust, usages, w.clock.Now())) == 0 {
			w.t.Fatalf("after %v: %s trusts %v and is shown %s", w.writes[max(0, len(w.writes)-5):], who, trust.Fingerprints(), m)
		}
	}
	operator := read(w.secret("demo-operator-tls"))
	for name, p := range w.running {
		for other, q := range w.running {
			if m, ok := q.shows[resource.PeerPlane]; ok {
				accepts(name+" to "+other, p.trusts[resource.PeerPlane], m, pki.PeerUsages())
			}
		}
		if operator.usable {
			accepts(name, p.trusts[resource.ClientPlane], operator.material, pki.ClientUsages())
		}
		if m, ok := p.shows[resource.ClientPlane]; ok {
			accepts("a client", w.clients, m, pki.ServerUsages(false))
		}
		w.mustAcceptApplications(name, accepts)
	}
}

func (w *world) cluster() *v1alpha2.EtcdCluster {
	w.t.Helper()
	c := &v1alpha2.EtcdCluster{}
	must(w.t, w.store.Get(w.t.Context(), demo, c))
	return c
}

func (w *world) change(change func(*v1alpha2.EtcdCluster)) {
	w.t.Helper()
	c := w.cluster()
	change(c)
	status := c.Status
	must(w.t, w.store.Update(w.t.Context(), c))
	c.Status = status
	must(w.t, w.store.Status().Update(w.t.Context(), c))
}

// secret is nil if there is none.
func (w *world) secret(name string) *corev1.Secret {
	w.t.Helper()
	s := &corev1.Secret{}
	err := w.store.Get(w.t.Context(), types.NamespacedName{Namespace: demo.Namespace, Name: name}, s)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return s
}

func (w *world) paper(name string) paper {
	w.t.Helper()
	p := read(w.secret(name))
	if !p.usable {
		w.t.Fatalf("Secret %s: nothing usable", name)
	}
	return p
}

func (w *world) names() []string { return w.cluster().Status.InitialMembers }

// put writes a Secret as a user does.
func (w *world) put(name string, data map[string][]byte) {
	w.t.Helper()
	w.drop(name)
	must(w.t, w.store.Create(w.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name}, Data: data}))
}

func (w *world) drop(name string) {
	w.t.Helper()
	if s := w.secret(name); s != nil {
		must(w.t, w.store.Delete(w.t.Context(), s))
	}
}

func (w *world) pass() (reconcile.Result, error) {
	return w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: demo})
}

// settle lets the operator work until it has nothing to write.
func (w *world) settle() {
	w.t.Helper()
	for range 100 {
		before := len(w.writes)
		result, err := w.pass()
		if err == nil && len(w.writes) == before {
			if result.RequeueAfter > 0 && result.RequeueAfter < soon {
				w.t.Fatalf("wrote nothing and looks again in %s", result.RequeueAfter)
			}
			return
		}
	}
	w.t.Fatalf("does not come to rest: %v", w.writes)
}

// live lets everybody do what he should, and time go by where nothing else happens, until nothing happens any more.
func (w *world) live() {
	w.t.Helper()
	for quiet := 0; quiet < 3; quiet++ {
		w.settle()
		if w.others != nil && w.others() || w.carry() || w.roll() {
			quiet = -1
			continue
		}
		w.clock.Step(DefaultGrace + time.Second)
		w.clients = w.announced()
		w.mustAccept()
	}
}

// announced is what clients are told to trust, whichever Secret or ConfigMap they read.
func (w *world) announced() pki.Bundle {
	w.t.Helper()
	status := w.cluster().Status.TLS
	if status == nil || status.Client == nil {
		return pki.Bundle{}
	}
	trust := &corev1.ConfigMap{}
	key := types.NamespacedName{Namespace: demo.Namespace, Name: resource.TrustName(demo.Name, resource.ClientPlane, status.Client.Bundle)}
	must(w.t, w.store.Get(w.t.Context(), key, trust))
	bundle, err := pki.ParseBundle([]byte(trust.Data["ca.crt"]))
	must(w.t, err)
	return bundle
}

// ready expects TLSReady to be True, or False for a reason.
func (w *world) ready(reason string, saying ...string) {
	w.t.Helper()
	c := meta.FindStatusCondition(w.cluster().Status.Conditions, v1alpha2.ConditionTLSReady)
	if c == nil || (c.Status == metav1.ConditionTrue) != (reason == v1alpha2.ReasonCertificatesValid) || c.Reason != reason {
		w.t.Fatalf("TLSReady is %+v, want %s", c, reason)
	}
	for _, s := range saying {
		if !strings.Contains(c.Message, s) {
			w.t.Errorf("TLSReady says %q, want %q", c.Message, s)
		}
	}
}

// serials are those that the members show on a plane.
func (w *world) serials(kind resource.Plane) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(w.running)) {
		all = append(all, identity(w.running[name].shows[kind].Leaf()))
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// snapshot is the API server as it is now.
func (w *world) snapshot() client.Client {
	w.t.Helper()
	b := fake.NewClientBuilder().WithScheme(w.store.Scheme())
	for _, list := range []client.ObjectList{
		&v1alpha2.EtcdClusterList{}, &v1alpha2.EtcdMemberList{}, &corev1.PodList{}, &corev1.SecretList{}, &corev1.ConfigMapList{},
	} {
		must(w.t, w.store.List(w.t.Context(), list))
		b = b.WithLists(list)
	}
	return b.Build()
}

// behind reads from an API server as it was.
type behind struct {
	client.Client
	stale client.Reader
}

func (b behind) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return b.stale.Get(ctx, key, o, opts...)
}

func (b behind) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return b.stale.List(ctx, list, opts...)
}

package authentication

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
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
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

var (
	demo     = types.NamespacedName{Namespace: "ns", Name: "demo"}
	noon     = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	founders = []string{"demo-a", "demo-b", "demo-c"}
)

// world is a formed cluster, whose clients come without certificates, in a fake API server and a fake etcd.
type world struct {
	*Reconciler
	t        *testing.T
	store    client.Client
	etcd     *etcdfake.World
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	writes   []string // to the API server and to etcd
	calls    int      // to etcd, by the reconciler
	failAt   int      // the write that fails
	done     bool     // though it is made
	passing  bool     // else it is the test that writes
	secrets  int      // that people have put
	strange  bool     // the operator may be kept out for a while
}

func newWorld(t *testing.T, auth *v1alpha2.AuthSpec) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, errors.Join(corev1.AddToScheme(scheme), policyv1.AddToScheme(scheme), v1alpha2.AddToScheme(scheme)))
	w := &world{t: t, clock: testingclock.NewFakeClock(noon), recorder: events.NewFakeRecorder(1000), failAt: -1}
	w.etcd = etcdfake.New(w.clock)
	w.etcd.Inject(func(c etcdfake.Call) etcdfake.Fault {
		if w.passing {
			w.calls++
		}
		if !c.Changes || !w.passing {
			return etcdfake.Fault{}
		}
		if w.write("etcd " + c.Method) {
			return etcdfake.Fault{Err: fmt.Errorf("%w: %s was cut off", etcd.ErrAmbiguous, c.Method), Done: w.done}
		}
		return etcdfake.Fault{}
	})
	w.store = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha2.EtcdCluster{}, &v1alpha2.EtcdMember{}).Build()
	observer := &observe.Observer{
		Cached: w.store, Live: w.store, Dialer: w.etcd.Dialer(), ClientURL: observe.ClientURL, Now: w.clock.Now,
	}
	w.Reconciler = &Reconciler{
		Client: w.watched(), Live: w.store, Observer: observer, Dialer: observer.Dialer, Recorder: w.recorder, Now: w.clock.Now,
		Random: rand.Reader,
	}
	w.found(auth)
	return w
}

// write counts a write of the operator, and says whether it is to fail.
func (w *world) write(what string) (fails bool) {
	w.writes = append(w.writes, what)
	return len(w.writes) == w.failAt
}

var errCut = errors.New("the connection was cut off")

func (w *world) watched() client.Client {
	write := func(what string, do func() error) error {
		fails := w.write(what)
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

func peerURL(name string) string   { return "http://" + name + ".demo.ns.svc:2380" }
func clientURL(name string) string { return "https://" + name + ".demo.ns.svc:2379" }

func (w *world) found(auth *v1alpha2.AuthSpec) {
	w.t.Helper()
	var ids []uint64
	for _, name := range founders {
		ids = append(ids, etcdfake.FounderID("token", peerURL(name)))
		w.start(name)
	}
	cluster := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: demo.Name, UID: "u1", CreationTimestamp: metav1.NewTime(noon)},
		Spec: v1alpha2.EtcdClusterSpec{Auth: auth, TLS: &v1alpha2.EtcdClusterTLS{
			Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{ClientAuthentication: v1alpha2.ClientAuthenticationNone}},
		}},
		Status: v1alpha2.EtcdClusterStatus{
			ClusterID: observe.FormatID(etcdfake.ClusterID(ids...)), InitialMembers: founders,
			TLS: &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Bundle: "b1"}},
		},
	}
	must(w.t, w.store.Create(w.t.Context(), cluster))
	for i, name := range founders {
		w.createMember(name, ids[i])
	}
	authority, err := pki.NewAuthority(pki.AuthorityRequest{Cluster: demo.Name, Generation: 1, Now: noon, Random: rand.Reader})
	must(w.t, err)
	must(w.t, w.store.Create(w.t.Context(), resource.TrustConfigMap(cluster, resource.ClientPlane, "b1",
		string(pki.NewBundle(authority.Certificate()).PEM()))))
}

func (w *world) start(name string) {
	w.t.Helper()
	var pairs []string
	for _, f := range founders {
		pairs = append(pairs, f+"="+peerURL(f))
	}
	_, err := w.etcd.Start(etcdfake.Args{
		Name: name, PeerURL: peerURL(name), ClientURL: clientURL(name), InitialCluster: strings.Join(pairs, ","), Token: "token",
		Volume: name, Version: "3.6.16",
	})
	must(w.t, err)
}

func (w *world) createMember(name string, id uint64) {
	w.t.Helper()
	labelled := func(n string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: demo.Namespace, Name: n, UID: types.UID("volume-of-" + name), Labels: map[string]string{
			v1alpha2.LabelCluster: demo.Name, v1alpha2.LabelClusterUID: "u1", v1alpha2.LabelMember: name,
		}}
	}
	for _, o := range []client.Object{
		&v1alpha2.EtcdMember{
			ObjectMeta: labelled(name),
			Spec: v1alpha2.EtcdMemberSpec{
				ClusterName: demo.Name, PeerURL: peerURL(name), InitialCluster: "x",
				TLS: &v1alpha2.EtcdMemberTLS{ClientServerSecretRef: &corev1.LocalObjectReference{Name: name + "-server-tls"}},
			},
			Status: v1alpha2.EtcdMemberStatus{
				MemberID: observe.FormatID(id), IsVoter: true,
				Incarnation: &v1alpha2.MemberIncarnation{MemberID: observe.FormatID(id), VolumeUID: "volume-of-" + name},
			},
		},
		&corev1.PersistentVolumeClaim{ObjectMeta: labelled("data-" + name)},
		&corev1.Pod{ObjectMeta: labelled(name), Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{
			Phase:             corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		}},
	} {
		must(w.t, w.store.Create(w.t.Context(), o))
	}
}

func (w *world) cluster() *v1alpha2.EtcdCluster {
	w.t.Helper()
	c := &v1alpha2.EtcdCluster{}
	must(w.t, w.store.Get(w.t.Context(), demo, c))
	return c
}

// declare changes the spec.
func (w *world) declare(change func(*v1alpha2.EtcdClusterSpec)) {
	w.t.Helper()
	c := w.cluster()
	change(&c.Spec)
	c.Generation++
	must(w.t, w.store.Update(w.t.Context(), c))
}

// put writes a Secret as people do; an empty password deletes it.
func (w *world) put(name, password string) {
	w.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: name}}
	must(w.t, client.IgnoreNotFound(w.store.Delete(w.t.Context(), s)))
	if s.Data = map[string][]byte{"password": []byte(password)}; password != "" {
		w.secrets++
		s.UID, s.ResourceVersion = types.UID(fmt.Sprint("secret-", w.secrets)), ""
		must(w.t, w.store.Create(w.t.Context(), s))
	}
}

// secret is the operator's own, nil if there is none.
func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	s, err := w.Reconciler.secret(w.t.Context(), demo.Namespace, "demo-operator-root")
	must(w.t, err)
	return s
}

func (w *world) pass() (reconcile.Result, error) {
	w.passing = true
	defer func() { w.passing = false }()
	return w.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: demo})
}

// settle lets the operator work until it has nothing to write, and has it look at members after each pass.
func (w *world) settle() {
	w.t.Helper()
	for range 200 {
		before := len(w.writes)
		result, err := w.pass()
		w.mustNotBeLost()
		if err == nil && len(w.writes) == before {
			if result.RequeueAfter > 0 && result.RequeueAfter < time.Second {
				w.t.Fatalf("wrote nothing and looks again in %s", result.RequeueAfter)
			}
			return
		}
	}
	w.t.Fatalf("does not come to rest: %v", w.writes)
}

// later lets time go by.
func (w *world) later() {
	w.t.Helper()
	w.clock.Step(time.Minute)
	w.settle()
}

// look is what all see who look at the members.
func (w *world) look() plan.Cluster {
	w.t.Helper()
	scene, seen, err := w.Observer.Look(w.t.Context(), demo)
	must(w.t, err)
	scene.Close()
	return seen
}

// mustNotBeLost: whatever happens to passwords, no member is taken for lost or unreachable.
func (w *world) mustNotBeLost() {
	w.t.Helper()
	for _, m := range w.look().Members {
		if m.Barred && !w.strange {
			w.t.Fatalf("after %v: the operator is not let in by %s", w.writes[max(0, len(w.writes)-3):], m.Name)
		}
		if m.Lost || m.Await != "" || m.Broken || !m.Healthy && !m.Barred {
			w.t.Fatalf("after %v: %+v", w.writes[max(0, len(w.writes)-3):], m)
		}
	}
}

// mustServe: the operator is let in everywhere.
func (w *world) mustServe() {
	w.t.Helper()
	if seen := w.look(); !seen.Whole() {
		w.t.Fatalf("not whole: %+v", seen.Members)
	}
}

// ready expects AuthReady to be True, or False for a reason.
func (w *world) ready(reason string, saying ...string) {
	w.t.Helper()
	c := meta.FindStatusCondition(w.cluster().Status.Conditions, v1alpha2.ConditionAuthReady)
	if c == nil || (c.Status == metav1.ConditionTrue) != (reason == v1alpha2.ReasonAsDesired) || c.Reason != reason {
		w.t.Fatalf("AuthReady is %+v, want %s", c, reason)
	}
	for _, s := range saying {
		if !strings.Contains(c.Message, s) {
			w.t.Errorf("AuthReady says %q, want %q", c.Message, s)
		}
	}
}

func (w *world) as(user, password string) etcd.Client {
	w.t.Helper()
	c, err := w.etcd.Dialer().Dial(etcd.Target{Endpoint: clientURL("demo-a"), Username: user, Password: etcd.NewSecret(password)})
	must(w.t, err)
	return c
}

func (w *world) logsIn(user, password string, want error) {
	w.t.Helper()
	if err := w.as(user, password).LogIn(w.t.Context()); !errors.Is(err, want) {
		w.t.Errorf("%s logs in: got %v, want %v", user, err, want)
	}
}

// mustHide: passwords are in Secrets, and nowhere else.
func (w *world) mustHide(passwords ...string) {
	w.t.Helper()
	said := []string{fmt.Sprintf("%+v", w.cluster())}
	for len(w.recorder.Events) > 0 {
		said = append(said, <-w.recorder.Events)
	}
	for _, text := range said {
		if i := slices.IndexFunc(passwords, func(p string) bool { return strings.Contains(text, p) }); i >= 0 {
			w.t.Errorf("it tells %s: %s", passwords[i], text)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

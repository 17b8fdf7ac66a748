package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// world is an API server with one member in it.
type world struct {
	t      *testing.T
	api    client.WithWatch // what the controller talks to
	r      *Reconciler
	key    types.NamespacedName
	events chan string
	now    time.Time

	writes []string           // what was written, in order
	fault  func(n int) fault  // what becomes of the n-th write, from 0
	served map[types.UID]bool // Pods that were let go with a grant to start empty
}

type fault int

const (
	none     fault = iota
	refused        // the write conflicts with somebody else's
	lost           // the operator dies before the write
	unheard        // the operator dies after it
	numFault = iota
)

var errCrash = errors.New("the operator has died")

func newWorld(t *testing.T, change func(*v1alpha2.EtcdCluster)) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha2.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: "cluster-uid"},
		Spec: v1alpha2.EtcdClusterSpec{
			Version: "3.6.16", Storage: v1alpha2.StorageSpec{Size: apiresource.MustParse("1Gi")},
		},
	}
	if change != nil {
		change(c)
	}
	m := resource.Member(c, resource.MemberIntent{Ordinal: 1, Founder: true, InitialCluster: "db-a=http://db-a:2380"})
	m.UID = "member-uid"
	w := &world{
		t: t, key: client.ObjectKeyFromObject(m), events: make(chan string, 100), now: time.Unix(1_700_000_000, 0),
		served: map[types.UID]bool{},
	}
	w.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(c, m).WithStatusSubresource(m, c, &corev1.Pod{}).
		WithTypeConverters(managedfields.NewDeducedTypeConverter()).
		WithInterceptorFuncs(w.interceptors()).Build()
	w.restart()
	return w
}

// restart starts the operator anew: whatever it had in memory is gone.
func (w *world) restart() {
	w.r = &Reconciler{
		Client: w.api, Live: w.api, Recorder: &events.FakeRecorder{Events: w.events},
		Now:           func() time.Time { return w.now },
		OperatorImage: "operator:dev", EtcdRepository: "registry.example/etcd",
	}
}

func (w *world) interceptors() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID(fmt.Sprintf("uid-%d", len(w.writes))))
			return w.write("create "+o.GetName(), func() error { return c.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			var options client.DeleteOptions
			what := "delete "
			if options.ApplyOptions(opts); options.GracePeriodSeconds != nil && *options.GracePeriodSeconds == 0 {
				what = "force "
			}
			return w.write(what+o.GetName(), func() error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.write("patch "+o.GetName(), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(
			ctx context.Context, c client.Client, _ string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			return w.write("status", func() error { return c.Status().Patch(ctx, o, p, opts...) })
		},
	}
}

func (w *world) write(what string, do func() error) error {
	n := len(w.writes)
	w.writes = append(w.writes, strings.ReplaceAll(what, w.key.Name, "a"))
	f := none
	if w.fault != nil {
		f = w.fault(n)
	}
	if f == refused {
		return apierrors.NewConflict(schema.GroupResource{}, what, nil)
	}
	if f == lost {
		return errCrash
	}
	err := do()
	w.checkGrant()
	if f == unheard {
		return errCrash
	}
	return err
}

// checkGrant holds the protocol: a Pod with a grant is free only when the grant is recorded as used for it.
func (w *world) checkGrant() {
	w.t.Helper()
	pod := w.pod()
	if pod == nil || !resource.HoldsGrant(pod) || resource.Held(pod) || !resource.ControlledBy(pod, w.member().UID) {
		return
	}
	w.served[pod.UID] = true
	if g := w.member().Status.Grant; g == nil || g.State != v1alpha2.GrantUsed || g.PodUID != string(pod.UID) {
		w.t.Fatalf("the Pod %s may start empty, on record is %+v", pod.UID, g)
	}
	if len(w.served) > 1 {
		w.t.Fatalf("the Pods %v were let go with a grant", w.served)
	}
}

// settle reconciles until nothing is written any more, and returns what was written.
func (w *world) settle() []string {
	w.t.Helper()
	before := len(w.writes)
	for range 30 {
		n := len(w.writes)
		_, err := w.r.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: w.key})
		switch {
		case errors.Is(err, errCrash):
			w.restart()
		case err != nil:
			w.t.Fatal(err)
		case n == len(w.writes):
			return w.writes[before:]
		}
	}
	w.t.Fatalf("never comes to rest: %v", w.writes[before:])
	return nil
}

func (w *world) get(o client.Object, name string) bool {
	w.t.Helper()
	key := types.NamespacedName{Namespace: w.key.Namespace, Name: name}
	if _, isNode := o.(*corev1.Node); isNode {
		key.Namespace = ""
	}
	err := w.api.Get(w.t.Context(), key, o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
	return err == nil
}

func (w *world) member() *v1alpha2.EtcdMember {
	m := &v1alpha2.EtcdMember{}
	w.get(m, w.key.Name)
	return m
}

func (w *world) pod() *corev1.Pod {
	pod := &corev1.Pod{}
	if !w.get(pod, w.key.Name) {
		return nil
	}
	return pod
}

func (w *world) claim() *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{}
	if !w.get(claim, resource.ClaimName(w.key.Name)) {
		return nil
	}
	return claim
}

// edit changes an object behind the operator's back.
func edit[T client.Object](w *world, o T, change func(T)) {
	w.t.Helper()
	n := w.writes
	change(o)
	if err := w.api.Update(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	change(o) // the answer holds the old status
	if err := w.api.Status().Update(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	w.writes = n
}

// vanish takes an object away behind the operator's back.
func (w *world) vanish(o client.Object) {
	w.t.Helper()
	n, f := w.writes, w.fault
	w.fault = nil
	if err := w.api.Delete(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
	w.writes, w.fault = n, f
}

// failure is the one on record, and the reason of Ready.
func (w *world) failure() string {
	m := w.member()
	for _, c := range m.Status.Conditions {
		if c.Type == v1alpha2.ConditionReady && m.Status.Failure != nil && c.Reason == m.Status.Failure.Reason {
			return m.Status.Failure.Reason
		}
	}
	return ""
}

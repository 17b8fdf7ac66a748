package member

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func node(name string, ready bool, taints ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name + ".example", corev1.LabelTopologyZone: "z", "storage.example/node": name,
	}}}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}
	if ready {
		n.Status.Conditions[0].Status = corev1.ConditionTrue
	}
	for _, key := range taints {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoExecute})
	}
	return n
}

func TestTheStateOfANode(t *testing.T) {
	for _, tt := range []struct {
		name string
		node *corev1.Node
		want nodeState
	}{
		{"ready", node("a", true), nodeUp},
		{"ready and drained", node("a", true, corev1.TaintNodeUnschedulable), nodeUp},
		{"not ready", node("a", false), nodeDown},
		{"new", &corev1.Node{}, nodeDown},
		{"unreachable, its condition being behind", node("a", true, corev1.TaintNodeUnreachable), nodeDown},
		{"not ready by its taint", node("a", true, corev1.TaintNodeNotReady), nodeDown},
		{"shut down", node("a", false, corev1.TaintNodeUnreachable, corev1.TaintNodeOutOfService), nodeOff},
		{"said to be shut down, and running", node("a", true, corev1.TaintNodeOutOfService), nodeUp},
	} {
		if got := stateOf(tt.node); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// affinity of a volume to nodes: key, operator, values.
func onNodes(key string, operator corev1.NodeSelectorOperator, values ...string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: values}}},
	}}}
}

// placed is a world whose member runs on the node n1 of two, with its volume bound.
func placed(t *testing.T, affinity *corev1.VolumeNodeAffinity, change func(*v1alpha2.EtcdCluster)) *world {
	t.Helper()
	w := newWorld(t, change)
	w.settle()
	for _, o := range []client.Object{
		node("n1", true), node("n2", true),
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}, Spec: corev1.PersistentVolumeSpec{NodeAffinity: affinity}},
	} {
		if err := w.api.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	if w.claim() != nil {
		edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pv" })
	}
	w.schedule()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: "a1", VolumeUID: m.Status.VolumeUID}
		m.Status.IsVoter = true
	})
	w.settle()
	return w
}

func (w *world) schedule() {
	w.t.Helper()
	edit(w, w.pod(), func(p *corev1.Pod) { p.Spec.NodeName, p.Status = "n1", etcd(running, nothing, 9) })
}

func (w *world) node(name string) *corev1.Node {
	w.t.Helper()
	n := &corev1.Node{}
	if !w.get(n, name) {
		w.t.Fatalf("there is no node %s", name)
	}
	return n
}

func (w *world) turn(name string, into *corev1.Node) {
	w.t.Helper()
	edit(w, w.node(name), func(n *corev1.Node) { n.Spec, n.Status = into.Spec, into.Status })
}

var (
	silent = node("n1", false, corev1.TaintNodeUnreachable)
	off    = node("n1", false, corev1.TaintNodeUnreachable, corev1.TaintNodeOutOfService)
)

func TestAMemberOfANodeThatIsDown(t *testing.T) {
	local := onNodes(corev1.LabelHostname, corev1.NodeSelectorOpIn, "n1.example")
	for _, tt := range []struct {
		name     string
		affinity *corev1.VolumeNodeAffinity
		change   func(*v1alpha2.EtcdCluster)
		want     string
	}{
		{"with a volume of the node", local, nil, v1alpha2.FailureNodeLost},
		{"with a volume of the node by a driver's label",
			onNodes("storage.example/node", corev1.NodeSelectorOpIn, "n1"), nil, v1alpha2.FailureNodeLost},
		{"with a volume of both nodes", onNodes(corev1.LabelHostname, corev1.NodeSelectorOpExists), nil, v1alpha2.FailureNodeDown},
		{"with a volume of another zone's nodes",
			onNodes(corev1.LabelTopologyZone, corev1.NodeSelectorOpNotIn, "z"), nil, v1alpha2.FailureNodeDown},
		{"with a volume of any node", nil, nil, v1alpha2.FailureNodeDown},
		{"in memory", nil, inMemory, v1alpha2.FailureNodeLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := placed(t, tt.affinity, tt.change)
			w.turn("n1", silent)
			w.now = w.now.Add(time.Minute)
			w.wantWrites([]string{"status"})
			f := w.member().Status.Failure
			if w.failure() != tt.want || !f.Since.Time.Equal(w.now) || !strings.Contains(f.Message, "n1 is down") {
				t.Errorf("got %+v", f)
			}
			w.wantWrites(nil)
			w.turn("n1", node("n1", true))
			w.settle()
			if f := w.member().Status.Failure; f != nil {
				t.Errorf("the node came back, and yet there is %+v", f)
			}
		})
	}
}

func TestLostDataOutweighANodeThatIsDown(t *testing.T) {
	for reason, end := range map[string]corev1.ContainerState{
		v1alpha2.FailureDataLost: ended(42, lostData), v1alpha2.FailureNodeLost: ended(1, "etcd says nothing"),
		v1alpha2.FailureCorruptLog: ended(1, corrupt),
	} {
		w := placed(t, onNodes(corev1.LabelHostname, corev1.NodeSelectorOpIn, "n1.example"), nil)
		edit(w, w.pod(), func(p *corev1.Pod) { p.Status = etcd(waiting("CrashLoopBackOff"), end, 9) })
		w.turn("n1", silent)
		w.settle()
		if w.failure() != reason {
			t.Errorf("got %q, want %q", w.failure(), reason)
		}
	}
}

func TestAPodIsTornAwayFromADeadNodeOnly(t *testing.T) {
	for _, tt := range []struct {
		name string
		dead bool
		kill func(*world)
	}{
		{"gone", true, func(w *world) { w.vanish(w.node("n1")) }},
		{"shut down", true, func(w *world) { w.turn("n1", off) }},
		{"silent", false, func(w *world) { w.turn("n1", silent) }},
		{"up", false, func(*world) {}},
	} {
		w := placed(t, nil, nil)
		before := w.pod().UID
		tt.kill(w)
		writes := w.settle()
		if slices.Contains(writes, "force a") != tt.dead || (w.pod().UID != before) != tt.dead {
			t.Errorf("%s: wrote %v", tt.name, writes)
		}
		if w.failure() != "" && tt.dead {
			t.Errorf("%s: the member can go on elsewhere, and has %s", tt.name, w.failure())
		}

		w = placed(t, nil, nil)
		edit(w, w.pod(), func(p *corev1.Pod) { p.Finalizers = []string{"example/kubelet"} })
		w.vanish(w.pod())
		tt.kill(w)
		n := len(w.writes)
		if _, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(w.writes[n:], "force a") != tt.dead {
			t.Errorf("%s, and the Pod was stopping: wrote %v", tt.name, w.writes[n:])
		}
	}
}

func TestARemovedMembersPodIsNotWaitedForWhenItsNodeIsDown(t *testing.T) {
	w := placed(t, nil, nil)
	w.turn("n1", silent)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Spec.Removal = &v1alpha2.MemberRemoval{Reason: "NodeLost", Confirmed: true, KeepVolume: true}
	})
	if got := w.settle(); !slices.Equal([]string{"force a", "patch data-a", "status"}, got) {
		t.Errorf("wrote %v", got)
	}
}

// TestALostNodeStaysLostWhileItsPodIsMadeAgain follows a member on a local volume of a node that was deleted.
func TestALostNodeStaysLostWhileItsPodIsMadeAgain(t *testing.T) {
	w := placed(t, onNodes(corev1.LabelHostname, corev1.NodeSelectorOpIn, "n1.example"), nil)
	w.turn("n1", silent)
	w.settle()
	since := w.member().Status.Failure.Since
	w.now = w.now.Add(time.Minute)
	w.vanish(w.node("n1"))
	held := func(stage string) {
		t.Helper()
		w.settle()
		if f := w.member().Status.Failure; f == nil || f.Reason != v1alpha2.FailureNodeLost || !f.Since.Equal(since) {
			t.Fatalf("%s: got %+v", stage, f)
		}
		w.wantWrites(nil)
	}
	held("the Pod is made again")
	edit(w, w.pod(), func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "volume affinity"},
		}
	})
	held("no node takes it")
	again := node("n1", true)
	if err := w.api.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if w.failure() != v1alpha2.FailureUnschedulable {
		t.Errorf("the node is back, and the scheduler has not seen it: got %q", w.failure())
	}
}

func TestAPodThatFitsNowhereIsNotLost(t *testing.T) {
	for name, affinity := range map[string]*corev1.VolumeNodeAffinity{
		"any node": nil, "a node that is up": onNodes(corev1.LabelHostname, corev1.NodeSelectorOpIn, "n2.example"),
		"a zone": onNodes("topology.example/zone", corev1.NodeSelectorOpIn, "y"),
	} {
		w := placed(t, affinity, nil)
		w.vanish(w.pod())
		w.settle()
		edit(w, w.pod(), func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "too little CPU"},
			}
		})
		w.settle()
		if w.failure() != v1alpha2.FailureUnschedulable {
			t.Errorf("%s: got %q", name, w.failure())
		}
	}
}

func TestWhatMayNotBeReadIsNotLost(t *testing.T) {
	for _, kind := range []string{"nodes", "persistentvolumes", "list"} {
		w := placed(t, onNodes(corev1.LabelHostname, corev1.NodeSelectorOpIn, "n1.example"), nil)
		w.turn("n1", silent)
		w.r.Client, w.r.Live = forbidding(w, kind), forbidding(w, kind)
		for range 3 {
			w.settle()
		}
		want := v1alpha2.FailureNodeDown
		if kind == "nodes" {
			want = ""
		}
		if w.failure() != want {
			t.Errorf("%s cannot be read: got %q, want %q", kind, w.failure(), want)
		}
	}
}

// forbidding is a client that may not read Nodes or volumes.
func forbidding(w *world, what string) client.Client {
	refuse := func(o any) error {
		_, isNode := o.(*corev1.Node)
		_, isVolume := o.(*corev1.PersistentVolume)
		_, isList := o.(*corev1.NodeList)
		if isNode && what == "nodes" || isVolume && what == "persistentvolumes" || isList && what == "list" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: what}, "", nil)
		}
		return nil
	}
	return interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := refuse(o); err != nil {
				return err
			}
			return c.Get(ctx, key, o, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if err := refuse(list); err != nil {
				return err
			}
			return c.List(ctx, list, opts...)
		},
	})
}

func TestANodeIsNotLostOnTheWordOfTheCache(t *testing.T) {
	w := placed(t, nil, nil)
	w.r.Client = blind(w, "n1")
	w.wantWrites(nil)
	if w.failure() != "" || w.pod() == nil {
		t.Error("a node that the cache does not show counts as gone")
	}
}

func TestANodeWakesItsMembers(t *testing.T) {
	w := placed(t, nil, nil)
	if got := w.r.membersAt(t.Context(), node("n1", true)); len(got) != 1 || got[0].NamespacedName != w.key {
		t.Errorf("n1 wakes %v", got)
	}
	if got := w.r.membersAt(t.Context(), node("n2", true)); len(got) != 0 {
		t.Errorf("n2 wakes %v", got)
	}
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Status.Failure = &v1alpha2.MemberFailure{Reason: v1alpha2.FailureNodeLost}
	})
	if got := w.r.membersAt(t.Context(), node("n3", true)); len(got) != 1 {
		t.Errorf("a new node wakes %v, and a member waits for one", got)
	}
	changed := nodeChanged()
	heartbeat := node("n1", true)
	heartbeat.Annotations = map[string]string{"beat": "1"}
	if changed.Update(event.UpdateEvent{ObjectOld: node("n1", true), ObjectNew: heartbeat}) {
		t.Error("a heartbeat wakes somebody")
	}
	if !changed.Update(event.UpdateEvent{ObjectOld: node("n1", true), ObjectNew: silent}) {
		t.Error("a node that goes wakes nobody")
	}
}

func TestAReplacedMembersVolumeIsSetAside(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Spec.Removal = &v1alpha2.MemberRemoval{Reason: "CorruptLog", KeepVolume: true, Confirmed: true}
	})
	w.wantWrites([]string{"delete a", "patch data-a", "status"})
	claim := w.claim()
	if claim.Labels[v1alpha2.LabelSetAside] != "CorruptLog" || claim.Annotations[v1alpha2.AnnotationSetAsideAt] != "2023-11-14T22:13:20Z" {
		t.Errorf("got %v, %v", claim.Labels, claim.Annotations)
	}
	w.wantWrites(nil)
}

func TestAVolumeWithoutAnythingBehindItIsLost(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost })
	w.settle()
	if w.failure() != v1alpha2.FailureVolumeLost || !resource.HoldsGrant(w.pod()) {
		t.Errorf("got %q", w.failure())
	}
}

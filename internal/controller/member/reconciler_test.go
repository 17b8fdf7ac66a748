package member

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func inMemory(c *v1alpha2.EtcdCluster) { c.Spec.Storage.Medium = v1alpha2.StorageMediumMemory }

// firstStart is what the first start writes: volume, held Pod, grant, release, and what is seen.
var firstStart = []string{"create data-a", "create a", "status", "patch a", "status"}

func (w *world) wantWrites(want []string) {
	w.t.Helper()
	if got := w.settle(); !slices.Equal(want, got) {
		w.t.Fatalf("wrote %v, want %v", got, want)
	}
}

func TestAFirstStartUsesTheGrantBeforeThePodIsLetGo(t *testing.T) {
	w := newWorld(t, nil)
	w.wantWrites(firstStart)
	m, pod := w.member(), w.pod()
	if resource.Held(pod) || !resource.HoldsGrant(pod) || !resource.StartsOn(pod, w.claim().UID) {
		t.Errorf("the Pod is not let go to start on its volume: %+v", pod.Spec)
	}
	want := v1alpha2.StartGrant{State: v1alpha2.GrantUsed, PodUID: string(pod.UID), VolumeUID: string(w.claim().UID)}
	if diff := cmp.Diff(&want, m.Status.Grant); diff != "" {
		t.Error(diff)
	}
	w.wantWrites(nil)
	if len(w.events) != 2 {
		t.Errorf("%d events for a volume and a Pod", len(w.events))
	}
}

func TestAFirstStartSurvivesAFaultAtEveryWrite(t *testing.T) {
	for n := range firstStart {
		for f := refused; f < numFault; f++ {
			for _, medium := range []func(*v1alpha2.EtcdCluster){nil, inMemory} {
				w := newWorld(t, medium)
				w.fault = func(write int) fault {
					if write == n {
						return f
					}
					return none
				}
				w.settle()
				pod := w.pod()
				if pod == nil || resource.Held(pod) || w.failure() != "" {
					t.Errorf("fault %d at write %d: no start: %v", f, n, w.writes)
				}
			}
		}
	}
}

func TestAPodThatGoesIsMadeAgainWithoutAGrant(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.vanish(w.pod())
	w.settle()
	if pod := w.pod(); pod == nil || resource.HoldsGrant(pod) || resource.Held(pod) {
		t.Errorf("got %+v", pod)
	}
}

func TestAMemberThatFailedToFoundMayNotFoundOnceTheClusterIsRecorded(t *testing.T) {
	w := newWorld(t, nil)
	cluster := &v1alpha2.EtcdCluster{}
	w.get(cluster, "db")
	edit(w, cluster, func(c *v1alpha2.EtcdCluster) { c.Status.ClusterID = "c1" })
	w.settle()
	for _, arg := range w.pod().Spec.Containers[0].Args {
		if arg == "--initial-cluster-state=new" {
			t.Error("the founder would found another cluster")
		}
	}
}

func TestAPodThatWentUnscheduledGivesItsGrantBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*corev1.Pod)
		granted bool
	}{
		{"deleted before it was scheduled", func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.Now()) }, true},
		{"deleted on a node", func(p *corev1.Pod) { p.DeletionTimestamp, p.Spec.NodeName = new(metav1.Now()), "node1" }, false},
		{"lost from sight because its label went", func(*corev1.Pod) {}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.settle()
			pod := w.pod()
			w.vanish(w.pod())
			tt.change(pod)
			w.r.stillborn.note(pod)
			w.served = map[types.UID]bool{}
			w.settle()
			if got := resource.HoldsGrant(w.pod()); got != tt.granted {
				t.Errorf("the next Pod holds a grant: %v", got)
			}
		})
	}
	w := newWorld(t, nil)
	w.settle()
	pod := w.pod()
	w.vanish(w.pod())
	pod.DeletionTimestamp = new(metav1.Now())
	w.r.stillborn.note(pod)
	w.restart()
	w.settle()
	if resource.HoldsGrant(w.pod()) {
		t.Error("an operator that was restarted takes a grant for unused without proof")
	}
}

func TestThePodHandlerNotesAndWakes(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	pod := w.pod()
	pod.DeletionTimestamp = new(metav1.Now())
	q := &queue{}
	w.r.podHandler().Delete(t.Context(), event.DeleteEvent{Object: pod}, q)
	if !w.r.stillborn.knows(w.key, string(pod.UID)) || len(q.added) != 1 || q.added[0].NamespacedName != w.key {
		t.Errorf("noted %v, woke %v", w.r.stillborn.pods, q.added)
	}
	w.r.stillborn.forget(w.key)
	if w.r.stillborn.knows(w.key, string(pod.UID)) {
		t.Error("a member that is gone is remembered")
	}
}

func TestAMemoryMemberIsLostWithItsPod(t *testing.T) {
	w := newWorld(t, inMemory)
	w.wantWrites(firstStart[1:])
	if got := w.member().Status.VolumeUID; got != string(w.pod().UID) {
		t.Errorf("the volume is %q, the Pod %q", got, w.pod().UID)
	}
	w.vanish(w.pod())
	w.wantWrites([]string{"status"})
	if w.failure() != v1alpha2.FailureMemoryLost {
		t.Errorf("got %q", w.failure())
	}
}

func TestAVolumeThatIsGoneIsNotMadeAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	w.vanish(w.pod())
	w.vanish(w.claim())
	w.wantWrites([]string{"status"})
	if w.failure() != v1alpha2.FailureVolumeMissing {
		t.Errorf("got %q", w.failure())
	}
}

func TestAParkedMemberKeepsItsVolumeAndStartsOnItAgain(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	volume := w.claim().UID
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Dormant = true })
	w.wantWrites([]string{"delete a", "status"})
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Dormant = false })
	w.wantWrites([]string{"create a", "status"})
	if w.claim().UID != volume || resource.HoldsGrant(w.pod()) || !resource.StartsOn(w.pod(), volume) {
		t.Error("the member does not start on the data that it had")
	}
}

func TestARemovedMemberLosesItsPodThenItsVolume(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Removal = &v1alpha2.MemberRemoval{Reason: "Shrink"} })
	w.wantWrites([]string{"status"})
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Removal.Confirmed = true })
	w.wantWrites([]string{"delete a", "delete data-a", "status"})
}

func TestADeleteIsBoundToWhatWasSeen(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Dormant = true })
	seen := w.pod()
	seen.ResourceVersion = "1"
	w.r.Live = stale(w, seen)
	if _, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil {
		t.Fatal(err)
	}
	if w.pod() == nil {
		t.Error("a Pod was deleted that had changed since it was seen")
	}
}

func TestAGrantIsNotUsedOnceTheMemberHasChanged(t *testing.T) {
	w := newWorld(t, nil)
	for w.pod() == nil {
		if _, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil {
			t.Fatal(err)
		}
	}
	before := w.member()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: "a1", VolumeUID: "volume"}
	})
	w.r.Live = stale(w, before)
	w.r.Client = stale(w, before)
	if _, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil {
		t.Fatal(err)
	}
	if grant := w.member().Status.Grant; grant != nil {
		t.Errorf("a recorded member got %+v", grant)
	}
}

func TestNothingIsDoneOnTheWordOfTheCache(t *testing.T) {
	w := newWorld(t, nil)
	parked := w.member()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Dormant = true })
	w.r.Client = stale(w, parked)
	w.settle()
	if w.pod() != nil || w.claim() != nil {
		t.Error("the cache did not show yet that the member is parked")
	}

	w = newWorld(t, nil)
	w.settle()
	w.r.Client = blind(w, resource.ClaimName(w.key.Name))
	w.wantWrites(nil)
	if w.failure() != "" {
		t.Error("a volume that the cache does not show counts as missing")
	}
}

func TestNobodyElsesObjectsAreTouched(t *testing.T) {
	for _, name := range []string{"a", "data-a"} {
		w := newWorld(t, nil)
		meta := metav1.ObjectMeta{Namespace: w.key.Namespace, Name: w.key.Name}
		var o client.Object = &corev1.Pod{ObjectMeta: meta}
		if name == "data-a" {
			meta.Name = resource.ClaimName(w.key.Name)
			o = &corev1.PersistentVolumeClaim{ObjectMeta: meta}
		}
		if err := w.api.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		w.writes = nil
		w.wantWrites([]string{"status"})
		m := w.member()
		if w.failure() != v1alpha2.FailureNameTaken || m.Status.VolumeUID != "" || m.Status.PodUID != "" {
			t.Errorf("%s: %q, status %+v", name, w.failure(), m.Status)
		}
		edit(w, m, func(m *v1alpha2.EtcdMember) {
			m.Spec.Removal = &v1alpha2.MemberRemoval{Reason: "Shrink", Confirmed: true}
		})
		w.wantWrites([]string{"status"})
	}
}

func TestAMemberOfAClusterThatIsGoneGetsNothing(t *testing.T) {
	for name, gone := range map[string]func(*world, *v1alpha2.EtcdCluster){
		"deleted": func(w *world, c *v1alpha2.EtcdCluster) { w.vanish(c) },
		"created again": func(w *world, c *v1alpha2.EtcdCluster) {
			w.vanish(c)
			again := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name}, Spec: c.Spec}
			if err := w.api.Create(w.t.Context(), again); err != nil {
				w.t.Fatal(err)
			}
		},
		"switched off": func(w *world, c *v1alpha2.EtcdCluster) {
			edit(w, c, func(c *v1alpha2.EtcdCluster) {
				c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
			})
		},
	} {
		w := newWorld(t, nil)
		cluster := &v1alpha2.EtcdCluster{}
		w.get(cluster, "db")
		gone(w, cluster)
		w.settle()
		if w.pod() != nil || w.claim() != nil {
			t.Errorf("%s: something was made", name)
		}
	}
}

func TestTheRoleOfThePodFollowsTheVote(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	if got := w.pod().Labels[v1alpha2.LabelRole]; got != v1alpha2.RoleLearner {
		t.Errorf("a new Pod is a %s", got)
	}
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Status.IsVoter = true })
	w.wantWrites([]string{"patch a", "status"})
	if got := w.pod().Labels[v1alpha2.LabelRole]; got != v1alpha2.RoleVoter {
		t.Errorf("a voter's Pod is a %s", got)
	}
}

func TestLabelsTakenFromAVolumeComeBackAndItsOriginStays(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) {
		c.Labels = nil
		c.Annotations[v1alpha2.AnnotationMemberUID] = "an-earlier-one"
	})
	w.wantWrites([]string{"patch data-a"})
	claim := w.claim()
	if claim.Labels[v1alpha2.LabelMember] != w.key.Name || claim.Annotations[v1alpha2.AnnotationMemberUID] != "an-earlier-one" {
		t.Errorf("got %v, %v", claim.Labels, claim.Annotations)
	}
}

// stale is a client that shows an object as it was.
func stale(w *world, old client.Object) client.Client {
	return interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			switch to := o.(type) {
			case *v1alpha2.EtcdMember:
				if from, ok := old.(*v1alpha2.EtcdMember); ok {
					from.DeepCopyInto(to)
					return nil
				}
			case *corev1.Pod:
				if from, ok := old.(*corev1.Pod); ok {
					from.DeepCopyInto(to)
					return nil
				}
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
}

// blind is a client that does not show the object of this name.
func blind(w *world, name string) client.Client {
	return interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if key.Name == name {
				key.Name = fmt.Sprintf("no-%s", name)
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
}

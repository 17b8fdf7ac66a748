package member

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// orphaned is a world in which the EtcdMember of a voter was deleted and made again for its volume.
func orphaned(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		m.Status.MemberID, m.Status.IsVoter = "a1", true
		m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: "a1", VolumeUID: m.Status.VolumeUID}
	})
	w.settle()
	m := w.member()
	w.vanish(m)
	again := &v1alpha2.EtcdMember{
		ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, Labels: m.Labels, OwnerReferences: m.OwnerReferences},
		Spec:       *m.Spec.DeepCopy(),
	}
	again.Spec.Bootstrap, again.Spec.InitialCluster = false, m.Name+"="+m.Spec.PeerURL
	if err := w.api.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	w.writes = nil
	return w
}

// recall does what the cluster's controller does.
func (w *world) recall() {
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
		claim := w.claim()
		m.Status.MemberID, m.Status.IsVoter = claim.Annotations[v1alpha2.AnnotationMemberID], true
		m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: m.Status.MemberID, VolumeUID: string(claim.UID)}
	})
}

func TestAVolumeSaysWhoseVoteItHolds(t *testing.T) {
	w := newWorld(t, nil)
	w.settle()
	record := func(voter bool) {
		edit(w, w.member(), func(m *v1alpha2.EtcdMember) {
			m.Status.IsVoter = voter
			m.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: "a1", VolumeUID: m.Status.VolumeUID}
		})
		w.settle()
	}
	record(false)
	if id := w.claim().Annotations[v1alpha2.AnnotationMemberID]; id != "" {
		t.Errorf("the member does not vote yet, and its volume says that it is %s", id)
	}
	record(true)
	if id := w.claim().Annotations[v1alpha2.AnnotationMemberID]; id != "a1" {
		t.Errorf("the volume says that it holds the vote of %q", id)
	}
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) { delete(c.Annotations, v1alpha2.AnnotationMemberID) })
	w.wantWrites([]string{"patch data-a"})
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Status.Incarnation, m.Status.IsVoter = nil, false })
	w.settle()
	if id := w.claim().Annotations[v1alpha2.AnnotationMemberID]; id != "a1" {
		t.Errorf("what the volume says was taken back: %q", id)
	}
}

// TestAnAdoptedMemberStartsOnItsDataWhateverFails goes through every write, with the identity recalled at each moment.
func TestAnAdoptedMemberStartsOnItsDataWhateverFails(t *testing.T) {
	const most = 4
	for recallAt := range most {
		for n := range most {
			for f := none; f < numFault; f++ {
				w := orphaned(t)
				volume := w.claim().UID
				w.fault = func(write int) fault {
					if write == n {
						return f
					}
					return none
				}
				for range recallAt {
					if _, err := w.r.Reconcile(t.Context(), requestFor(w)); err != nil {
						w.restart()
					}
				}
				w.recall()
				w.settle()
				if w.failure() != "" {
					t.Errorf("the earlier Pod is still there: failure %s", w.failure())
				}
				w.vanish(w.pod()) // by the garbage collector
				w.settle()
				pod := w.pod()
				if pod == nil || resource.HoldsGrant(pod) || resource.Held(pod) || !resource.StartsOn(pod, volume) || w.failure() != "" {
					t.Fatalf("recalled after %d passes, fault %d at write %d: %q, %v", recallAt, f, n, w.failure(), w.writes)
				}
			}
		}
	}
}

func TestAnAdoptedMemberWhoseVolumeGoesIsNotBornAgain(t *testing.T) {
	for _, recalled := range []bool{false, true} {
		w := orphaned(t)
		if recalled {
			w.recall()
		}
		w.vanish(w.pod())
		w.vanish(w.claim())
		w.settle()
		if w.pod() != nil || w.claim() != nil || w.failure() != v1alpha2.FailureVolumeMissing {
			t.Errorf("recalled %v: %q, wrote %v", recalled, w.failure(), w.writes)
		}
	}
}

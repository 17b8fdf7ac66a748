package simulation

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// victim draws a member; the leader as well as any.
func (w *world) victim() *v1alpha2.EtcdMember {
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	return &members.Items[w.rng.IntN(len(members.Items))]
}

func (w *world) claimOf(member string) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{}
	w.must(w.store.Get(context.Background(), types.NamespacedName{Namespace: namespace, Name: resource.ClaimName(member)}, claim))
	return claim
}

// kill deletes the Pod of a member, and the process ends.
func (w *world) kill(member string) {
	pod := &corev1.Pod{}
	w.must(w.store.Get(context.Background(), types.NamespacedName{Namespace: namespace, Name: member}, pod))
	w.must(w.store.Delete(context.Background(), pod))
	w.kubelet.sync(context.Background())
}

// loseVolume deletes the claim of a member together with its Pod.
func loseVolume(w *world) {
	m := w.victim()
	claim := w.claimOf(m.Name)
	w.kill(m.Name)
	w.watchdog.frozen = true // the volume goes while etcd lists its member
	w.must(w.store.Delete(context.Background(), claim))
	w.watchdog.frozen = false
	w.etcd.Wipe(string(claim.UID))
}

// wipeVolume empties the disk of a member, marker and all.
func wipeVolume(w *world) {
	m := w.victim()
	claim := w.claimOf(m.Name)
	w.kill(m.Name)
	w.etcd.Wipe(string(claim.UID))
	delete(w.kubelet.volumes, claim.UID)
}

// keepsVolumes: what was written is there, and a wiped volume is aside, not deleted.
func (w *world) keepsVolumes() {
	w.t.Helper()
	w.verify()
	var claims corev1.PersistentVolumeClaimList
	w.must(w.store.List(context.Background(), &claims))
	used := 0
	for i := range claims.Items {
		if !resource.IsAside(&claims.Items[i]) {
			used++
		}
	}
	if used != 3 {
		w.t.Fatalf("%d volumes are in use of %d", used, len(claims.Items))
	}
}

func remembered(w *world) {
	running(3, "")(w)
	for range 50 { // until the volumes say whose votes they hold
		w.turn()
	}
	w.remember()
}

// loseMembers deletes EtcdMembers behind the operator's back; their Pods go with them.
func loseMembers(n int) func(*world) {
	return func(w *world) {
		w.watchdog.robbed = true
		for range n {
			w.must(w.store.Delete(context.Background(), w.victim()))
		}
		w.collectGarbage(context.Background())
		w.kubelet.sync(context.Background())
	}
}

func adopted(w *world) bool {
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	for i := range members.Items {
		if members.Items[i].Status.Incarnation == nil {
			return false
		}
	}
	return len(members.Items) == 3 && len(w.kubelet.processes) == 3 && w.ready()
}

func TestSetAsideVolumesGoAfterTheirTime(t *testing.T) {
	w := newWorld(t, 1, fault{kind: none})
	running(3, "")(w)
	wipeVolume(w)
	w.until("replace", func() bool { return replaced(w) })
	count := func() int {
		var claims corev1.PersistentVolumeClaimList
		w.must(w.store.List(context.Background(), &claims))
		return len(claims.Items)
	}
	if count() != 4 {
		t.Fatalf("%d volumes, want three and one aside", count())
	}
	w.clock.Step(asideFor)
	w.until("expire", func() bool { return count() == 3 })
	w.verify()
}

const asideFor = 86400e9 // the default of spec.storage.replacedVolumeTTLSeconds

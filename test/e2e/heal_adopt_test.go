//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestMembersWhoseObjectsWereDeletedAreTakenBack(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	for _, which := range []struct {
		claim   string
		names   []string
		cascade metav1.DeletionPropagation
	}{
		{"all of them", w.memberNames(), metav1.DeletePropagationBackground},
		{"one", w.memberNames()[:1], metav1.DeletePropagationForeground},
		{"all, and their Pods run on", w.memberNames(), metav1.DeletePropagationOrphan},
	} {
		t.Logf("deleting the EtcdMembers: %s", which.claim)
		uids := map[string]bool{}
		for _, name := range which.names {
			m := w.member(name)
			uids[string(m.UID)] = true
			w.Expect(testbed.DeleteByHand(w.ctx, m, client.PropagationPolicy(which.cascade))).To(gomega.Succeed())
		}
		w.awaitTakenBack(before, uids)
		w.Expect(w.replacements()).To(gomega.BeEmpty())
		w.verify(w.load)
	}
	w.settle(w.load)
}

// awaitTakenBack waits until other objects with the old names are there, and the members are who they were.
func (w *ward) awaitTakenBack(before identity, gone map[string]bool) {
	w.t.Helper()
	w.await("the EtcdMembers are there again", func() {
		members := w.members()
		w.Expect(members).To(gomega.HaveLen(len(before.Members)))
		for _, m := range members {
			w.Expect(before.Members).To(gomega.HaveKey(m.Name))
			w.Expect(gone).NotTo(gomega.HaveKey(string(m.UID)))
		}
	})
	w.awaitReady(int32(len(before.Members)))
	w.Expect(w.identity()).To(gomega.Equal(before))
	for _, m := range w.members() {
		w.Expect(m.Status.MemberID).To(gomega.Equal(before.Members[m.Name]))
	}
}

// Neither object nor volume is left of a member that etcd lists.
func TestMemberOfWhichNothingIsLeftMakesRoomForANewOne(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, victim := w.identity(), follower(w.cluster)
	claim, m := w.claim(victim), w.member(victim)
	w.Expect(testbed.DeleteByHand(w.ctx, claim)).To(gomega.Succeed())
	w.Expect(testbed.DeleteByHand(w.ctx, m)).To(gomega.Succeed())
	w.await(victim+" has left etcd", func() { w.Expect(w.memberIDs()).NotTo(gomega.HaveKey(victim)) })
	w.awaitReady(3)
	w.expectSurvivors(before, victim)
	w.settle(w.load)
}

//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

func TestPeopleDecideInManualModeAndMayAlwaysAsk(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, manual)
	victim := follower(w.cluster)
	before := w.identity()
	w.harmVolume(victim, bed.Wipe)
	o := w.awaitCondition(v1alpha2.ConditionStalled, "True ReplacementManual")
	w.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.And(
		gomega.ContainSubstring(victim), gomega.ContainSubstring(v1alpha2.AnnotationReplace)))
	w.expectNoReplacement(3*time.Second, w.names(), nil)
	w.askForReplacement(victim)
	w.awaitGone(victim)
	w.awaitReady(3)
	w.expectSurvivors(before, victim)

	// Nothing is wrong with this one, and it leads.
	victim = w.leader()
	w.lose(victim, v1alpha2.FailureRequested, func() { w.askForReplacement(victim) })
	w.settle(w.load)
}

func (w *ward) awaitGone(name string) {
	w.t.Helper()
	w.await(name+" is gone", func() { w.Expect(w.memberNames()).NotTo(gomega.ContainElement(name)) })
}

func TestReplacementsWaitWhenTheBudgetIsSpent(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, func(o *v1alpha2.EtcdCluster) { o.Spec.MemberReplacement.MaxPerHour = new(int32(1)) })
	first := follower(w.cluster)
	w.lose(first, v1alpha2.FailureDataLost, func() { w.harmVolume(first, bed.Wipe) })

	before, second := w.identity(), follower(w.cluster)
	w.harmVolume(second, bed.Wipe)
	o := w.awaitCondition(v1alpha2.ConditionReady, "False ReplacementBudgetSpent")
	w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.And(gomega.ContainSubstring(second), gomega.ContainSubstring("maxPerHour is 1")))
	w.expectNoReplacement(3*time.Second, w.names(), w.replacements())
	w.awaitAcks(w.load, 20)

	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.MemberReplacement.MaxPerHour = new(int32(2)) })
	w.awaitReplaced(second, v1alpha2.FailureDataLost)
	w.awaitReady(3)
	w.expectSurvivors(before, second)
	w.settle(w.load)
}

// The replacement finds no node for a while: until it votes the old volume stays, however short its time is.
func TestVolumeOfAReplacedMemberIsKeptAsideUntilTheReplacementVotes(t *testing.T) {
	t.Parallel()
	place := newPlaceEverywhere(t)
	w := newWard(t, 3, place.only, volumeTTL(1))
	victim := follower(w.cluster)
	before, dir := w.identity(), w.volume(victim)
	for _, node := range []string{"node1", "node2", "node3"} {
		w.Expect(place.patch(w.ctx, node, `{"metadata":{"labels":{"`+place.label+`":null}}}`)).To(gomega.Succeed())
	}
	w.harmVolume(victim, func(volume string) error { return os.Remove(filepath.Join(volume, "member.json")) })
	w.awaitReplaced(victim, v1alpha2.FailureForeignData)
	w.await("the replacement waits for a node", func() {
		names := w.memberNames()
		w.Expect(names).To(gomega.HaveLen(3))
		w.Expect(unschedulable(w.pod(names[2]))).To(gomega.BeTrue())
	})
	claim := w.claim(victim)
	w.Expect(claim.Labels).To(gomega.HaveKeyWithValue(v1alpha2.LabelSetAside, v1alpha2.FailureForeignData))
	w.Expect(claim.Annotations).To(gomega.HaveKey(v1alpha2.AnnotationSetAsideAt))
	w.Consistently(func() (*corev1.PersistentVolumeClaim, error) {
		now := &corev1.PersistentVolumeClaim{}
		err := testbed.Get(w.ctx, client.ObjectKeyFromObject(claim), now)
		return now, err
	}, "5s", "250ms").Should(gomega.HaveField("DeletionTimestamp", gomega.BeNil()))
	w.Expect(filepath.Join(dir, "data", "member", "snap", "db")).To(gomega.BeARegularFile(), "what is set aside is all there")

	place.open("node1", "node2", "node3")
	w.awaitReady(3)
	w.await("the volume is deleted in the end", func() {
		err := testbed.Get(w.ctx, client.ObjectKeyFromObject(claim), &corev1.PersistentVolumeClaim{})
		w.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue())
	})
	w.expectSurvivors(before, victim)
	w.settle(w.load)
}

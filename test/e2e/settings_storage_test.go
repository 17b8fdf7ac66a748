//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func class(name string) option {
	return func(o *v1alpha2.EtcdCluster) {
		o.Spec.Storage.StorageClassName = &name
		o.Spec.Storage.Size = resource.MustParse("256Mi")
	}
}

func grown(o *v1alpha2.EtcdCluster) { o.Spec.Storage.Size = resource.MustParse("1Gi") }

// TestVolumesGrowInPlaceWhereTheirClassCanDoThat keeps every member, and its volume.
func TestVolumesGrowInPlaceWhereTheirClassCanDoThat(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, class("expandable"))
	before, starts := w.identity(), w.starts()
	w.change(grown)
	w.awaitCapacity("1Gi")
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
	w.settle(w.load)
}

// TestMembersAreReplacedForWhatTheirVolumesCannotBecome goes through growth on a class that cannot do it, another class, memory, and back.
func TestMembersAreReplacedForWhatTheirVolumesCannotBecome(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, class("fixed"))
	for _, change := range []option{
		grown,
		func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.StorageClassName = ptr.To("standard") },
		func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.Medium = v1alpha2.StorageMediumMemory },
		func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.Medium = v1alpha2.StorageMediumDefault },
	} {
		before := w.identity()
		w.change(change)
		w.await("all members are new ones", func() {
			o := w.get()
			w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("True"))
			w.Expect(o.Status.UpdatedMembers).To(gomega.BeEquivalentTo(3))
			for _, name := range w.memberNames() {
				w.Expect(before.Members).NotTo(gomega.HaveKey(name))
			}
		})
		w.Expect(w.identity().ClusterID).To(gomega.Equal(before.ClusterID))
		w.verify(w.load)
	}
	w.settle(w.load)
}

func (w *ward) awaitCapacity(size string) {
	w.t.Helper()
	w.await("all volumes have "+size, func() {
		claims := w.claims()
		w.Expect(claims).To(gomega.HaveLen(3))
		for _, claim := range claims {
			w.Expect(claim.Status.Capacity.Storage().Cmp(resource.MustParse(size))).To(gomega.BeNumerically(">=", 0), claim.Name)
		}
	})
	w.awaitReady(3)
}

// TestMembersTakeChangesOverWhenPeopleDeleteTheirPods: nobody else restarts them.
func TestMembersTakeChangesOverWhenPeopleDeleteTheirPods(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, starts := w.identity(), w.starts()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Spec.UpdateStrategy.Type = v1alpha2.UpdateOnDelete
		o.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(7000))}
	})
	w.awaitCondition(v1alpha2.ConditionReady, "False AwaitingPodDeletion")
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
	for _, name := range w.memberNames() {
		w.deletePod(name, true)
		w.await(name+" has its new settings", func() {
			p := w.pod(name)
			w.Expect(p.Spec.Containers[0].Args).To(gomega.ContainElement("--snapshot-count=7000"))
			w.Expect(p.Status.Conditions).To(gomega.ContainElement(gomega.And(
				gomega.HaveField("Type", corev1.PodReady), gomega.HaveField("Status", corev1.ConditionTrue))))
		})
	}
	w.awaitReady(3)
	w.Expect(w.get().Status.UpdatedMembers).To(gomega.BeEquivalentTo(3))
	w.expectSurvivors(before)
	w.settle(w.load)
}

// TestVolumesOfMembersThatLeaveAreKeptOnRequest: one keeps its volume, and the next one does not.
func TestVolumesOfMembersThatLeaveAreKeptOnRequest(t *testing.T) {
	t.Parallel()
	w := newWard(t, 4)
	for want, policy := range []v1alpha2.VolumeRetention{v1alpha2.VolumeDelete, v1alpha2.VolumeRetain} {
		w.change(func(o *v1alpha2.EtcdCluster) {
			o.Spec.Storage.PersistentVolumeClaimRetentionPolicy = &v1alpha2.PersistentVolumeClaimRetentionPolicy{WhenScaled: policy}
		})
		w.scale(3 - want)
		w.awaitReady(int32(3 - want))
		w.await("volumes are kept as asked for", func() {
			kept := 0
			for _, claim := range w.claims() {
				if claim.Labels[v1alpha2.LabelSetAside] == "ScaledDown" {
					kept++
				}
			}
			w.Expect(kept).To(gomega.Equal(want))
		})
	}
	w.settle(w.load)
}

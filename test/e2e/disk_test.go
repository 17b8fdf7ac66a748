//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// onClass puts members on volumes of a class of the testbed whose sizes are real.
func onClass(class, size string) option {
	return func(o *v1alpha2.EtcdCluster) {
		o.Spec.Storage.StorageClassName, o.Spec.Storage.Size = &class, resource.MustParse(size)
	}
}

func sized(size string) option {
	return func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.Size = resource.MustParse(size) }
}

// awaitSize waits until all volumes have a size, and the file systems on them too.
func (w *ward) awaitSize(size string) {
	w.t.Helper()
	want := resource.MustParse(size)
	w.await("all volumes have "+size, func() {
		for _, m := range w.get().Status.Members {
			w.Expect(m.VolumeSize).NotTo(gomega.BeNil(), m.Name)
			w.Expect(m.VolumeSize.String()).To(gomega.Equal(size), m.Name)
		}
	})
	w.awaitReady(3)
	for _, name := range w.memberNames() {
		script := fmt.Sprintf(`test "$(stat -f -c '%%S %%b' "$1" | awk '{print $1*$2}')" -eq %d`, want.Value())
		w.Expect(testbed.OnNode(w.ctx, w.pod(name).Spec.NodeName, script, w.volume(name))).To(gomega.Succeed())
	}
}

// podUIDs are the UIDs of the Pods by name.
func (c *cluster) podUIDs() map[string]types.UID {
	c.t.Helper()
	uids := map[string]types.UID{}
	for _, p := range c.pods() {
		uids[p.Name] = p.UID
	}
	return uids
}

func TestVolumesGrowUnderTheirMembers(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, onClass("expandable", "256Mi"))
	before, starts := w.identity(), w.podUIDs()
	w.change(sized("1Gi"))
	w.awaitSize("1Gi")
	w.expectSurvivors(before)
	w.Expect(w.podUIDs()).To(gomega.Equal(starts), "a Pod was made again")
	w.settle(w.load)
}

// TestSizeThatAQuotaForbidsIsSaidAndTakenBack: nothing has grown, so the old size is taken again.
func TestSizeThatAQuotaForbidsIsSaidAndTakenBack(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, onClass("expandable", "256Mi"))
	before, starts := w.identity(), w.podUIDs()
	w.Expect(testbed.Create(w.ctx, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "small"},
		Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{corev1.ResourceRequestsStorage: resource.MustParse("1000Mi")},
		},
	})).To(gomega.Succeed())
	w.await("the quota counts", func() {
		var q corev1.ResourceQuota
		w.Expect(testbed.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "small"}, &q)).To(gomega.Succeed())
		w.Expect(q.Status.Hard).NotTo(gomega.BeEmpty())
	})
	w.change(sized("1Gi"))
	w.await("the quota is named", func() {
		stalled := condition(w.get(), v1alpha2.ConditionStalled)
		w.Expect(stalled).To(gomega.HavePrefix("True VolumeExpansionRefused"))
	})
	w.awaitAcks(w.load, 20)
	w.change(sized("256Mi"))
	w.awaitReady(3)
	w.awaitSize("256Mi")
	w.expectSurvivors(before)
	w.Expect(w.podUIDs()).To(gomega.Equal(starts), "a Pod was made again")
	w.settle(w.load)
}

// TestRetainedVolumesOutliveTheirClusterAndKeepOutOfTheNext also holds that a member that was scaled away leaves its volume.
func TestRetainedVolumesOutliveTheirClusterAndKeepOutOfTheNext(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, func(o *v1alpha2.EtcdCluster) {
		o.Spec.Storage.PersistentVolumeClaimRetentionPolicy = &v1alpha2.PersistentVolumeClaimRetentionPolicy{
			WhenDeleted: v1alpha2.VolumeRetain, WhenScaled: v1alpha2.VolumeRetain,
		}
	})
	first := w.identity()
	w.settle(w.load)
	w.scale(1)
	w.awaitReady(1)
	w.await("no volume belongs to the cluster", func() {
		for name := range first.Volumes {
			w.Expect(w.claim(strings.TrimPrefix(name, "data-")).OwnerReferences).To(gomega.BeEmpty(), name)
		}
	})
	w.Expect(testbed.Delete(w.ctx, w.get(), client.PropagationPolicy(metav1.DeletePropagationForeground))).To(gomega.Succeed())
	w.await("the cluster is gone", func() {
		var list v1alpha2.EtcdClusterList
		w.Expect(testbed.List(w.ctx, &list, client.InNamespace(w.namespace))).To(gomega.Succeed())
		w.Expect(list.Items).To(gomega.BeEmpty())
	})
	w.create()
	w.awaitReady(3)
	for name, uid := range first.Volumes {
		claim := w.claim(strings.TrimPrefix(name, "data-"))
		w.Expect(claim.UID).To(gomega.BeEquivalentTo(uid))
		w.Expect(claim.DeletionTimestamp).To(gomega.BeNil())
		w.Expect(testbed.DeleteByHand(w.ctx, claim)).To(gomega.Succeed())
	}
}

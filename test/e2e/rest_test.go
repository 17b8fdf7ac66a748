//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Not parallel: what others do to the machine shows in the readiness of Pods.
func TestClusterAtRestCausesNoWrites(t *testing.T) {
	c := newCluster(t)
	c.awaitReady(3)
	// Kubernetes itself has the last word on Pods and EndpointSlices a little later.
	var before map[string]string
	c.await("nothing changes for 5 s", func() {
		before = c.versions()
		c.Consistently(c.versions, "5s", "1s").Should(gomega.Equal(before))
	})
	c.Consistently(c.versions, "60s", "5s").Should(gomega.Equal(before))

	bytes, err := testbed.OperatorResident(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	t.Logf("the operator occupies %.1f MB with one cluster (goal: below 60)", float64(bytes)/1e6)
}

// versions are the resource versions of all objects of the cluster, and of the events about them.
func (c *cluster) versions() map[string]string {
	c.t.Helper()
	all := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"EtcdCluster": &v1alpha2.EtcdClusterList{}, "EtcdMember": &v1alpha2.EtcdMemberList{}, "Pod": &corev1.PodList{},
		"PersistentVolumeClaim": &corev1.PersistentVolumeClaimList{}, "Service": &corev1.ServiceList{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudgetList{}, "Event": &corev1.EventList{},
	} {
		c.Expect(testbed.List(c.ctx, list, client.InNamespace(c.namespace))).To(gomega.Succeed())
		c.Expect(eachItem(list, func(o client.Object) { all[kind+" "+o.GetName()] = o.GetResourceVersion() })).To(gomega.Succeed())
	}
	return all
}

func eachItem(list client.ObjectList, do func(client.Object)) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		do(o.(client.Object))
		return nil
	})
}

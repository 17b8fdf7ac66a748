//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestClustersOfOneNameInTwoNamespacesStayApart(t *testing.T) {
	t.Parallel()
	a, b := newCluster(t, replicas(1)), newCluster(t, replicas(1))
	a.awaitReady(1)
	b.awaitReady(1)
	a.put("whose", "a")
	b.put("whose", "b")
	before := b.identity()
	c := a.identity()
	a.Expect(c.ClusterID).NotTo(gomega.Equal(before.ClusterID))
	a.Expect(a.memberNames()).NotTo(gomega.ContainElements(b.memberNames()))

	a.scale(0)
	a.awaitCondition(v1alpha2.ConditionReady, "True Paused")
	b.Expect(b.value("whose")).To(gomega.Equal("b"))
	b.Expect(b.identity()).To(gomega.Equal(before))
	a.scale(1)
	a.awaitReady(1)
	a.Expect(a.value("whose")).To(gomega.Equal("a"))
	a.Expect(a.identity()).To(gomega.Equal(c))
}

func TestNothingLeaksIntoAClusterOfTheSameName(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.awaitReady(3)
	c.put("of", "the first")
	first, names := c.identity(), c.memberNames()

	c.Expect(testbed.Delete(c.ctx, c.get(), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(gomega.Succeed())
	c.create()
	c.awaitReady(3)
	second := c.identity()
	c.Expect(second.ClusterID).NotTo(gomega.Equal(first.ClusterID))
	for _, name := range c.memberNames() {
		c.Expect(names).NotTo(gomega.ContainElement(name))
	}
	for name, id := range second.Members {
		c.Expect(first.Members).NotTo(gomega.ContainElement(id), name)
	}
	for name, uid := range second.Volumes {
		c.Expect(first.Volumes).NotTo(gomega.ContainElement(uid), name)
	}
	c.Expect(c.value("of")).To(gomega.BeEmpty())
	c.put("of", "the second")
	c.Expect(c.value("of")).To(gomega.Equal("the second"))
	c.await("only the second is left", func() {
		c.Expect(c.claims()).To(gomega.HaveLen(3))
		dirs, err := testbed.VolumeDirs(c.namespace)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		c.Expect(dirs).To(gomega.HaveLen(3))
	})
}

func TestServiceOfSomebodyElseIsNeverTakenOver(t *testing.T) {
	t.Parallel()
	namespace := testbed.Namespace(t)
	theirs := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "main-client"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "theirs"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	if err := testbed.Create(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	c := newClusterIn(t, namespace, "main", replicas(1))
	o := c.awaitCondition(v1alpha2.ConditionStalled, "True NameTaken")
	c.Expect(condition(o, v1alpha2.ConditionStalled)).To(gomega.ContainSubstring("Service main-client"))
	c.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("False NameTaken"))

	now := c.clientService()
	c.Expect(now.ResourceVersion).To(gomega.Equal(theirs.ResourceVersion), "it was not touched")
	c.Expect(testbed.Delete(c.ctx, now)).To(gomega.Succeed())
	c.awaitReady(1)
	c.put("ours", "now")
}

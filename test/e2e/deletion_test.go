//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestDeletionLeavesNothingBehind(t *testing.T) {
	for _, cascade := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		t.Run(string(cascade), func(t *testing.T) {
			t.Parallel()
			leavesNothingBehind(t, cascade)
		})
	}
}

func leavesNothingBehind(t *testing.T, cascade metav1.DeletionPropagation) {
	t.Helper()
	namespace := testbed.Namespace(t)
	g := gomega.NewWithT(t)
	g.Eventually(func() []string { return inventory(t, namespace) }, "20s").Should(gomega.ContainElement("configmap/kube-root-ca.crt"))
	before := inventory(t, namespace)
	c := newClusterIn(t, namespace, "main")
	c.awaitReady(3)
	c.Expect(len(inventory(t, namespace))).To(gomega.BeNumerically(">", len(before)+9), "the inventory sees what a cluster is made of")

	c.Expect(testbed.Delete(c.ctx, c.get(), client.PropagationPolicy(cascade))).To(gomega.Succeed())
	c.await("nothing is left", func() {
		c.Expect(inventory(t, namespace)).To(gomega.Equal(before))
		var volumes corev1.PersistentVolumeList
		c.Expect(testbed.List(c.ctx, &volumes)).To(gomega.Succeed())
		for _, v := range volumes.Items {
			c.Expect(v.Spec.ClaimRef).NotTo(gomega.HaveField("Namespace", namespace))
		}
		dirs, err := testbed.VolumeDirs(namespace)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		c.Expect(dirs).To(gomega.BeEmpty())
	})
}

// inventory names all objects of a namespace but events.
func inventory(t *testing.T, namespace string) []string {
	t.Helper()
	kinds, err := testbed.Kubectl(t, "api-resources", "--namespaced", "--verbs=list,delete", "--output=name")
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for kind := range strings.FieldsSeq(kinds) {
		if !strings.HasPrefix(kind, "events") {
			wanted = append(wanted, kind)
		}
	}
	out, err := testbed.Kubectl(t, "get", strings.Join(wanted, ","), "--namespace="+namespace, "--output=name", "--ignore-not-found")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(out)
}

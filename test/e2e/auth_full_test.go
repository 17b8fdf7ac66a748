//go:build e2e && full

package e2e

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// TestAuthenticationComesAndGoesUnderLoad enables it late, with clients that have certificates, and does to passwords and Secrets what
// people do, while the operator is killed again and again.
func TestAuthenticationComesAndGoesUnderLoad(t *testing.T) {
	c := newClusterWithAuth(t, automatic)
	c.awaitReady(3)
	load := c.write() // its certificate says root
	c.change(authenticated)
	c.awaitReady(3)
	c.Expect(c.get().Status.AuthEnabled).To(gomega.BeTrue())
	c.awaitAcks(load, 50)
	for n := range 5 {
		c.password("root", fmt.Sprintf("root-%d", n))
		c.password("app", fmt.Sprintf("app-%d", n))
		_, err := testbed.Kubectl(t, "delete", "pods", "--namespace=etcd-operator-system", "--selector=app.kubernetes.io/name=etcd-operator",
			"--grace-period=0", "--force")
		c.Expect(err).NotTo(gomega.HaveOccurred())
	}
	c.awaitAuth("True")
	c.Expect(testbed.Delete(c.ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: resource.OperatorRootName(c.name)},
	})).To(gomega.Succeed())
	c.await("the operator's Secret is made again", func() {
		var secret corev1.Secret
		key := client.ObjectKey{Namespace: c.namespace, Name: resource.OperatorRootName(c.name)}
		c.Expect(testbed.Get(c.ctx, key, &secret)).To(gomega.Succeed())
		c.Expect(string(secret.Data["password"])).To(gomega.Equal("root-4"))
	})
	c.awaitAuth("True")
	c.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Auth.Enabled = false })
	c.await("authentication is off", func() { c.Expect(c.get().Status.AuthEnabled).To(gomega.BeFalse()) })
	c.awaitReady(3)
	c.settle(load)
	c.mustHide("root-first", "root-0", "root-4", "app-first", "app-4")
}

//go:build e2e && full

package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
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

// TestEveryMinorAsksWhoIsThere also begins with a password that root does not have.
func TestEveryMinorAsksWhoIsThere(t *testing.T) {
	for _, version := range []string{"3.5.35", "3.7.3"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := newClusterWithAuth(t, byPassword, authenticated, func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version })
			c.awaitReady(3)
			app := account{"app", "app-first"}
			c.Expect(c.as(app, put("/app/a"))).To(gomega.Succeed())
			c.Expect(c.as(app, put("/other"))).To(gomega.MatchError(rpctypes.ErrPermissionDenied))

			// Somebody changes root's password behind everybody's back.
			root := account{"root", "root-first"}
			c.Expect(c.as(root, func(ctx context.Context, etcd *clientv3.Client) error {
				_, err := etcd.UserChangePassword(ctx, "root", "root-unknown")
				return err
			})).To(gomega.Succeed())
			c.awaitAuth("False " + v1alpha2.ReasonRootRefused)
			c.Expect(c.as(app, put("/app/a"))).To(gomega.Succeed(), "clients are served")
			c.password("root", "root-unknown")
			c.awaitAuth("True")
			c.awaitReady(3)
			c.scale(4)
			c.awaitReady(4)
			c.Expect(c.get().Status.Replacements).To(gomega.BeEmpty())
		})
	}
}

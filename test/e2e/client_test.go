//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plugin"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// TestAnApplicationReachesASecuredClusterWithWhatItIsGiven asks as people do, and connects with nothing else than the Secret and the
// ConfigMap that an application mounts.
func TestAnApplicationReachesASecuredClusterWithWhatItIsGiven(t *testing.T) {
	t.Parallel()
	c := newCluster(t, automatic)
	c.awaitReady(3)
	said := c.plugin("certificate", c.name, "shop")
	c.Expect(said).To(gomega.ContainSubstring("Secret main-client-shop has a client certificate for shop"))

	m := c.connection()
	c.Expect(strings.Split(m.Data[resource.ConnectionEndpoints], ",")).To(gomega.ConsistOf(c.urls()))
	c.serves(m.Data[resource.ConnectionService])
	for _, e := range c.urls() {
		c.serves(e)
	}
	c.Expect(c.plugin("status", c.name)).To(gomega.And(
		gomega.ContainSubstring("3/3 members ready"), gomega.Not(gomega.ContainSubstring("cannot ask the members"))))
	c.Expect(c.plugin("explain", c.name)).NotTo(gomega.ContainSubstring("cannot ask the members"))

	c.scale(1)
	c.await("clients are told of the one member that stays", func() {
		c.Expect(c.memberNames()).To(gomega.HaveLen(1))
		c.Expect(c.connection().Data[resource.ConnectionEndpoints]).To(gomega.Equal(c.urls()[0]))
	})
	before := c.granted().Data[corev1.TLSCertKey]
	secret := c.granted()
	secret.Annotations[v1alpha2.AnnotationCommonName] = "shopkeeper"
	c.Expect(testbed.Update(c.ctx, secret)).To(gomega.Succeed())
	c.await("the certificate is for another name", func() {
		c.Expect(c.granted().Data[corev1.TLSCertKey]).NotTo(gomega.Equal(before))
	})
	c.serves(m.Data[resource.ConnectionService])
}

// plugin runs kubectl etcd, and returns what it says.
func (c *cluster) plugin(args ...string) string {
	c.t.Helper()
	var out bytes.Buffer
	cmd := plugin.Command(plugin.Environment{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out},
		Clock:     clock.RealClock{}, Getenv: func(string) string { return "" },
	})
	cmd.SetArgs(append(args, "--kubeconfig="+testbed.Kubeconfig(), "--namespace="+c.namespace))
	err := cmd.ExecuteContext(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred(), out.String())
	return out.String()
}

func (c *cluster) connection() *corev1.ConfigMap {
	c.t.Helper()
	m := &corev1.ConfigMap{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: c.name + "-connection"}, m)).To(gomega.Succeed())
	return m
}

// granted is the Secret that the plugin makes for the application.
func (c *cluster) granted() *corev1.Secret {
	c.t.Helper()
	s := &corev1.Secret{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: c.name + "-client-shop"}, s)).To(gomega.Succeed())
	return s
}

// urls are those of all members.
func (c *cluster) urls() (all []string) {
	c.t.Helper()
	for _, name := range c.memberNames() {
		all = append(all, resource.ClientURL(name, c.name, c.namespace, true))
	}
	return all
}

// serves writes to a member, which has to prove the name in the URL. The names are known in Pods only, so members are called by address.
func (c *cluster) serves(address string) {
	c.t.Helper()
	u, err := url.Parse(address)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	secret := c.granted()
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	c.Expect(err).NotTo(gomega.HaveOccurred())
	at, _, _ := strings.Cut(u.Hostname(), ".")
	if address == c.connection().Data[resource.ConnectionService] {
		at = c.memberNames()[0]
	}
	for _, told := range []string{string(secret.Data["ca.crt"]), c.connection().Data[resource.ConnectionTrust]} {
		etcd, err := traffic.Over(trusting(told, u.Hostname(), pair))(endpoint(c.pod(at)))
		c.Expect(err).NotTo(gomega.HaveOccurred())
		ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
		_, err = etcd.Put(ctx, "application", "was here")
		cancel()
		etcd.Close()
		c.Expect(err).NotTo(gomega.HaveOccurred(), address)
	}
}

// trusting is a client that holds whoever it reaches to a name: etcd's client takes the name from the address that it calls.
func trusting(cas, name string, pair tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(cas))
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		InsecureSkipVerify: true, // VerifyConnection does it, with the name that is meant
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
			return err
		},
	}
}

//go:build e2e && full

package e2e

import (
	"context"
	"fmt"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

const issuer = "ca"

// issued secures both planes with certificates of cert-manager.
func issued(o *v1alpha2.EtcdCluster) {
	ref := v1alpha2.IssuerReference{Name: issuer}
	o.Spec.TLS = &v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{CertManager: &v1alpha2.ClientCertManagerTLS{ServerIssuerRef: ref, OperatorClientIssuerRef: &ref}},
		Peer:   &v1alpha2.PeerTLS{CertManager: &v1alpha2.PeerCertManagerTLS{IssuerRef: ref}},
	}
}

// Not parallel: it takes cert-manager away from everybody. In the end it is there no more, as in the beginning.
func TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart(t *testing.T) {
	ctx := context.Background() // that of the test has ended when this runs
	wipe := func() {
		if err := testbed.WipeAddOn(ctx, "cert-manager"); err != nil {
			t.Error(err)
		}
	}
	wipe()
	t.Cleanup(wipe)
	c := newCluster(t, issued)
	c.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonCertManagerMissing)
	operator, _, err := testbed.Leader(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(testbed.StartComponent(c.ctx, "cert-manager")).To(gomega.Succeed())
	c.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonCertificatePending)
	c.Expect(c.pods()).To(gomega.BeEmpty(), "members without certificates")
	c.issueFromACAOfItsOwn()
	c.awaitReady(3)
	still, _, err := testbed.Leader(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(still.UID).To(gomega.Equal(operator.UID), "the operator was started again")

	load := c.write()
	c.refuseStrangers()
	c.scale(4)
	c.awaitReady(4)
	c.scale(3)
	c.awaitReady(3)
	victim := c.memberNames()[0]
	c.askForReplacement(victim)
	c.await(victim+" is gone", func() { c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim)) })
	c.awaitReady(3)

	for _, name := range []string{c.name + "-server-tls", c.name + "-peer-tls", resource.IssuedClientName(c.name)} {
		c.expectNewSerials(name)
	}
	c.settle(load)
}

// expectNewSerials has a certificate issued anew, and waits until all members show, and the operator has, the new one.
func (c *cluster) expectNewSerials(secret string) {
	c.t.Helper()
	serial := func(name string) string {
		var s corev1.Secret
		c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, &s)).To(gomega.Succeed())
		m, err := pki.Parse(s.Data)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		return pki.Serial(m.Leaf())
	}
	before, starts := serial(secret), c.starts()
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: secret}}
	c.Expect(testbed.Delete(c.ctx, old)).To(gomega.Succeed())
	c.await("another certificate is shown for "+secret, func() {
		now := serial(secret)
		c.Expect(now).NotTo(gomega.Equal(before))
		switch secret {
		case c.name + "-server-tls":
			c.Expect(c.shown(resource.ClientPort)).To(gomega.HaveEach(now))
		case c.name + "-peer-tls":
			c.Expect(c.shown(resource.PeerPort)).To(gomega.HaveEach(now))
		default:
			c.Expect(serial(resource.OperatorClientName(c.name))).To(gomega.Equal(now))
		}
	})
	c.awaitCondition(v1alpha2.ConditionTLSReady, "True")
	c.Expect(c.starts()).To(gomega.Equal(starts), "a container was started again")
}

// shown are the serial numbers that members show on a port.
func (c *cluster) shown(port int) (all []string) {
	c.t.Helper()
	for _, p := range c.pods() {
		shown, _ := etcd.Adapter{}.Certificate(c.ctx, fmt.Sprintf("https://%s:%d", p.Status.PodIP, port), c.client())
		c.Expect(shown).NotTo(gomega.BeNil(), "%s shows nothing", p.Name)
		all = append(all, pki.Serial(shown))
	}
	c.Expect(all).NotTo(gomega.BeEmpty())
	return all
}

// starts are how often the containers of each Pod were started.
func (c *cluster) starts() map[string]int32 {
	c.t.Helper()
	all := map[string]int32{}
	for _, p := range c.pods() {
		for _, s := range p.Status.ContainerStatuses {
			all[string(p.UID)+" "+s.Name] = s.RestartCount
		}
	}
	return all
}

// issueFromACAOfItsOwn makes an issuer of the cluster's namespace.
func (c *cluster) issueFromACAOfItsOwn() {
	c.t.Helper()
	about := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: c.namespace, Name: name} }
	first := &cmv1.Issuer{ObjectMeta: about("self")}
	first.Spec.SelfSigned = &cmv1.SelfSignedIssuer{}
	ca := &cmv1.Certificate{ObjectMeta: about(issuer), Spec: cmv1.CertificateSpec{
		IsCA: true, CommonName: "the CA of " + c.namespace, SecretName: issuer, IssuerRef: cmmeta.IssuerReference{Name: first.Name},
	}}
	then := &cmv1.Issuer{ObjectMeta: about(issuer)}
	then.Spec.CA = &cmv1.CAIssuer{SecretName: issuer}
	for _, o := range []client.Object{first, ca, then} {
		c.Expect(testbed.Create(c.ctx, o)).To(gomega.Succeed())
	}
}

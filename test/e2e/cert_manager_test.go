//go:build e2e && full

package e2e

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
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
	withoutCertManager(t)
	c := newCluster(t, issued)
	c.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonCertManagerMissing)
	operator, _, err := testbed.Leader(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(testbed.StartComponent(c.ctx, "cert-manager")).To(gomega.Succeed())
	c.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonCertificatePending)
	c.Expect(c.pods()).To(gomega.BeEmpty(), "members without certificates")
	c.issueFromACAOfItsOwn(0)
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
	c.Expect(testbed.Delete(c.ctx, c.get())).To(gomega.Succeed())
	c.await("no key is left behind", func() {
		var left corev1.SecretList
		c.Expect(testbed.List(c.ctx, &left, c.ours()...)).To(gomega.Succeed())
		c.Expect(left.Items).To(gomega.BeEmpty())
	})
}

// expectNewSerials has a certificate issued anew, and waits until all members show, and the operator has, the new one.
func (c *cluster) expectNewSerials(secret string) {
	c.t.Helper()
	starts := c.starts()
	before := c.reissue(secret)
	c.await("another certificate is shown for "+secret, func() {
		now := c.certificate(secret)
		c.Expect(now).NotTo(gomega.Equal(before))
		switch secret {
		case c.name + "-server-tls":
			c.Expect(c.shown(resource.ClientPort)).To(gomega.HaveEach(pki.Serial(now)))
		case c.name + "-peer-tls":
			c.Expect(c.shown(resource.PeerPort)).To(gomega.HaveEach(pki.Serial(now)))
		default:
			c.Expect(c.certificate(resource.OperatorClientName(c.name))).To(gomega.Equal(now))
		}
	})
	c.awaitCondition(v1alpha2.ConditionTLSReady, "True")
	c.Expect(c.starts()).To(gomega.Equal(starts), "a container was started again")
}

// TestCAOfAnIssuerIsSwappedInOneGo: the new CA has the name of the old one, and everything is issued anew at once.
func TestCAOfAnIssuerIsSwappedInOneGo(t *testing.T) {
	withoutCertManager(t)
	c := newCluster(t, issued)
	c.Expect(testbed.StartComponent(c.ctx, "cert-manager")).To(gomega.Succeed())
	c.issueFromACAOfItsOwn(15 * time.Minute) // a twelfth of that is the time of clients
	c.awaitReady(3)
	before, load := c.identity(), c.write()

	old := c.reissue(issuer)
	c.await("there is another CA", func() { c.Expect(c.certificate(issuer)).NotTo(gomega.Equal(old)) })
	for _, name := range []string{c.name + "-server-tls", c.name + "-peer-tls", resource.IssuedClientName(c.name)} {
		c.reissue(name)
	}
	c.awaitFor(2*patience, "everybody trusts the new CA and no other", func() {
		o := c.get()
		for _, plane := range []*v1alpha2.PlaneTLSStatus{o.Status.TLS.Client, o.Status.TLS.Peer} {
			c.Expect(plane.CAs).To(gomega.HaveLen(1))
			c.Expect(plane.CAs[0].Fingerprint).To(gomega.Equal(pki.Fingerprint(c.certificate(issuer))))
		}
		c.Expect(condition(o, v1alpha2.ConditionTLSReady)).To(gomega.HavePrefix("True"))
	})
	c.awaitReady(3)
	c.Expect(c.shown(resource.ClientPort)).To(gomega.HaveEach(pki.Serial(c.certificate(c.name + "-server-tls"))))
	c.Expect(c.shown(resource.PeerPort)).To(gomega.HaveEach(pki.Serial(c.certificate(c.name + "-peer-tls"))))
	c.Expect(c.identity()).To(gomega.Equal(before))
	c.settle(load)
}

// withoutCertManager takes it away, now and when the test has ended.
func withoutCertManager(t *testing.T) {
	t.Helper()
	wipe := func() {
		if err := testbed.WipeAddOn(context.Background(), "cert-manager"); err != nil { // the test's context has ended when this runs
			t.Error(err)
		}
	}
	wipe()
	t.Cleanup(wipe)
}

// reissue deletes a Secret of cert-manager, which makes another, and returns the certificate that was in it.
func (c *cluster) reissue(secret string) *x509.Certificate {
	c.t.Helper()
	before := c.certificate(secret)
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: secret}}
	c.Expect(testbed.Delete(c.ctx, old)).To(gomega.Succeed())
	return before
}

// certificate is that in a Secret.
func (c *cluster) certificate(secret string) *x509.Certificate {
	c.t.Helper()
	var s corev1.Secret
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: secret}, &s)).To(gomega.Succeed())
	m, err := pki.Parse(s.Data)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return m.Leaf()
}

// issueFromACAOfItsOwn makes an issuer of the cluster's namespace. A life of 0 is cert-manager's default.
func (c *cluster) issueFromACAOfItsOwn(life time.Duration) {
	c.t.Helper()
	about := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: c.namespace, Name: name} }
	first := &cmv1.Issuer{ObjectMeta: about("self")}
	first.Spec.SelfSigned = &cmv1.SelfSignedIssuer{}
	ca := &cmv1.Certificate{ObjectMeta: about(issuer), Spec: cmv1.CertificateSpec{
		IsCA: true, CommonName: "the CA of " + c.namespace, SecretName: issuer, IssuerRef: cmmeta.IssuerReference{Name: first.Name},
	}}
	if life > 0 {
		ca.Spec.Duration = &metav1.Duration{Duration: life}
	}
	then := &cmv1.Issuer{ObjectMeta: about(issuer)}
	then.Spec.CA = &cmv1.CAIssuer{SecretName: issuer}
	for _, o := range []client.Object{first, ca, then} {
		c.Expect(testbed.Create(c.ctx, o)).To(gomega.Succeed())
	}
}

//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// automatic secures both planes from CAs of the cluster's own.
func automatic(o *v1alpha2.EtcdCluster) {
	o.Spec.TLS = &v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}, Peer: &v1alpha2.PeerTLS{Auto: &v1alpha2.PeerAutoTLS{}},
	}
}

// TestClusterWithItsOwnCertificatesServesOnlyWhomItTrusts lives through what clusters live through: growth, a lost volume, a pause.
func TestClusterWithItsOwnCertificatesServesOnlyWhomItTrusts(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, automatic)
	w.refuseStrangers()
	w.live()
}

// live is what clusters go through: growth, a lost volume, a pause.
func (w *ward) live() {
	w.t.Helper()
	w.scale(4)
	w.awaitReady(4)
	w.scale(3)
	w.awaitReady(3)
	victim := follower(w.cluster)
	w.lose(victim, v1alpha2.FailureDataLost, func() { w.harmVolume(victim, bed.Wipe) })
	w.scale(0)
	w.await("it is paused", func() { w.Expect(w.pods()).To(gomega.BeEmpty()) })
	w.scale(3)
	w.awaitReady(3)
	w.settle(w.load)
}

// refuseStrangers tries who must not be served: in plain, without a certificate, and with one of another cluster's CA.
func (c *cluster) refuseStrangers() {
	c.t.Helper()
	c.refuses(nil, "in plain")
	nobody := c.client()
	nobody.GetClientCertificate = nil
	c.refuses(nobody, "without a certificate")
	foreign := c.client()
	foreign.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return selfSigned() }
	c.refuses(foreign, "with a foreign certificate")
}

// selfSigned is a certificate of no CA that anybody trusts.
func selfSigned() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	text := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &text, &text, key.Public(), key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// dialer is how clients connect at the moment.
func (c *cluster) dialer() traffic.Dialer {
	if !c.secured {
		return traffic.Dial
	}
	return traffic.Over(c.client())
}

// client is a client that follows what is announced: it trusts the CAs of the bundle, and shows the operator's certificate.
func (c *cluster) client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			var secret corev1.Secret
			key := client.ObjectKey{Namespace: c.namespace, Name: resource.OperatorClientName(c.name)}
			if err := testbed.Get(c.ctx, key, &secret); err != nil {
				return nil, err
			}
			pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
			return &pair, err
		},
		InsecureSkipVerify: true, // VerifyConnection does it, with the CAs of that moment
		VerifyConnection:   c.verifyServer,
	}
}

func (c *cluster) verifyServer(state tls.ConnectionState) error {
	var o v1alpha2.EtcdCluster
	if err := testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: c.name}, &o); err != nil {
		return err
	}
	var trust corev1.ConfigMap
	name := resource.TrustName(c.name, resource.ClientPlane, resource.BundleOf(&o, resource.ClientPlane))
	if err := testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, &trust); err != nil {
		return err
	}
	roots, rest := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(trust.Data["ca.crt"]))
	for _, cert := range state.PeerCertificates[1:] {
		rest.AddCert(cert)
	}
	host := c.name + "." + c.namespace + ".svc"
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: rest})
	return err
}

// refuses says that a client with this configuration, in plain without one, is not served.
func (c *cluster) refuses(config *tls.Config, who string) {
	c.t.Helper()
	all, err := c.endpoints(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	for _, e := range all {
		etcd, err := traffic.Over(config)(e)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		ctx, cancel := context.WithTimeout(c.ctx, 3*time.Second)
		_, err = etcd.Put(ctx, "refused", "x")
		cancel()
		etcd.Close()
		c.Expect(err).To(gomega.HaveOccurred(), who+" on "+e)
	}
}

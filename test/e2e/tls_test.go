//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
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
	c := newCluster(t, automatic)
	c.awaitReady(3)
	trusted, stranger := c.certificates(), c.certificates()
	stranger.Certificates = nil
	c.Expect(c.store(trusted, "before", "x")).To(gomega.Succeed())
	c.Expect(c.store(stranger, "k", "v")).NotTo(gomega.Succeed(), "without a client certificate")
	c.Expect(c.store(nil, "k", "v")).NotTo(gomega.Succeed(), "in plain")

	c.scale(4)
	c.awaitReady(4)
	c.scale(3)
	c.awaitReady(3)
	c.Expect(c.store(trusted, "scaled", "x")).To(gomega.Succeed())

	victim := c.memberNames()[0]
	c.askForReplacement(victim)
	c.await(victim+" is gone", func() { c.Expect(c.memberNames()).NotTo(gomega.ContainElement(victim)) })
	c.awaitReady(3)
	c.scale(0)
	c.await("it is paused", func() { c.Expect(c.pods()).To(gomega.BeEmpty()) })
	c.scale(3)
	c.awaitReady(3)
	for _, key := range []string{"before", "scaled"} {
		c.Expect(c.stored(trusted, key)).To(gomega.Equal("x"), key)
	}
}

// certificates are those of the operator: it is a client like any other.
func (c *cluster) certificates() *tls.Config {
	c.t.Helper()
	var secret corev1.Secret
	var trust corev1.ConfigMap
	bundle := c.get().Status.TLS.Client.Bundle
	for name, into := range map[string]client.Object{
		resource.OperatorClientName(c.name):                      &secret,
		resource.TrustName(c.name, resource.ClientPlane, bundle): &trust,
	} {
		c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, into)).To(gomega.Succeed())
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	c.Expect(err).NotTo(gomega.HaveOccurred())
	roots := x509.NewCertPool()
	c.Expect(roots.AppendCertsFromPEM([]byte(trust.Data["ca.crt"]))).To(gomega.BeTrue())
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: []tls.Certificate{pair}}
}

// secured connects to all members by their names, over TLS if there is a configuration. The names are known in Pods only.
func (c *cluster) secured(config *tls.Config, do func(context.Context, *clientv3.Client) error) error {
	c.t.Helper()
	at, endpoints := map[string]string{}, []string{}
	for _, p := range c.pods() {
		u, err := url.Parse(resource.ClientURL(p.Name, c.name, c.namespace, config != nil))
		if err != nil {
			return err
		}
		at[u.Host] = endpoint(&p)
		endpoints = append(endpoints, u.String())
	}
	etcd, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, TLS: config, DialTimeout: 3 * time.Second, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", at[address])
		})},
	})
	if err != nil {
		return err
	}
	defer etcd.Close()
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	return do(ctx, etcd)
}

func (c *cluster) store(config *tls.Config, key, value string) error {
	return c.secured(config, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Put(ctx, key, value)
		return err
	})
}

func (c *cluster) stored(config *tls.Config, key string) (value string, err error) {
	err = c.secured(config, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.Get(ctx, key)
		if err == nil && len(answer.Kvs) == 0 {
			err = errors.New("there is no such key")
		}
		if err == nil {
			value = string(answer.Kvs[0].Value)
		}
		return err
	})
	return value, err
}

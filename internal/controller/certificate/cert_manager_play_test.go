package certificate

import (
	"crypto/rand"
	"maps"
	"net"
	"slices"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
)

// certManager is played: it does what Certificates ask for, with CAs that the test gives it.
type certManager struct {
	*world
	issuers map[string]pki.Authority
	noCA    bool // its issuers do not tell of theirs
}

func ordering(server, operator, peer string) v1alpha2.EtcdClusterTLS {
	tls := v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{CertManager: &v1alpha2.ClientCertManagerTLS{ServerIssuerRef: v1alpha2.IssuerReference{Name: server}}},
		Peer:   &v1alpha2.PeerTLS{CertManager: &v1alpha2.PeerCertManagerTLS{IssuerRef: v1alpha2.IssuerReference{Name: peer}}},
	}
	if operator != "" {
		tls.Client.CertManager.OperatorClientIssuerRef = &v1alpha2.IssuerReference{Name: operator, Kind: "ClusterIssuer"}
	}
	return tls
}

// newCertManager is beside a cluster that is yet to be made.
func newCertManager(t *testing.T, tls v1alpha2.EtcdClusterTLS) *certManager {
	t.Helper()
	m := &certManager{world: newWorld(t, tls), issuers: map[string]pki.Authority{}}
	for _, name := range []string{"one", "two", "three"} {
		m.newCA(name)
	}
	m.others = m.work
	return m
}

// issuedFor is a cluster that runs with certificates of cert-manager.
func issuedFor(t *testing.T, tls v1alpha2.EtcdClusterTLS) *certManager {
	t.Helper()
	m := newCertManager(t, tls)
	m.found()
	m.begin()
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
	m.phases()
	return m
}

// found lets operator and cert-manager do all that is to be done before members start.
func (m *certManager) found() {
	m.t.Helper()
	for again := true; again; again = m.work() {
		m.settle()
	}
}

func (m *certManager) newCA(name string) {
	m.t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityRequest{Cluster: name, Generation: 1, Life: 3000 * day, Now: m.clock.Now(), Random: rand.Reader})
	must(m.t, err)
	m.issuers[name] = ca
}

func (m *certManager) certificate(name string) *cmv1.Certificate {
	m.t.Helper()
	c := &cmv1.Certificate{}
	err := m.store.Get(m.t.Context(), types.NamespacedName{Namespace: demo.Namespace, Name: name}, c)
	if client.IgnoreNotFound(err) != nil {
		m.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return c
}

// work issues what is missing or was asked for otherwise.
func (m *certManager) work() (worked bool) {
	m.t.Helper()
	var all cmv1.CertificateList
	must(m.t, m.store.List(m.t.Context(), &all))
	for i := range all.Items {
		worked = m.workOn(&all.Items[i]) || worked
	}
	return worked
}

func (m *certManager) workOn(c *cmv1.Certificate) bool {
	m.t.Helper()
	ca, there := m.issuers[c.Spec.IssuerRef.Name]
	secret := m.secret(c.Spec.SecretName)
	if secret != nil && secret.Annotations[cmv1.IssuerNameAnnotationKey] == c.Spec.IssuerRef.Name && m.saysReady(c) {
		return false
	}
	if !there {
		return m.say(c, cmmeta.ConditionFalse, "Referenced issuer not found")
	}
	m.issue(c, ca)
	m.say(c, cmmeta.ConditionTrue, "Certificate is up to date")
	return true
}

func (m *certManager) saysReady(c *cmv1.Certificate) bool {
	_, ready := saidOf(c)
	return ready
}

func (m *certManager) say(c *cmv1.Certificate, status cmmeta.ConditionStatus, message string) (news bool) {
	m.t.Helper()
	said := []cmv1.CertificateCondition{{Type: cmv1.CertificateConditionReady, Status: status, Message: message}}
	if slices.Equal(c.Status.Conditions, said) {
		return false
	}
	c.Status.Conditions = said
	must(m.t, m.store.Update(m.t.Context(), c))
	return true
}

// issue writes the Secret as cert-manager does: in place, and with the metadata of the template.
func (m *certManager) issue(c *cmv1.Certificate, ca pki.Authority) {
	m.t.Helper()
	r := pki.LeafRequest{CommonName: c.Spec.CommonName, DNSNames: c.Spec.DNSNames, Life: 90 * day, Now: m.clock.Now(), Random: rand.Reader}
	for _, ip := range c.Spec.IPAddresses {
		r.IPs = append(r.IPs, net.ParseIP(ip))
	}
	if slices.Contains(c.Spec.Usages, cmv1.UsageServerAuth) {
		r.Usages = append(r.Usages, pki.ServerUsages(false)...)
	}
	if slices.Contains(c.Spec.Usages, cmv1.UsageClientAuth) {
		r.Usages = append(r.Usages, pki.ClientUsages()...)
	}
	leaf, err := ca.Issue(r)
	must(m.t, err)
	data, err := leaf.Data(pki.NewBundle(ca.Certificate()))
	must(m.t, err)
	if m.noCA {
		delete(data, pki.BundleKey)
	}
	secret := m.secret(c.Spec.SecretName)
	if there := secret != nil; !there {
		secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Spec.SecretName}}
		defer func() { must(m.t, m.store.Create(m.t.Context(), secret)) }()
	} else {
		defer func() { must(m.t, m.store.Update(m.t.Context(), secret)) }()
	}
	secret.Data, secret.Labels = data, maps.Clone(c.Spec.SecretTemplate.Labels)
	secret.Annotations = map[string]string{cmv1.CertificateNameKey: c.Name, cmv1.IssuerNameAnnotationKey: c.Spec.IssuerRef.Name}
}

var issuedSecrets = []string{"demo-operator-client-tls", "demo-peer-tls", "demo-server-tls"}

// reissue issues some anew, all if none is named.
func (m *certManager) reissue(names ...string) {
	m.t.Helper()
	if names == nil {
		names = issuedSecrets
	}
	for _, name := range names {
		c := m.certificate(name)
		m.issue(c, m.issuers[c.Spec.IssuerRef.Name])
	}
}

//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// The Secrets that a person brings along.
const (
	serverSecret   = "theirs-server"
	operatorSecret = "theirs-operator"
	peerSecret     = "theirs-peer"
)

// theirs secures both planes with a person's own certificates.
func theirs(o *v1alpha2.EtcdCluster) {
	named := func(name string) *corev1.LocalObjectReference { return &corev1.LocalObjectReference{Name: name} }
	o.Spec.TLS = &v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{ServerSecretRef: named(serverSecret), OperatorClientSecretRef: named(operatorSecret)},
		Peer:   &v1alpha2.PeerTLS{SecretRef: named(peerSecret)},
	}
}

// person issues certificates by hand, from a CA that may be swapped.
type person struct {
	*cluster
	ca pki.Authority
}

func (c *cluster) person() *person {
	p := &person{cluster: c}
	p.swapCA(1, 24*time.Hour, 3*time.Hour)
	return p
}

// swapCA makes another CA, which has been valid for some time. Clients have a twelfth of its life to trust it.
func (p *person) swapCA(generation int, life, ago time.Duration) {
	p.t.Helper()
	var err error
	p.ca, err = pki.NewAuthority(pki.AuthorityRequest{
		Cluster: "of a person", Generation: generation, Life: life, Now: time.Now().Add(-ago), Random: rand.Reader,
	})
	p.Expect(err).NotTo(gomega.HaveOccurred())
}

// issue is what a good certificate for one of the Secrets looks like, with something changed.
func (p *person) issue(secret string, change ...func(*pki.LeafRequest)) map[string][]byte {
	p.t.Helper()
	host := p.name + "." + p.namespace + ".svc"
	request := pki.LeafRequest{
		DNSNames: []string{host, "*." + host}, Usages: pki.PeerUsages(), Now: time.Now(), Random: rand.Reader,
		Life: time.Until(p.ca.Certificate().NotAfter) - time.Minute,
	}
	if secret == operatorSecret {
		request.CommonName, request.DNSNames, request.Usages = "root", nil, pki.ClientUsages()
	}
	for _, set := range change {
		set(&request)
	}
	m, err := p.ca.Issue(request)
	p.Expect(err).NotTo(gomega.HaveOccurred())
	data, err := m.Data(pki.NewBundle(p.ca.Certificate()))
	p.Expect(err).NotTo(gomega.HaveOccurred())
	return data
}

// give writes a Secret, whether it is there or not.
func (p *person) give(name string, data map[string][]byte) {
	p.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name}, Type: corev1.SecretTypeOpaque}
	err := testbed.Get(p.ctx, client.ObjectKeyFromObject(secret), secret)
	if secret.Data = data; err != nil {
		p.Expect(testbed.Create(p.ctx, secret)).To(gomega.Succeed())
		return
	}
	p.Expect(testbed.Update(p.ctx, secret)).To(gomega.Succeed())
}

func (p *person) giveAll() {
	p.t.Helper()
	for _, name := range []string{serverSecret, operatorSecret, peerSecret} {
		p.give(name, p.issue(name))
	}
}

func TestCertificatesOfAPersonAreCheckedRenewedAndSwappedUnderLoad(t *testing.T) {
	t.Parallel()
	c := newCluster(t, theirs)
	p := c.person()
	c.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonSecretMissing)
	c.Expect(c.pods()).To(gomega.BeEmpty(), "members without certificates")
	p.giveAll()
	c.awaitReady(3)
	w := &ward{c, c.write()}
	w.refuseStrangers()
	starts := w.starts()

	for name, bad := range p.bad() {
		p.give(serverSecret, bad.data)
		w.await(name+" is named", func() {
			text := condition(w.get(), v1alpha2.ConditionTLSReady)
			w.Expect(text).To(gomega.And(gomega.HavePrefix("False "+v1alpha2.ReasonCertificateInvalid), gomega.ContainSubstring(bad.says),
				gomega.ContainSubstring(serverSecret)))
		})
	}
	gone := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: peerSecret}}
	w.Expect(testbed.Delete(w.ctx, gone)).To(gomega.Succeed())
	p.give(serverSecret, p.issue(serverSecret))
	w.awaitCondition(v1alpha2.ConditionTLSReady, "False "+v1alpha2.ReasonSecretMissing)

	began, unanswered := time.Now(), w.load.Journal.Unanswered()
	p.giveAll()
	w.awaitShown(p)
	w.Expect(w.load.Journal.Unanswered()-unanswered).To(gomega.BeNumerically("<=", traffic.Writers), "requests failed")
	w.t.Logf("renewed on both planes in %.1f s", time.Since(began).Seconds())
	w.Expect(w.starts()).To(gomega.Equal(starts), "a container was started again")

	began = time.Now()
	p.swapCA(2, 12*time.Minute, time.Minute) // clients have a minute
	p.giveAll()
	w.awaitShown(p)
	w.awaitCondition(v1alpha2.ConditionTLSReady, "True")
	w.t.Logf("the CAs of both planes were swapped in %.1f s", time.Since(began).Seconds())
	w.refuseStrangers()
	w.awaitReady(3)
	w.settle(w.load)
}

// bad are certificates that no member may be given, and what is said of them.
func (p *person) bad() map[string]struct {
	data map[string][]byte
	says string
} {
	without := p.issue(serverSecret)
	delete(without, pki.BundleKey)
	mixed := p.issue(serverSecret)
	mixed[pki.PrivateKey] = p.issue(serverSecret)[pki.PrivateKey]
	torn := p.issue(serverSecret)
	torn[pki.ChainKey] = torn[pki.ChainKey][:100]
	past := func(r *pki.LeafRequest) { r.Now, r.Life = time.Now().Add(-2*time.Hour), time.Hour }
	elsewhere := func(r *pki.LeafRequest) { r.DNSNames = []string{"elsewhere.example"} }
	useless := func(r *pki.LeafRequest) { r.Usages = pki.ClientUsages() }
	type bad = struct {
		data map[string][]byte
		says string
	}
	return map[string]bad{
		"an expired certificate":     {p.issue(serverSecret, past), "expired at"},
		"a wrong name":               {p.issue(serverSecret, elsewhere), "does not cover"},
		"a missing usage":            {p.issue(serverSecret, useless), "lacks the extended key usage"},
		"the key of another one":     {mixed, "is not the key of"},
		"a missing ca.crt":           {without, "ca.crt is missing"},
		"half a certificate":         {torn, "tls.crt"},
		"a certificate of somebody":  {p.ofAStranger(), "does not verify"},
		"nothing but an empty field": {map[string][]byte{pki.ChainKey: nil}, "tls.crt"},
	}
}

// ofAStranger is issued by another CA than it names.
func (p *person) ofAStranger() map[string][]byte {
	other := *p
	other.swapCA(9, 24*time.Hour, time.Hour)
	data := other.issue(serverSecret)
	data[pki.BundleKey] = p.issue(serverSecret)[pki.BundleKey]
	return data
}

// awaitShown waits until all members show what the person's Secrets hold, by handshake.
func (w *ward) awaitShown(p *person) {
	w.t.Helper()
	for name, port := range map[string]int{serverSecret: resource.ClientPort, peerSecret: resource.PeerPort} {
		var secret corev1.Secret
		w.Expect(testbed.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, &secret)).To(gomega.Succeed())
		m, err := pki.Parse(secret.Data)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		w.awaitFor(2*patience, "all members show what is in "+name, func() {
			w.Expect(w.shown(port)).To(gomega.And(gomega.HaveLen(3), gomega.HaveEach(pki.Serial(m.Leaf()))))
		})
	}
}

// shown are the serial numbers that members show on a port.
func (c *cluster) shown(port int) (all []string) {
	c.t.Helper()
	for _, p := range c.pods() {
		var shown *x509.Certificate
		shown, _ = etcd.Adapter{}.Certificate(c.ctx, fmt.Sprintf("https://%s:%d", p.Status.PodIP, port), c.client())
		c.Expect(shown).NotTo(gomega.BeNil(), "%s shows nothing", p.Name)
		all = append(all, pki.Serial(shown))
	}
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

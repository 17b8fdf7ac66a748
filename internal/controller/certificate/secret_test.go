package certificate

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// person has a CA and makes Secrets of it.
type person struct {
	t *testing.T
	w *world
	pki.Authority
}

func newPerson(t *testing.T, w *world, generation int) person {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityRequest{
		Cluster: "person", Generation: generation, Life: 3000 * day, Now: w.clock.Now(), Random: rand.Reader,
	})
	must(t, err)
	return person{t, w, ca}
}

// issue makes the data of a Secret, as such people do: with these names and no others.
func (p person) issue(change func(*pki.LeafRequest)) map[string][]byte {
	p.t.Helper()
	r := pki.LeafRequest{
		CommonName: "etcd", DNSNames: []string{"demo", "demo.ns.svc", "*.demo.ns.svc", "localhost"}, Usages: pki.PeerUsages(),
		Now: p.w.clock.Now(), Random: rand.Reader, Life: 365 * day,
	}
	if change != nil {
		change(&r)
	}
	m, err := p.Issue(r)
	must(p.t, err)
	data, err := m.Data(pki.NewBundle(p.Certificate()))
	must(p.t, err)
	return data
}

func (p person) client() map[string][]byte {
	return p.issue(func(r *pki.LeafRequest) { r.CommonName, r.DNSNames, r.Usages = "root", nil, pki.ClientUsages() })
}

// give puts all three Secrets.
func (p person) give() {
	p.t.Helper()
	p.w.put("theirs", p.issue(nil))
	p.w.put("theirs-operator", p.client())
	p.w.put("theirs-peer", p.issue(nil))
}

func fromPerson() v1alpha2.EtcdClusterTLS {
	ref := func(name string) *corev1.LocalObjectReference { return &corev1.LocalObjectReference{Name: name} }
	return v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{ServerSecretRef: ref("theirs"), OperatorClientSecretRef: ref("theirs-operator")},
		Peer:   &v1alpha2.PeerTLS{SecretRef: ref("theirs-peer")},
	}
}

// secured is a cluster that runs with the Secrets of a person.
func secured(t *testing.T) (*world, person) {
	t.Helper()
	w := newWorld(t, fromPerson())
	p := newPerson(t, w, 1)
	p.give()
	w.settle()
	w.begin()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	w.phases()
	return w, p
}

func TestACASwappedInOneGoIsTakenOverWhileEverybodyAcceptsEverybody(t *testing.T) {
	w, _ := secured(t)
	next := newPerson(t, w, 2)
	next.give()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	trust := pki.NewBundle(next.Certificate())
	for name, p := range w.running {
		for _, kind := range kinds {
			if p.trusts[kind].Hash() != trust.Hash() || p.shows[kind].Leaf().Issuer.String() != next.Certificate().Subject.String() {
				t.Errorf("%s trusts %v and shows %s on the %s plane", name, p.trusts[kind].Fingerprints(), p.shows[kind], kind)
			}
		}
	}
	if m := w.paper("demo-operator-tls").material; m.Leaf().Issuer.String() != next.Certificate().Subject.String() {
		t.Errorf("the operator shows %s", m)
	}
	if w.restarts != 3*3 {
		t.Errorf("%d restarts", w.restarts)
	}
}

func TestANewCertificateOfTheSameCARestartsNothing(t *testing.T) {
	w, p := secured(t)
	before := slices.Concat(w.serials(resource.ClientPlane), w.serials(resource.PeerPlane))
	p.give()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	for _, serial := range slices.Concat(w.serials(resource.ClientPlane), w.serials(resource.PeerPlane)) {
		if slices.Contains(before, serial) {
			t.Errorf("%s is shown still", serial)
		}
	}
	if w.restarts > 0 {
		t.Errorf("%d restarts", w.restarts)
	}
}

// TestABadSecretIsNamedAndNeverGivenToAnybody breaks a Secret in every way, and mends it.
func TestABadSecretIsNamedAndNeverGivenToAnybody(t *testing.T) {
	with := func(change func(map[string][]byte)) func(*world, person, string) {
		return func(w *world, p person, name string) {
			data := p.issue(nil)
			change(data)
			w.put(name, data)
		}
	}
	issued := func(change func(*pki.LeafRequest)) func(*world, person, string) {
		return func(w *world, p person, name string) { w.put(name, p.issue(change)) }
	}
	for claim, c := range map[string]struct {
		harm   func(*world, person, string)
		secret string // theirs if empty
		reason string // CertificateInvalid if empty
		saying string
	}{
		"another key": {harm: func(w *world, p person, name string) {
			data := p.issue(nil)
			data[pki.PrivateKey] = p.issue(nil)[pki.PrivateKey]
			w.put(name, data)
		}, saying: "tls.key is not the key of the certificate"},
		"a name is missing": {
			harm: issued(func(r *pki.LeafRequest) { r.DNSNames = []string{"demo.ns.svc"} }), saying: "does not cover *.demo.ns.svc",
		},
		"peers cannot look up a wildcard": {
			harm:   issued(func(r *pki.LeafRequest) { r.DNSNames = []string{"*.demo.ns.svc"} }),
			secret: "theirs-peer", saying: "does not cover demo.ns.svc",
		},
		"a usage is missing": {
			harm:   issued(func(r *pki.LeafRequest) { r.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
			secret: "theirs-peer", saying: "lacks the extended key usage clientAuth",
		},
		"expired": {
			harm: issued(func(r *pki.LeafRequest) { r.Now, r.Life = r.Now.Add(-time.Minute), 30*time.Second }), saying: "expired at",
		},
		"no ca.crt": {harm: with(func(d map[string][]byte) { delete(d, pki.BundleKey) }), saying: "ca.crt is missing"},
		"a ca.crt of others": {harm: func(w *world, p person, name string) {
			data := p.issue(nil)
			data[pki.BundleKey] = newPerson(p.t, w, 9).issue(nil)[pki.BundleKey]
			w.put(name, data)
		}, saying: "does not verify against the 1 certificate in the bundle"},
		"no text": {harm: with(func(d map[string][]byte) { d[pki.ChainKey] = []byte("hello") }), saying: "tls.crt does not parse"},
		"deleted": {harm: func(w *world, _ person, name string) { w.drop(name) }, reason: v1alpha2.ReasonSecretMissing, saying: "is not there"},
		"the operator's, of another CA": {harm: func(w *world, p person, name string) {
			w.put(name, newPerson(p.t, w, 9).client())
		}, secret: "theirs-operator", saying: "does not verify against"},
		"the operator's, for servers": {
			harm:   issued(func(r *pki.LeafRequest) { r.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
			secret: "theirs-operator", saying: "lacks the extended key usage clientAuth",
		},
	} {
		t.Run(claim, func(t *testing.T) {
			w, p := secured(t)
			if c.secret == "" {
				c.secret = "theirs"
			}
			if c.reason == "" {
				c.reason = v1alpha2.ReasonCertificateInvalid
			}
			before, good := w.everything(), w.secret(c.secret).Data
			c.harm(w, p, c.secret)
			w.live()
			w.ready(c.reason, "Secret "+c.secret, c.saying)
			if after := w.everything(); !maps.Equal(before, after) || w.restarts > 0 {
				t.Errorf("was %v, is %v", before, after)
			}
			if phases := w.phases(); !slices.Contains(phases, c.reason) {
				t.Errorf("no event tells: %v", phases)
			}
			w.put(c.secret, good)
			w.live()
			w.ready(v1alpha2.ReasonCertificatesValid)
			if after := w.everything(); !maps.Equal(before, after) || w.restarts > 0 {
				t.Errorf("was %v, is %v", before, after)
			}
		})
	}
}

// everything is what members and the operator are given and show, and the bundles.
func (w *world) everything() map[string]string {
	w.t.Helper()
	all := map[string]string{"operator": w.paper("demo-operator-tls").material.String()}
	for _, kind := range kinds {
		all[string(kind)+" shown"] = fmt.Sprint(w.serials(kind))
		for _, name := range w.names() {
			all[resource.LeafName(name, kind)] = w.paper(resource.LeafName(name, kind)).material.String()
		}
	}
	all["client"], all["peer"] = w.cluster().Status.TLS.Client.Bundle, w.cluster().Status.TLS.Peer.Bundle
	return all
}

func TestNothingBeginsWithABadSecret(t *testing.T) {
	w := newWorld(t, fromPerson())
	w.settle()
	w.ready(v1alpha2.ReasonSecretMissing, "Secret theirs (spec.tls.client.serverSecretRef) is not there")
	if resource.Securable(w.cluster()) {
		t.Error("members may start")
	}
	newPerson(t, w, 1).give()
	w.drop("theirs-operator")
	w.settle()
	w.ready(v1alpha2.ReasonSecretMissing, "Secret theirs-operator")
	if resource.Securable(w.cluster()) {
		t.Error("members may start that the operator cannot speak with")
	}
	newPerson(t, w, 1).give()
	w.settle()
	if !resource.Securable(w.cluster()) {
		t.Error("members may not start")
	}
}

func TestAMemberThatJoinsWhileTheCAChangesIsGivenWhatTheOthersTrust(t *testing.T) {
	w, _ := secured(t)
	newPerson(t, w, 2).give()
	w.settle() // both CAs are announced, and nobody has been restarted
	old := w.serials(resource.PeerPlane)[0]
	w.join()
	w.settle()
	name := w.names()[3]
	if got := identity(w.paper(resource.LeafName(name, resource.PeerPlane)).material.Leaf()); got != old {
		t.Errorf("it is given %s, the others show %s", got, old)
	}
	w.start(name)
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
}

func TestAMemberThatJoinsIsGivenWhatTheOthersHaveWhileTheSecretIsGone(t *testing.T) {
	w, _ := secured(t)
	w.drop("theirs")
	w.drop("theirs-peer")
	w.settle()
	w.join()
	w.settle()
	w.start(w.names()[3])
	w.live()
	w.ready(v1alpha2.ReasonSecretMissing)
	if shown := slices.Compact(w.serials(resource.PeerPlane)); len(shown) != 1 {
		t.Errorf("they show %v", shown)
	}
}

func TestASourceIsExchangedForAnother(t *testing.T) {
	for claim, to := range map[string]func(*world) v1alpha2.EtcdClusterTLS{
		"from Secrets to the cluster's own CA": func(*world) v1alpha2.EtcdClusterTLS { return auto(90*day, 900*day) },
	} {
		t.Run(claim, func(t *testing.T) {
			w, _ := secured(t)
			w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = new(to(w)) })
			w.live()
			w.ready(v1alpha2.ReasonCertificatesValid)
			w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = new(fromPerson()) })
			w.live()
			w.ready(v1alpha2.ReasonCertificatesValid)
		})
	}
}

func TestASerialNumberThatIsGivenTwiceHidesNothing(t *testing.T) {
	w, p := secured(t)
	number := bytes.Repeat([]byte{7}, 16)
	again := func(r *pki.LeafRequest) { r.Random = io.MultiReader(bytes.NewReader(number), rand.Reader) }
	for range 2 {
		w.put("theirs-peer", p.issue(again))
		w.live()
		want, err := pki.ParsePair("theirs-peer", w.secret("theirs-peer").Data)
		must(t, err)
		for name, running := range w.running {
			if !running.shows[resource.PeerPlane].Leaf().Equal(want.Leaf()) {
				t.Errorf("%s does not show the new one", name)
			}
		}
	}
}

func TestABundleStaysWhileAPodNamesIt(t *testing.T) {
	w, _ := secured(t)
	before := w.cluster().Status.TLS.Peer.Bundle
	newPerson(t, w, 2).give()
	w.settle()
	for _, name := range w.names() { // written down for all of them, and nobody was restarted yet
		m := w.memberNamed(name)
		m.Spec.TLS = resource.Member(w.cluster(), resource.MemberIntent{Ordinal: observe.Ordinal(m)}).Spec.TLS
		must(t, w.store.Update(t.Context(), m))
	}
	w.settle()
	trust := &corev1.ConfigMap{}
	key := types.NamespacedName{Namespace: demo.Namespace, Name: resource.TrustName(demo.Name, resource.PeerPlane, before)}
	must(t, w.store.Get(t.Context(), key, trust))
}

func TestTheTimeOfClientsGoesOnWhileOtherCAsComeAndGo(t *testing.T) {
	w, _ := secured(t)
	before := w.cluster().Status.TLS.Client.CAs
	since := w.secret("demo-operator-tls").Annotations[v1alpha2.AnnotationCertificateSince]
	newPerson(t, w, 2).give()
	w.settle()
	if after := w.cluster().Status.TLS.Client.CAs; len(after) != 2 || !slices.Contains(after, before[0]) {
		t.Errorf("was %v, is %v", before, after)
	}
	w.live()
	if again := w.secret("demo-operator-tls").Annotations[v1alpha2.AnnotationCertificateSince]; again == since {
		t.Error("the operator has had a certificate of the new CA since before there was one")
	}
}

func TestAChangedSecretIsSeenByItsName(t *testing.T) {
	w := newWorld(t, fromPerson())
	for name, want := range map[string]bool{"theirs": true, "theirs-operator": true, "theirs-peer": true, "another": false} {
		about := SecretMetadata()
		about.Namespace, about.Name = demo.Namespace, name
		got := w.clustersNaming(t.Context(), about)
		if want && !slices.Equal(got, []reconcile.Request{{NamespacedName: demo}}) || !want && len(got) > 0 {
			t.Errorf("a change of %s wakes %v", name, got)
		}
	}
	elsewhere := SecretMetadata()
	elsewhere.Namespace, elsewhere.Name = "elsewhere", "theirs"
	if got := w.clustersNaming(t.Context(), elsewhere); len(got) > 0 {
		t.Errorf("a change in another namespace wakes %v", got)
	}
}

func TestNoKeyIsTold(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	w.settle()
	w.begin()
	w.live()
	told, err := json.Marshal(w.cluster())
	must(t, err)
	text := string(told)
	for len(w.recorder.Events) > 0 {
		text += <-w.recorder.Events
	}
	var maps corev1.ConfigMapList
	must(t, w.store.List(t.Context(), &maps))
	told, err = json.Marshal(maps)
	must(t, err)
	text += string(told)
	for _, name := range []string{"demo-ca", "demo-operator-tls", w.names()[0] + "-server-tls"} {
		key := strings.Split(string(w.secret(name).Data[corev1.TLSPrivateKeyKey]), "\n")[1]
		if len(key) < 40 || strings.Contains(text, key) || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("the key of %s is told, or is none", name)
		}
	}
}

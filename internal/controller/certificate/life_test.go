package certificate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

const day = 24 * time.Hour

// auto is both planes from CAs of the cluster's own.
func auto(leaf, ca time.Duration) v1alpha2.EtcdClusterTLS {
	lives := v1alpha2.AutoCertificates{CertificateDuration: &metav1.Duration{Duration: leaf}, CADuration: &metav1.Duration{Duration: ca}}
	return v1alpha2.EtcdClusterTLS{
		Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{AutoCertificates: lives}},
		Peer:   &v1alpha2.PeerTLS{Auto: &v1alpha2.PeerAutoTLS{AutoCertificates: lives}},
	}
}

func TestFoundersHaveTheirCertificatesBeforeTheyStart(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	w.settle()
	client, peer := w.paper("demo-ca").material, w.paper("demo-peer-ca").material
	if pki.Fingerprint(client.Leaf()) == pki.Fingerprint(peer.Leaf()) {
		t.Error("who may be a client may be a member")
	}
	for _, name := range w.names() {
		for kind, ca := range map[resource.Plane]pki.Material{resource.ClientPlane: client, resource.PeerPlane: peer} {
			need := pki.Need{
				Names: []string{name + ".demo.ns.svc", name + ".demo.ns.svc.cluster.local", "localhost", "127.0.0.1"}, Usages: pki.PeerUsages(),
				Bundle: pki.NewBundle(ca.Leaf()), Now: noon,
			}
			if kind == resource.ClientPlane {
				need.Names = append(need.Names, "demo", "demo.ns.svc", "*.demo.ns.svc", "demo-client", "demo-client.ns.svc",
					"demo-client.ns.svc.cluster.local", "demo.ns.svc.cluster.local")
			}
			secret := w.secret(resource.LeafName(name, kind))
			m, err := pki.Check(secret.Name, secret.Data, need)
			must(t, err)
			if kind == resource.ClientPlane && m.Leaf().Subject.CommonName != "" {
				t.Errorf("%s could log in as %s", secret.Name, m.Leaf().Subject)
			}
			if !resource.ControlledBy(secret, "u1") || secret.Type != corev1.SecretTypeTLS {
				t.Errorf("Secret %s: %v, %s", secret.Name, secret.OwnerReferences, secret.Type)
			}
		}
	}
	operator := w.secret("demo-operator-tls")
	m, err := pki.Check(operator.Name, operator.Data, pki.Need{Usages: pki.ClientUsages(), Bundle: pki.NewBundle(client.Leaf()), Now: noon})
	must(t, err)
	if m.Leaf().Subject.CommonName != "root" {
		t.Errorf("the operator is %s", m.Leaf().Subject)
	}
	w.ready("RenewingCertificates")
	w.begin()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	status := w.cluster().Status.TLS
	if status.Client.Phase != "Settled" || status.Peer.Phase != "Settled" || !status.Client.NotAfter.Time.Equal(noon.Add(90*day)) ||
		!status.Peer.RootsNotAfter.Time.Equal(noon.Add(900*day)) || w.restarts > 0 {
		t.Errorf("%+v %+v", status.Client, status.Peer)
	}
	w.greeted = 0
	if w.settle(); w.greeted > 0 {
		t.Errorf("%d handshakes with members of which all is known", w.greeted)
	}
	if at := w.ended["client leaf"]; !at.Equal(noon.Add(90 * day)) {
		t.Errorf("measured %v", w.ended)
	}
}

func TestClientsWithoutCertificatesAreLetInWhereTheSpecSaysSo(t *testing.T) {
	tls := auto(90*day, 900*day)
	tls.Client.Auto.ClientAuthentication, tls.Peer = v1alpha2.ClientAuthenticationNone, nil
	w := newWorld(t, tls)
	w.settle()
	w.begin()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	if w.secret("demo-operator-tls") != nil || w.secret("demo-peer-ca") != nil || w.cluster().Status.TLS.Peer != nil {
		t.Error("made what nobody asked for")
	}
	w.clock.Step(60 * day)
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	if w.restarts > 0 {
		t.Errorf("%d restarts", w.restarts)
	}
}

func TestCertificatesAreRenewedOneAfterTheOtherAndWithoutARestart(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	w.settle()
	w.begin()
	w.live()
	before := slices.Concat(w.serials(resource.ClientPlane), w.serials(resource.PeerPlane))
	since := w.secret("demo-operator-tls").Annotations[v1alpha2.AnnotationCertificateSince]
	w.clock.Step(60 * day)
	for range 10 {
		w.settle()
		for _, kind := range kinds {
			waiting := 0
			for name, p := range w.running {
				if !w.paper(resource.LeafName(name, kind)).is(p.shows[kind].Leaf()) {
					waiting++
				}
			}
			if waiting > 1 {
				t.Fatalf("%d members are given certificates at once on the %s plane", waiting, kind)
			}
		}
		w.carry()
	}
	w.ready(v1alpha2.ReasonCertificatesValid)
	operator := w.paper("demo-operator-tls")
	if again := operator.secret.Annotations[v1alpha2.AnnotationCertificateSince]; again != since ||
		operator.material.Leaf().NotBefore.Before(noon.Add(59*day)) {
		t.Errorf("the operator has %s, of its CA since %s, before that since %s", operator.material, again, since)
	}
	for _, serial := range slices.Concat(w.serials(resource.ClientPlane), w.serials(resource.PeerPlane)) {
		if slices.Contains(before, serial) {
			t.Errorf("%s is shown still", serial)
		}
	}
	if w.restarts > 0 {
		t.Errorf("%d restarts", w.restarts)
	}
}

func TestCAsAreReplacedWhileEverybodyAcceptsEverybody(t *testing.T) {
	w := newWorld(t, auto(90*day, 300*day))
	w.settle()
	w.begin()
	w.live()
	w.wrote = w.clientsToldFirst()
	old := map[string]string{}
	for _, name := range []string{"demo-ca", "demo-peer-ca"} {
		old[name] = pki.Fingerprint(w.paper(name).material.Leaf())
	}
	for range 21 {
		w.clock.Step(10 * day)
		w.live()
	}
	w.ready(v1alpha2.ReasonCertificatesValid)
	for name, kind := range map[string]resource.Plane{"demo-ca": resource.ClientPlane, "demo-peer-ca": resource.PeerPlane} {
		secret, p := w.secret(name), w.paper(name)
		fingerprint := pki.Fingerprint(p.material.Leaf())
		if fingerprint == old[name] || secret.Data[formerKey] != nil || p.material.Bundle.Hash() != pki.NewBundle(p.material.Leaf()).Hash() {
			t.Errorf("Secret %s holds %v and trusts %v", name, p.material, p.material.Bundle.Fingerprints())
		}
		for member, running := range w.running {
			if trusts := running.trusts[kind].Fingerprints(); !slices.Equal(trusts, []string{fingerprint}) {
				t.Errorf("%s trusts %v", member, trusts)
			}
		}
		if !strings.HasSuffix(p.material.Leaf().Subject.CommonName, "CA 2") {
			t.Errorf("it is called %s", p.material.Leaf().Subject)
		}
	}
	if w.restarts != 3*3 { // for both new CAs at once, then for each plane without the old one: clients are given their time
		t.Errorf("%d restarts", w.restarts)
	}
	var maps corev1.ConfigMapList
	must(t, w.store.List(t.Context(), &maps))
	if len(maps.Items) != 2 {
		t.Errorf("%d bundles are kept", len(maps.Items))
	}
	phases := w.phases()
	for _, phase := range []string{"TLSBundle", "TLSLeaves", "TLSDropping", "TLSSettled"} {
		if !slices.Contains(phases, phase) {
			t.Errorf("no event says %s: %v", phase, phases)
		}
	}
}

// clientsToldFirst asks that whatever clients read tells of a CA before its time begins to count.
func (w *world) clientsToldFirst() func() {
	before := w.cluster().Status.TLS.Client.CAs
	return func() {
		w.t.Helper()
		after := w.cluster().Status.TLS.Client.CAs
		for _, ca := range after {
			if slices.Contains(before, ca) {
				continue
			}
			for _, told := range []pki.Bundle{
				w.announced(), w.paper("demo-ca").material.Bundle, w.paper("demo-operator-tls").material.Bundle,
			} {
				if !slices.Contains(told.Fingerprints(), ca.Fingerprint) {
					w.t.Fatalf("the time of CA %s has begun, and clients are told of %v", ca.Fingerprint, told.Fingerprints())
				}
			}
		}
		before = after
	}
}

// phases are the reasons of all events.
func (w *world) phases() (reasons []string) {
	for len(w.recorder.Events) > 0 {
		reasons = append(reasons, strings.Fields(<-w.recorder.Events)[1])
	}
	return reasons
}

func TestTheFormerCAIssuesUntilEverybodyTrustsTheNewOne(t *testing.T) {
	w := newWorld(t, auto(90*day, 120*day))
	w.settle()
	w.begin()
	w.live()
	w.clock.Step(80 * day) // certificates are to be renewed, and the CAs replaced
	w.join()
	w.settle()
	for _, name := range w.names() {
		if got := w.paper(name + "-peer-tls").material.Leaf(); got.Issuer.CommonName != "demo CA 1" {
			t.Errorf("%s is given one of %s, which nobody trusts yet", name, got.Issuer)
		}
	}
	if given := w.paper(w.names()[0] + "-peer-tls"); given.is(w.running[w.names()[0]].shows[resource.PeerPlane].Leaf()) {
		t.Error("renewal waits for the new CA")
	}
	w.start(w.names()[3])
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
}

func TestANameThatIsMissingIsReasonToRenew(t *testing.T) {
	w := own(t)
	w.ClusterDomain = "example.org"
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	for name, p := range w.running {
		for _, kind := range kinds {
			if err := p.shows[kind].Leaf().VerifyHostname(name + ".demo.ns.svc.example.org"); err != nil {
				t.Error(err)
			}
		}
	}
	if w.restarts > 0 {
		t.Errorf("%d restarts", w.restarts)
	}
}

func TestShortLivedCertificatesAreKeptUp(t *testing.T) {
	w := newWorld(t, auto(2*time.Minute, 6*time.Minute))
	w.settle()
	w.begin()
	const step = 5 * time.Second
	for range 20 * time.Minute / step {
		w.settle()
		if !w.carry() {
			w.roll()
		}
		w.clock.Step(step)
		if w.clock.Now().Sub(noon)%(30*time.Second) == 0 {
			w.clients = w.announced()
		}
		if t.Failed() {
			return
		}
	}
	if got := w.paper("demo-ca").material.Leaf().NotBefore; got.Before(noon.Add(10 * time.Minute)) {
		t.Errorf("the CA is of %s", got)
	}
}

func TestEverythingIsMadeAnewWhenEverythingHasExpired(t *testing.T) {
	for claim, c := range map[string]struct {
		away     time.Duration
		restarts int
	}{
		"leaves, without a restart":       {100 * day, 0},
		"CAs too, and all start together": {1000 * day, 6}, // once more, one by one, without the CAs that have ended
	} {
		t.Run(claim, func(t *testing.T) {
			w := newWorld(t, auto(90*day, 900*day))
			w.settle()
			w.begin()
			w.live()
			w.clock.Step(c.away) // nobody renewed anything
			w.unsafe, w.clients = true, pki.Bundle{}
			w.settle()
			w.carry()
			w.settle()
			if c.restarts > 0 && !w.cluster().Status.TLS.Peer.AtOnce {
				t.Errorf("they are not restarted together: %+v", w.cluster().Status.TLS.Peer)
			}
			w.roll()
			if c.restarts > 0 && w.restarts != 3 {
				t.Errorf("%d restart together", w.restarts)
			}
			w.settle()
			w.unsafe = false
			w.mustAccept()
			w.live()
			w.ready(v1alpha2.ReasonCertificatesValid)
			if w.restarts != c.restarts || w.cluster().Status.TLS.Peer.AtOnce {
				t.Errorf("%d restarts", w.restarts)
			}
		})
	}
}

// TestACrashAtAnyWriteChangesNothing lets the n-th write of a life fail, before or after it is made, for every n.
func TestACrashAtAnyWriteChangesNothing(t *testing.T) {
	story := func(t *testing.T, fail func(int) (error, error)) int {
		t.Helper()
		tls := auto(90*day, 120*day)
		tls.Peer = nil
		w := newWorld(t, tls)
		w.fail = fail
		w.settle()
		w.begin()
		w.live()
		w.clock.Step(80 * day) // renewal and replacement at once
		w.live()
		w.ready(v1alpha2.ReasonCertificatesValid)
		ca := w.paper("demo-ca")
		if !strings.HasSuffix(ca.material.Leaf().Subject.CommonName, "CA 2") || ca.secret.Data[formerKey] != nil {
			t.Errorf("the CA is %v", ca.material)
		}
		return len(w.writes)
	}
	writes, crash := story(t, nil), errors.New("crash")
	if writes < 40 {
		t.Errorf("%d writes: that is no whole life", writes)
	}
	for n := 1; n <= writes; n++ {
		for i, claim := range []string{"before", "after"} {
			if (2*n+i)%crashOneIn != 0 {
				continue
			}
			result := [][2]error{{crash, nil}, {nil, crash}}[i]
			t.Run(fmt.Sprint(claim, " write ", n), func(t *testing.T) {
				t.Parallel()
				story(t, func(i int) (before, after error) {
					if i != n {
						return nil, nil
					}
					return result[0], result[1]
				})
			})
		}
	}
}

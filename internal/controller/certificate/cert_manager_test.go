package certificate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func TestCertManagerIssuesWhatMembersAndTheOperatorNeed(t *testing.T) {
	m := newCertManager(t, ordering("one", "two", "three"))
	m.settle()
	m.ready(v1alpha2.ReasonCertificatePending, "Certificate demo-server-tls: cert-manager has not said anything of it yet")
	for name, want := range map[string]struct {
		issuer, kind, common string
		usages               int
	}{
		"demo-server-tls":          {"one", "Issuer", "", 3},
		"demo-operator-client-tls": {"two", "ClusterIssuer", "root", 2},
		"demo-peer-tls":            {"three", "Issuer", "", 3},
	} {
		c := m.certificate(name)
		ref := cmmeta.IssuerReference{Name: want.issuer, Kind: want.kind, Group: "cert-manager.io"}
		if c == nil || c.Spec.IssuerRef != ref || c.Spec.CommonName != want.common || c.Spec.SecretName != name ||
			len(c.Spec.Usages) != want.usages || !resource.ControlledBy(c, "u1") || c.Labels[v1alpha2.LabelCluster] != "demo" {
			t.Errorf("Certificate %s is %+v", name, c)
		}
	}
	if resource.Securable(m.cluster()) {
		t.Error("members may start")
	}
	m.found()
	m.begin()
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
	for _, name := range m.names() {
		for kind, issuer := range map[resource.Plane]string{resource.ClientPlane: "one", resource.PeerPlane: "three"} {
			need := pki.Need{
				Names:  []string{name + ".demo.ns.svc", name + ".demo.ns.svc.cluster.local", "demo.ns.svc", "localhost", "127.0.0.1", "::1"},
				Usages: pki.PeerUsages(), Bundle: pki.NewBundle(m.issuers[issuer].Certificate()), Now: noon,
			}
			if kind == resource.ClientPlane {
				need.Names = append(need.Names, "demo-client", "demo-client.ns.svc", "demo-client.ns.svc.cluster.local")
			}
			secret := m.secret(resource.LeafName(name, kind))
			if _, err := pki.Check(secret.Name, secret.Data, need); err != nil {
				t.Error(err)
			}
		}
	}
	operator := m.secret("demo-operator-tls")
	need := pki.Need{Usages: pki.ClientUsages(), Bundle: pki.NewBundle(m.issuers["two"].Certificate()), Now: noon}
	if checked, err := pki.Check(operator.Name, operator.Data, need); err != nil || checked.Leaf().Subject.CommonName != "root" {
		t.Errorf("the operator is %s: %v", checked, err)
	}
	for _, name := range issuedSecrets {
		if secret := m.secret(name); !resource.OwnedBy(secret, "u1") || !resource.OwnedBy(secret, m.certificate(name).UID) {
			t.Errorf("Secret %s outlives the cluster, with its key: %v", name, secret.OwnerReferences)
		}
	}
	if m.restarts > 0 {
		t.Errorf("%d restarts", m.restarts)
	}
}

func TestWithoutAClientIssuerNobodyNeedsACertificate(t *testing.T) {
	m := issuedFor(t, ordering("one", "", "one"))
	if m.certificate("demo-operator-client-tls") != nil || m.secret("demo-operator-tls") != nil {
		t.Error("made what nobody asked for")
	}
}

func TestWhatCertManagerRenewsIsTakenOverWithoutARestart(t *testing.T) {
	m := issuedFor(t, ordering("one", "one", "one"))
	before := slices.Concat(m.serials(resource.ClientPlane), m.serials(resource.PeerPlane))
	m.clock.Step(60 * day)
	for _, name := range issuedSecrets {
		m.drop(name) // which is how people force it; cert-manager makes another
	}
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
	for _, serial := range slices.Concat(m.serials(resource.ClientPlane), m.serials(resource.PeerPlane)) {
		if slices.Contains(before, serial) {
			t.Errorf("%s is shown still", serial)
		}
	}
	if left := m.paper("demo-operator-tls").material.Leaf(); left.NotBefore.Before(noon.Add(59 * day)) {
		t.Errorf("the operator has one of %s", left.NotBefore)
	}
	if m.restarts > 0 {
		t.Errorf("%d restarts", m.restarts)
	}
}

func TestACAThatAnIssuerSwapsInOneGoIsTakenOverWhileEverybodyAcceptsEverybody(t *testing.T) {
	for claim, c := range map[string]struct {
		tls      v1alpha2.EtcdClusterTLS
		issuer   string
		secrets  []string
		restarts int
	}{
		"of everything":             {ordering("one", "one", "one"), "one", nil, 9},
		"of everything, in turns":   {ordering("one", "one", "one"), "one", []string{"demo-server-tls"}, 9},
		"of members, of two":        {ordering("one", "two", "three"), "one", []string{"demo-server-tls"}, 6},
		"of the operator, of two":   {ordering("one", "two", "three"), "two", []string{"demo-operator-client-tls"}, 6},
		"of peers alone":            {ordering("one", "two", "three"), "three", []string{"demo-peer-tls"}, 6},
		"where clients have no key": {ordering("one", "", "three"), "one", []string{"demo-server-tls"}, 0},
	} {
		t.Run(claim, func(t *testing.T) {
			m := issuedFor(t, c.tls)
			m.newCA(c.issuer)
			if m.reissue(c.secrets...); strings.HasSuffix(claim, "in turns") {
				m.live()
				m.reissue("demo-operator-client-tls")
				m.live()
				m.reissue("demo-peer-tls")
			}
			m.live()
			m.ready(v1alpha2.ReasonCertificatesValid)
			for name, p := range m.running {
				for kind, order := range map[resource.Plane]string{resource.ClientPlane: "demo-server-tls", resource.PeerPlane: "demo-peer-tls"} {
					if !p.shows[kind].Leaf().Equal(m.paper(order).material.Leaf()) {
						t.Errorf("%s shows %s on the %s plane", name, p.shows[kind], kind)
					}
				}
			}
			if m.restarts != c.restarts && !strings.HasSuffix(claim, "in turns") {
				t.Errorf("%d restarts, want %d", m.restarts, c.restarts)
			}
		})
	}
}

func TestCertManagerThatIsNotThereIsNamedAndTheClusterHealsWhenItComes(t *testing.T) {
	m := newCertManager(t, ordering("one", "one", "one"))
	m.nowhere = &meta.NoKindMatchError{GroupKind: cmv1.SchemeGroupVersion.WithKind("Certificate").GroupKind()}
	m.settle()
	m.ready("CertManagerNotInstalled", "spec.tls.client.certManager.serverIssuerRef needs cert-manager", "cert-manager.io/v1")
	if result, err := m.pass(); err != nil || result.RequeueAfter > patient {
		t.Errorf("looks again after %s: %v", result.RequeueAfter, err)
	}
	if phases := m.phases(); !slices.Contains(phases, "CertManagerNotInstalled") {
		t.Errorf("no event tells: %v", phases)
	}
	m.nowhere = nil
	m.found()
	m.begin()
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)

	before := m.everything()
	m.nowhere = apierrors.NewNotFound(cmv1.Resource("certificates"), "") // people remove it, and its kinds with it
	must(t, m.store.DeleteAllOf(t.Context(), &cmv1.Certificate{}, client.InNamespace(demo.Namespace)))
	m.live()
	m.ready("CertManagerNotInstalled")
	m.drop("demo-server-tls")
	m.drop(m.names()[0] + "-server-tls")
	m.live()
	m.ready("CertManagerNotInstalled")
	if after := m.everything(); !maps.Equal(before, after) || m.restarts > 0 {
		t.Errorf("was %v, is %v", before, after)
	}
	m.nowhere = nil
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
}

func TestWhatKeepsCertManagerFromIssuingIsToldInItsWords(t *testing.T) {
	m := newCertManager(t, ordering("nobody", "one", "one"))
	m.found()
	m.ready(v1alpha2.ReasonCertificatePending, "Certificate demo-server-tls: Referenced issuer not found")
	if resource.Securable(m.cluster()) {
		t.Error("members may start")
	}
	m.newCA("nobody")
	m.found()
	m.begin()
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
}

// TestWhatCertManagerMustNotHaveIssuedIsNeverGivenToAnybody has a Secret go bad, and good again.
func TestWhatCertManagerMustNotHaveIssuedIsNeverGivenToAnybody(t *testing.T) {
	for claim, c := range map[string]struct {
		harm           func(*certManager)
		reason, saying string
	}{
		"no ca.crt": {func(m *certManager) { m.noCA = true; m.reissue() },
			v1alpha2.ReasonCertificateInvalid, "Secret demo-server-tls (spec.tls.client.certManager.serverIssuerRef): ca.crt is missing"},
		"no ca.crt of the operator's": {func(m *certManager) { m.noCA = true; m.reissue("demo-operator-client-tls") },
			v1alpha2.ReasonCertificateInvalid, "Secret demo-operator-client-tls (spec.tls.client.certManager.operatorClientIssuerRef): ca.crt"},
		"the operator's, for servers": {func(m *certManager) {
			odd := m.certificate("demo-operator-client-tls")
			odd.Spec.Usages = []cmv1.KeyUsage{cmv1.UsageServerAuth}
			m.issue(odd, m.issuers["one"])
		}, v1alpha2.ReasonCertificateInvalid, "lacks the extended key usage clientAuth"},
		"another name": {func(m *certManager) {
			odd := m.certificate("demo-peer-tls")
			odd.Spec.DNSNames = []string{"demo"}
			m.issue(odd, m.issuers["one"])
		}, v1alpha2.ReasonCertificateInvalid, "Secret demo-peer-tls (spec.tls.peer.certManager.issuerRef): the certificate does not cover"},
		"somebody else's": {func(m *certManager) {
			odd := m.secret("demo-server-tls")
			odd.Annotations = nil
			must(m.t, m.store.Update(m.t.Context(), odd))
		}, v1alpha2.ReasonNameTaken, "Secret demo-server-tls"},
	} {
		t.Run(claim, func(t *testing.T) {
			m := issuedFor(t, ordering("one", "one", "one"))
			before := m.everything()
			c.harm(m)
			m.others = nil
			m.live()
			m.ready(c.reason, c.saying)
			if after := m.everything(); !maps.Equal(before, after) || m.restarts > 0 {
				t.Errorf("was %v, is %v", before, after)
			}
			m.noCA, m.others = false, m.work
			m.reissue()
			m.live()
			m.ready(v1alpha2.ReasonCertificatesValid)
		})
	}
}

func TestNamesThatSomebodyElseHasAreNotOrdered(t *testing.T) {
	m := newCertManager(t, ordering("one", "one", "one"))
	m.put("demo-server-tls", map[string][]byte{"x": nil})
	m.settle()
	m.ready(v1alpha2.ReasonNameTaken, "Secret demo-server-tls")
	if m.certificate("demo-server-tls") != nil {
		t.Error("cert-manager would overwrite it")
	}
	m.drop("demo-server-tls")
	must(t, m.store.Create(t.Context(), &cmv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: demo.Namespace, Name: "demo-server-tls"}}))
	for range 5 {
		if _, err := m.pass(); err != nil {
			t.Fatal(err)
		}
	}
	m.ready(v1alpha2.ReasonNameTaken, "Certificate demo-server-tls")
}

func TestCertificatesArePutRightAndTheirLivesLeftToPeople(t *testing.T) {
	m := issuedFor(t, ordering("one", "one", "one"))
	c := m.certificate("demo-server-tls")
	c.Spec.DNSNames, c.Spec.Duration = []string{"demo"}, &metav1.Duration{Duration: day}
	must(t, m.store.Update(t.Context(), c))
	must(t, m.store.Delete(t.Context(), m.certificate("demo-peer-tls")))
	m.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS.Client.CertManager.OperatorClientIssuerRef.Name = "two" })
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
	if c := m.certificate("demo-server-tls"); !slices.Contains(c.Spec.DNSNames, "*.demo.ns.svc") || c.Spec.Duration.Duration != day {
		t.Errorf("it is %+v", c.Spec)
	}
	if m.certificate("demo-peer-tls") == nil || m.certificate("demo-operator-client-tls").Spec.IssuerRef.Name != "two" {
		t.Error("it is not as the spec says")
	}
	if m.paper("demo-operator-tls").material.Leaf().Issuer.String() != m.issuers["two"].Certificate().Subject.String() {
		t.Error("the operator does not show what the new issuer issued")
	}
}

func TestARefusalOfCertManagerIsToldAndNothingElseWaits(t *testing.T) {
	tls := ordering("one", "one", "")
	tls.Peer = auto(90*day, 900*day).Peer
	m := newCertManager(t, tls)
	m.fail = func(int) (error, error) {
		if last := m.writes[len(m.writes)-1]; strings.HasPrefix(last, "create demo-server-tls") {
			return errors.New("the webhook is not there"), nil
		}
		return nil, nil
	}
	for range 40 {
		_, _ = m.pass()
	}
	m.ready(v1alpha2.ReasonCertificatePending, "create Certificate demo-server-tls: the webhook is not there")
	if resource.BundleOf(m.cluster(), resource.PeerPlane) == "" {
		t.Error("the other plane waits")
	}
	m.fail = nil
	m.found()
	if !resource.Securable(m.cluster()) {
		t.Error("members may not start")
	}
}

func TestWhatIsNotAskedOfCertManagerAnyMoreGoesWhenItIsLeft(t *testing.T) {
	for claim, to := range map[string]*v1alpha2.EtcdClusterTLS{
		"for a CA of the cluster's own": new(auto(90*day, 900*day)), "for Secrets": new(fromPerson()), "for nothing": nil,
	} {
		t.Run(claim, func(t *testing.T) {
			m := issuedFor(t, ordering("one", "two", "three"))
			m.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = to })
			m.settle()
			for _, name := range issuedSecrets {
				if m.secret(name) == nil || m.certificate(name) == nil {
					t.Errorf("%s went while it was used", name)
				}
			}
			if claim == "for Secrets" {
				newPerson(t, m.world, 2).give()
			}
			m.live()
			if to != nil {
				m.ready(v1alpha2.ReasonCertificatesValid)
			}
			for _, name := range issuedSecrets {
				if m.secret(name) != nil || m.certificate(name) != nil {
					t.Errorf("%s is left", name)
				}
			}
			m.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = new(ordering("two", "two", "one")) })
			m.live()
			m.ready(v1alpha2.ReasonCertificatesValid)
		})
	}
}

func TestAChangeOfWhatCertManagerWroteIsSeen(t *testing.T) {
	m := newCertManager(t, ordering("one", "one", "one"))
	for _, name := range issuedSecrets {
		about := SecretMetadata()
		about.Namespace, about.Name = demo.Namespace, name
		if got := m.clustersNaming(t.Context(), about); len(got) != 1 {
			t.Errorf("a change of %s wakes %v", name, got)
		}
	}
}

// TestACrashWhileAnIssuerSwapsItsCAChangesNothing lets the n-th write fail, before or after it is made.
func TestACrashWhileAnIssuerSwapsItsCAChangesNothing(t *testing.T) {
	story := func(t *testing.T, fail func(int) (error, error)) int {
		t.Helper()
		tls := ordering("one", "two", "")
		tls.Peer = nil
		m := newCertManager(t, tls)
		m.fail = fail
		m.found()
		m.begin()
		m.live()
		for _, name := range []string{"one", "two"} {
			m.newCA(name)
		}
		m.reissue("demo-server-tls", "demo-operator-client-tls")
		m.live()
		m.ready(v1alpha2.ReasonCertificatesValid)
		if got := m.cluster().Status.TLS.Client.CAs; len(got) != 2 {
			t.Errorf("%d CAs are trusted", len(got))
		}
		return len(m.writes)
	}
	writes, crash := story(t, nil), errors.New("crash")
	for n := 1; n <= writes; n++ {
		if n%crashOneIn != 0 {
			continue
		}
		for i, claim := range []string{"before", "after"} {
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

func TestWhomMembersTrustStaysWhileTheOperatorsCertificateIsInTrouble(t *testing.T) {
	m := issuedFor(t, ordering("one", "two", "three"))
	m.noCA, m.others = true, nil
	m.reissue("demo-operator-client-tls")
	m.drop("demo-operator-tls") // applications may have certificates of that CA too
	m.live()
	m.ready(v1alpha2.ReasonCertificateInvalid, "Secret demo-operator-client-tls")
	if got := m.cluster().Status.TLS.Client.CAs; len(got) != 2 || m.restarts > 0 {
		t.Errorf("%d CAs are trusted, %d restarts", len(got), m.restarts)
	}
	m.noCA, m.others = false, m.work
	m.reissue("demo-operator-client-tls")
	m.live()
	m.ready(v1alpha2.ReasonCertificatesValid)
}

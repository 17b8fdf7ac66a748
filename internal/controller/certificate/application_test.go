package certificate

import (
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// ask puts a Secret that asks for a client certificate.
func (w *world) ask(name string, change func(*corev1.Secret)) {
	w.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: demo.Namespace, Name: name, Labels: map[string]string{v1alpha2.LabelClientCertificateOf: demo.Name},
	}}
	if change != nil {
		change(s)
	}
	must(w.t, w.store.Create(w.t.Context(), s))
	if w.apps == nil {
		w.apps = map[string]pki.Material{}
	}
	w.apps[name] = pki.Material{}
}

// carryToApplications is what kubelets do for applications: they show, and trust, what their Secrets hold.
func (w *world) carryToApplications() (carried bool) {
	w.t.Helper()
	for name, shown := range w.apps {
		if now := read(w.secret(name)); now.usable && (shown.Chain == nil || !now.is(shown.Leaf())) {
			w.apps[name], carried = now.material, true
		}
	}
	w.mustAccept()
	return carried
}

// mustAcceptApplications asks that a member lets every application in, with what it shows still and with what it was given.
func (w *world) mustAcceptApplications(member string, accepts func(string, pki.Bundle, pki.Material, usages)) {
	w.t.Helper()
	trust := w.running[member].trusts[resource.ClientPlane]
	for name, shown := range w.apps {
		if shown.Chain != nil {
			accepts(member+" to "+name, trust, shown, pki.ClientUsages())
		}
		if given := read(w.secret(name)); given.usable {
			accepts(member+" to "+name+" soon", trust, given.material, pki.ClientUsages())
		}
	}
}

// served is a cluster of its own CA that serves an application.
func served(t *testing.T, tls v1alpha2.EtcdClusterTLS) *world {
	t.Helper()
	w := newWorld(t, tls)
	w.settle()
	w.begin()
	w.ask("shop", func(s *corev1.Secret) {
		s.Annotations = map[string]string{v1alpha2.AnnotationCommonName: "shopkeeper"}
		s.Data = map[string][]byte{"theme": []byte("blue")}
	})
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	return w
}

func TestAnApplicationIsGivenWhatItAsksFor(t *testing.T) {
	none := auto(90*day, 900*day)
	none.Client.Auto.ClientAuthentication = v1alpha2.ClientAuthenticationNone
	for name, tls := range map[string]v1alpha2.EtcdClusterTLS{"where members demand it": auto(90*day, 900*day), "before they do": none} {
		t.Run(name, func(t *testing.T) {
			w := served(t, tls)
			secret := w.secret("shop")
			m, err := pki.Check("shop", secret.Data, pki.Need{Usages: pki.ClientUsages(), Bundle: w.announced(), Now: w.clock.Now()})
			must(t, err)
			if m.Leaf().Subject.CommonName != "shopkeeper" || string(secret.Data["theme"]) != "blue" {
				t.Errorf("%s, and %s", m, secret.Data["theme"])
			}
			if len(secret.OwnerReferences) > 0 {
				t.Errorf("it is owned by %v", secret.OwnerReferences)
			}
			if m.Bundle.Hash() != w.announced().Hash() {
				t.Errorf("it is told to trust %v", m.Bundle.Fingerprints())
			}
			if at := w.ended["client application"]; !at.Equal(m.Leaf().NotAfter) {
				t.Errorf("measured %v", w.ended)
			}
			w.change(func(c *v1alpha2.EtcdCluster) { c.Annotations = map[string]string{"seen": "again"} })
			before := len(w.writes)
			if w.settle(); len(w.writes) > before {
				t.Errorf("writes %v for nothing", w.writes[before:])
			}
		})
	}
}

func TestACertificateOfAnApplicationIsIssuedAnew(t *testing.T) {
	for name, change := range map[string]func(*world){
		"at two thirds of its life": func(w *world) { w.clock.Step(60 * day) },
		"when it is lost":           func(w *world) { w.drop("shop"); w.ask("shop", nil) },
		"when another name is asked for": func(w *world) {
			s := w.secret("shop")
			s.Annotations[v1alpha2.AnnotationCommonName] = "shop"
			must(w.t, w.store.Update(w.t.Context(), s))
		},
		"when its key does not fit": func(w *world) {
			s := w.secret("shop")
			s.Data[pki.PrivateKey] = w.secret("demo-ca").Data[pki.PrivateKey]
			must(w.t, w.store.Update(w.t.Context(), s))
		},
		"when the cluster has another CA": func(w *world) { w.drop("demo-ca") },
	} {
		t.Run(name, func(t *testing.T) {
			w := served(t, auto(90*day, 900*day))
			before := w.paper("shop").material.Leaf()
			change(w)
			w.live()
			w.ready(v1alpha2.ReasonCertificatesValid)
			paper := w.paper("shop")
			if paper.is(before) {
				t.Errorf("still %s", paper.material)
			}
			_, err := pki.Check("shop", paper.secret.Data, pki.Need{Usages: pki.ClientUsages(), Bundle: w.announced(), Now: w.clock.Now()})
			must(t, err)
		})
	}
}

// TestAnApplicationIsLetInAndFindsItsWayWhileTheCAIsReplaced: mustAccept asks for it after every step.
func TestAnApplicationIsLetInAndFindsItsWayWhileTheCAIsReplaced(t *testing.T) {
	w := served(t, auto(90*day, 300*day))
	c := w.cluster()
	connection := resource.Connection(c, nil, string(w.announced().PEM()))
	must(t, w.store.Create(t.Context(), connection))
	ca := pki.Fingerprint(w.paper("demo-ca").material.Leaf())
	before := c.Status.TLS.Client.CAs
	w.wrote = func() {
		t.Helper()
		after := w.cluster().Status.TLS.Client.CAs
		for _, ca := range after {
			if slices.Contains(before, ca) {
				continue
			}
			must(t, w.store.Get(t.Context(), client.ObjectKeyFromObject(connection), connection))
			inMap, err := pki.ParseBundle([]byte(connection.Data["ca.crt"]))
			must(t, err)
			for where, told := range map[string]pki.Bundle{"Secret": w.paper("shop").material.Bundle, "ConfigMap": inMap} {
				if !slices.Contains(told.Fingerprints(), ca.Fingerprint) {
					t.Fatalf("the time of CA %s has begun, and the %s tells of %v", ca.Fingerprint, where, told.Fingerprints())
				}
			}
		}
		before = after
	}
	for range 21 {
		w.clock.Step(10 * day)
		w.live()
	}
	w.ready(v1alpha2.ReasonCertificatesValid)
	if fingerprint := pki.Fingerprint(w.paper("demo-ca").material.Leaf()); fingerprint == ca {
		t.Error("the CA was not replaced")
	}
	must(t, w.store.Get(t.Context(), client.ObjectKeyFromObject(connection), connection))
	if connection.Data["ca.crt"] != string(w.announced().PEM()) {
		t.Error("the ConfigMap tells of another bundle in the end")
	}
}

func TestACAStaysTrustedWhileAnApplicationHasItsCertificateOnlyFromThere(t *testing.T) {
	w := served(t, auto(90*day, 900*day))
	old := pki.Fingerprint(w.paper("demo-ca").material.Leaf())
	p := newPerson(t, w, 1)
	p.give()
	w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS.Client = fromPerson().Client })
	w.live()
	if trusted := w.announced().Fingerprints(); !slices.Contains(trusted, old) {
		t.Fatalf("only %v are trusted", trusted)
	}
	w.ready("ReplacingCertificates", "Secret shop")
	if why := w.secret("shop").Annotations[v1alpha2.AnnotationCertificateRefused]; !strings.Contains(why, "do not come from a CA of its own") {
		t.Errorf("the Secret says %q", why)
	}
	w.drop("shop")
	delete(w.apps, "shop")
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	if trusted := w.announced().Fingerprints(); slices.Contains(trusted, old) {
		t.Errorf("%v are trusted", trusted)
	}
}

func TestWhatCannotBeIssuedIsRefusedOnTheSecret(t *testing.T) {
	annotated := func(name string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Annotations = map[string]string{v1alpha2.AnnotationCommonName: name} }
	}
	for name, c := range map[string]struct {
		ask func(*corev1.Secret)
		why string
	}{
		"no name":              {annotated(""), "1 to 64 characters, and this one has 0"},
		"a name too long":      {annotated(strings.Repeat("n", 65)), "1 to 64 characters, and this one has 65"},
		"a name with newlines": {annotated("a\nb"), "not printable ASCII"},
		"an immutable Secret":  {func(s *corev1.Secret) { s.Immutable = new(true) }, "immutable"},
		"somebody's key":       {func(s *corev1.Secret) { s.Data = map[string][]byte{"tls.key": []byte("theirs")} }, "not overwritten"},
		"somebody's CA":        {func(s *corev1.Secret) { s.Data = map[string][]byte{"ca.crt": []byte("theirs")} }, "not overwritten"},
	} {
		t.Run(name, func(t *testing.T) {
			w := served(t, auto(90*day, 900*day))
			w.ask("odd", c.ask)
			before := w.secret("odd").Data
			w.live()
			secret := w.secret("odd")
			if why := secret.Annotations[v1alpha2.AnnotationCertificateRefused]; !strings.Contains(why, c.why) {
				t.Errorf("refused because %q", why)
			}
			if !same(secret.Data, before) {
				t.Errorf("it holds %v", slices.Sorted(maps.Keys(secret.Data)))
			}
			w.ready(v1alpha2.ReasonCertificatesValid)
		})
	}
}

func TestARefusalGoesWithItsReason(t *testing.T) {
	w := served(t, auto(90*day, 900*day))
	w.ask("odd", func(s *corev1.Secret) { s.Annotations = map[string]string{v1alpha2.AnnotationCommonName: ""} })
	w.live()
	s := w.secret("odd")
	s.Annotations[v1alpha2.AnnotationCommonName] = "fine"
	must(t, w.store.Update(t.Context(), s))
	w.live()
	if m := w.paper("odd").material; m.Leaf().Subject.CommonName != "fine" {
		t.Errorf("given %s", m)
	}
	if why, said := w.secret("odd").Annotations[v1alpha2.AnnotationCertificateRefused]; said {
		t.Errorf("still refused: %s", why)
	}
}

// TestNobodyIsTrustedForWhatSomebodyPutIntoASecret: who may write a Secret of his own must not decide whom members let in.
func TestNobodyIsTrustedForWhatSomebodyPutIntoASecret(t *testing.T) {
	w := served(t, auto(90*day, 900*day))
	stranger := newPerson(t, w, 7)
	s := w.secret("shop")
	maps.Copy(s.Data, stranger.client())
	must(t, w.store.Update(t.Context(), s))
	w.unsafe = true // they do not let in what he shows
	w.wrote = func() {
		if slices.Contains(w.announced().Fingerprints(), pki.Fingerprint(stranger.Certificate())) {
			t.Fatal("members are to trust a stranger's CA")
		}
	}
	w.live()
	if m := w.paper("shop").material; m.Leaf().Subject.CommonName != "shopkeeper" || m.Bundle.Hash() != w.announced().Hash() {
		t.Errorf("the Secret holds %s", m)
	}
}

func TestASecretOfTheOperatorsOwnAsksForNothing(t *testing.T) {
	w := served(t, auto(90*day, 900*day))
	s := w.secret("demo-ca")
	before := maps.Clone(s.Data)
	s.Labels[v1alpha2.LabelClientCertificateOf] = "demo"
	must(t, w.store.Update(t.Context(), s))
	w.live()
	s = w.secret("demo-ca")
	if _, said := s.Annotations[v1alpha2.AnnotationCertificateRefused]; said || !same(s.Data, before) {
		t.Errorf("Secret demo-ca holds %v, %v", slices.Sorted(maps.Keys(s.Data)), s.Annotations)
	}
}

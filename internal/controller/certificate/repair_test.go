package certificate

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// own is a cluster that runs with CAs of its own.
func own(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, auto(90*day, 900*day))
	w.settle()
	w.begin()
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
	w.phases()
	return w
}

func (w *world) dropBundles() {
	w.t.Helper()
	must(w.t, w.store.DeleteAllOf(w.t.Context(), &corev1.ConfigMap{}))
}

func (w *world) garble(name string) {
	w.t.Helper()
	s := w.secret(name)
	s.Data = map[string][]byte{pki.ChainKey: []byte("x"), pki.PrivateKey: []byte("y")}
	must(w.t, w.store.Update(w.t.Context(), s))
}

func TestWhatPeopleDeleteComesBack(t *testing.T) {
	for claim, c := range map[string]struct {
		harm     func(*world)
		restarts int
	}{
		"the certificate of a running member":          {func(w *world) { w.drop(w.names()[1] + "-peer-tls") }, 0},
		"all certificates of running members":          {func(w *world) { w.dropLeaves() }, 0},
		"a certificate that was overwritten":           {func(w *world) { w.garble(w.names()[1] + "-server-tls") }, 0},
		"the operator's":                               {func(w *world) { w.drop("demo-operator-tls") }, 0},
		"the bundles":                                  {func(w *world) { w.dropBundles() }, 0},
		"status":                                       {func(w *world) { w.change(func(c *v1alpha2.EtcdCluster) { c.Status.TLS = nil }) }, 0},
		"the CA of peers, for which another comes":     {func(w *world) { w.drop("demo-peer-ca") }, 6},
		"the CA of clients, for which another comes":   {func(w *world) { w.drop("demo-ca") }, 6},
		"the CA of clients and the operator's of that": {func(w *world) { w.drop("demo-ca"); w.drop("demo-operator-tls") }, 3},
	} {
		t.Run(claim, func(t *testing.T) {
			w := own(t)
			w.unsafe = strings.HasSuffix(claim, "of that") // the operator itself has nothing left that members accept
			c.harm(w)
			w.live()
			w.unsafe = false
			w.mustAccept()
			w.ready(v1alpha2.ReasonCertificatesValid)
			for _, name := range w.names() {
				for _, kind := range kinds {
					if !w.paper(resource.LeafName(name, kind)).is(w.running[name].shows[kind].Leaf()) {
						t.Errorf("%s does not show what it was given", name)
					}
				}
			}
			if w.restarts != c.restarts && c.restarts != 3 {
				t.Errorf("%d restarts, want %d", w.restarts, c.restarts)
			}
		})
	}
}

func (w *world) dropLeaves() {
	for _, name := range w.names() {
		for _, kind := range kinds {
			w.drop(resource.LeafName(name, kind))
		}
	}
}

func TestAnOperatorThatNobodyLetsInSaysSo(t *testing.T) {
	w := own(t)
	w.unsafe = true
	w.drop("demo-ca")
	w.drop("demo-operator-tls")
	w.settle()
	if s := w.cluster().Status.TLS.Client; !s.AtOnce || !strings.Contains(s.Message, "no member that runs lets the operator in") {
		t.Errorf("it sees nobody, and could restart nobody: %+v", s)
	}
	w.roll()
	w.settle()
	if w.restarts != 3 || w.cluster().Status.TLS.Client.AtOnce {
		t.Errorf("%d restarts, %+v", w.restarts, w.cluster().Status.TLS.Client)
	}
}

func TestASecretOfASharedCertificateIsRestoredAsItWas(t *testing.T) {
	w, _ := secured(t)
	before := w.everything()
	newPerson(t, w, 2).give()
	w.settle()
	w.drop(w.names()[1] + "-peer-tls") // while both CAs are about to be trusted
	w.settle()
	if got := w.paper(w.names()[1] + "-peer-tls").material.String(); got != before[w.names()[1]+"-peer-tls"] {
		t.Errorf("it is given %s", got)
	}
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
}

func TestAGarbledCAIsNamedAndNothingElseChanges(t *testing.T) {
	w := own(t)
	before := w.everything()
	w.garble("demo-peer-ca")
	w.live()
	w.ready(v1alpha2.ReasonCertificateInvalid, "Secret demo-peer-ca", "once it is deleted")
	if got := w.everything(); got["peer"] != before["peer"] || w.restarts > 0 {
		t.Errorf("was %v, is %v", before, got)
	}
	w.drop("demo-peer-ca")
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
}

func TestANameThatSomebodyElseHasIsRefused(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	w.put("demo-ca", map[string][]byte{"x": nil})
	for range 5 {
		if _, err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	w.ready(v1alpha2.ReasonNameTaken, "Secret demo-ca")
	if got := w.secret("demo-ca"); len(got.Labels) > 0 || len(got.Data) != 1 {
		t.Errorf("it was changed: %v", got)
	}
	left := w.secret("demo-ca")
	left.Labels = map[string]string{v1alpha2.LabelCluster: "demo", v1alpha2.LabelClusterUID: "u0"}
	must(t, w.store.Update(t.Context(), left))
	if _, err := w.pass(); err != nil {
		t.Fatal(err)
	}
	w.ready(v1alpha2.ReasonCertificatePending, "an earlier cluster of this name")
	w.drop("demo-ca")
	w.settle()
	if !resource.Securable(w.cluster()) {
		t.Error("it goes on being refused")
	}
}

// TestASilentMemberIsNotForgotten: all have been given certificates of the new CA, and the last one falls silent at the moment it is
// given its own. The operator, which remembers nothing itself, must know that the old CA may still be needed.
func TestASilentMemberIsNotForgotten(t *testing.T) {
	w, _ := secured(t)
	next := newPerson(t, w, 2)
	next.give()
	issuer := next.Certificate().Subject.String()
	quiet := ""
	w.wrote = func() {
		if quiet = w.lastToShow(issuer); quiet != "" {
			w.running[quiet].silent, w.wrote = true, nil
		}
	}
	for range 30 {
		if w.settle(); quiet != "" {
			break
		}
		if !w.carry() && !w.roll() {
			w.clock.Step(DefaultGrace)
			w.clients = w.announced()
		}
	}
	if quiet == "" {
		t.Fatal("nobody was last")
	}
	for range 5 {
		w.clock.Step(DefaultGrace)
		w.clients = w.announced()
		w.settle()
	}
	if got := len(w.cluster().Status.TLS.Peer.CAs); got != 2 {
		t.Errorf("%d CAs are trusted, and %s may still show what the old one issued", got, quiet)
	}
	w.running[quiet].silent = false
	w.carry()
	w.settle()
	if got := len(w.cluster().Status.TLS.Peer.CAs); got != 1 {
		t.Errorf("%d CAs are trusted, and nobody needs the old one", got)
	}
	w.running[quiet].silent = true // that it has shown the new one is known
	w.settle()
	if got := len(w.cluster().Status.TLS.Peer.CAs); got != 1 {
		t.Errorf("%d CAs are trusted again", got)
	}
	w.running[quiet].silent = false
	w.live()
	w.ready(v1alpha2.ReasonCertificatesValid)
}

// lastToShow is the only peer that does not show yet what an issuer issued, once all have been given that.
func (w *world) lastToShow(issuer string) (last string) {
	w.t.Helper()
	for _, name := range w.names() {
		if w.paper(name+"-peer-tls").material.Leaf().Issuer.String() != issuer {
			return ""
		}
		if w.running[name].shows[resource.PeerPlane].Leaf().Issuer.String() != issuer {
			last = name
		}
	}
	return last
}

func TestWhatIsGoneIsSwept(t *testing.T) {
	w := own(t)
	gone := w.names()[0]
	w.stop(gone)
	must(t, w.store.Delete(t.Context(), w.memberNamed(gone)))
	w.live()
	for _, kind := range kinds {
		if w.secret(resource.LeafName(gone, kind)) != nil || w.secret(resource.LeafName(w.names()[1], kind)) == nil {
			t.Errorf("swept the wrong ones on the %s plane", kind)
		}
	}
	w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = nil })
	w.settle()
	if w.secret(resource.LeafName(w.names()[1], resource.PeerPlane)) == nil || w.cluster().Status.TLS == nil {
		t.Error("members still run with it")
	}
	w.live()
	if w.secret(resource.LeafName(w.names()[1], resource.PeerPlane)) != nil || w.cluster().Status.TLS != nil ||
		w.secret("demo-operator-tls") != nil || w.secret("demo-ca") != nil || w.secret("demo-peer-ca") != nil ||
		len(w.cluster().Status.Conditions) > 0 {
		t.Errorf("left over: %v", w.cluster().Status)
	}
}

func TestADisabledClusterIsOnlyLookedAt(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	w.change(func(c *v1alpha2.EtcdCluster) {
		c.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
	})
	w.settle()
	if w.secret("demo-ca") != nil || slices.ContainsFunc(w.writes, func(s string) bool { return s != "status" }) {
		t.Errorf("wrote %v", w.writes)
	}
}

func TestAClusterThatGoesIsLeftAlone(t *testing.T) {
	w := newWorld(t, auto(90*day, 900*day))
	c := w.cluster()
	c.Finalizers = []string{"example.org/test"}
	must(t, w.store.Update(t.Context(), c))
	must(t, w.store.Delete(t.Context(), c))
	w.settle()
	if len(w.writes) > 0 {
		t.Errorf("wrote %v", w.writes)
	}
	c = w.cluster()
	c.Finalizers = nil
	must(t, w.store.Update(t.Context(), c))
	w.settle()
}

func TestTheEndOfCertificatesIsToldInTime(t *testing.T) {
	w, _ := secured(t)
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{200 * day, 0}, {336 * day, 2}, {340 * day, 0}, {359 * day, 2}, {364 * day, 2}, {364*day + 12*time.Hour, 0}} {
		w.clock.SetTime(noon.Add(c.at))
		w.settle()
		w.settle()
		said := 0
		for len(w.recorder.Events) > 0 {
			if e := <-w.recorder.Events; strings.Contains(e, "Warning CertificateExpires the certificate of member") {
				said++
			}
		}
		if said != c.want {
			t.Errorf("after %s: told %d times, want %d", c.at, said, c.want)
		}
	}
}

func TestACacheThatIsBehindIsNotBelieved(t *testing.T) {
	w := own(t)
	w.clock.Step(60 * day)
	stale := w.snapshot()
	w.settle()
	given := w.everything()
	w.Client = behind{w.Client, stale}
	writes := len(w.writes)
	for range 3 {
		if _, err := w.pass(); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.everything(); len(w.writes) > writes || got[w.names()[0]+"-peer-tls"] != given[w.names()[0]+"-peer-tls"] {
		t.Errorf("wrote %v", w.writes[writes:])
	}
}

package certificate

import (
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/internal/pki"
)

// Kinds of certificates that end.
const (
	kindLeaf     = "leaf"
	kindCA       = "ca"
	kindOperator = "operator"
	// kindApplication is a client certificate that was asked for.
	kindApplication = "application"
)

// expiry is the first certificate of a kind that ends.
type expiry struct {
	kind string
	what string // for people
	*x509.Certificate
}

// expiries are those of a plane; one without a certificate says that there is none.
func (p *plane) expiries() []expiry {
	leaf, ca, operator, application := expiry{kind: kindLeaf}, expiry{kind: kindCA}, expiry{kind: kindOperator}, expiry{kind: kindApplication}
	for _, m := range p.members {
		if paper := p.papers[m.name]; paper.usable {
			leaf.earliest(paper.material.Leaf(), "the certificate of member "+m.name)
		}
	}
	for _, c := range p.published().Certificates() {
		ca.earliest(c, fmt.Sprintf("the CA %q", c.Subject))
	}
	if paper := p.papers[p.operator()]; paper.usable {
		operator.earliest(paper.material.Leaf(), "the client certificate of the operator")
	}
	for _, a := range p.asking() {
		if paper := p.papers[a.key()]; paper.usable {
			application.earliest(paper.material.Leaf(), "the client certificate in Secret "+a.secret.Name)
		}
	}
	return []expiry{leaf, ca, operator, application}
}

func (e *expiry) earliest(c *x509.Certificate, what string) {
	if e.Certificate == nil || c.NotAfter.Before(e.NotAfter) {
		e.Certificate, e.what = c, what
	}
}

// turns are the times at which something is to be done by itself.
func (p *plane) turns() (all []time.Time) {
	for _, m := range p.members {
		if paper := p.papers[m.name]; paper.usable {
			all = append(all, pki.RenewAt(paper.material.Leaf(), m.name))
		}
	}
	if paper := p.papers[p.operator()]; paper.usable {
		all = append(all, pki.RenewAt(paper.material.Leaf(), p.operator()))
	}
	for _, a := range p.asking() {
		if paper := p.papers[a.key()]; paper.usable {
			all = append(all, pki.RenewAt(paper.material.Leaf(), a.key()))
		}
	}
	for _, c := range p.supply.want.Certificates() {
		all = append(all, pki.RenewAt(c, p.cluster.Name), c.NotAfter)
	}
	for _, c := range p.published().Certificates() {
		all = append(all, c.NotAfter)
	}
	return all
}

// measure tells the meter, and warns of what should have been renewed.
func (r *Reconciler) measure(s *scene, planes []*plane) {
	key := client.ObjectKeyFromObject(s.cluster)
	for _, kind := range kinds {
		all := []expiry{{kind: kindLeaf}, {kind: kindCA}, {kind: kindOperator}, {kind: kindApplication}}
		if i := slices.IndexFunc(planes, func(p *plane) bool { return p.kind == kind }); i >= 0 {
			all = planes[i].expiries()
		}
		for _, e := range all {
			var at time.Time
			if e.Certificate != nil {
				at = e.NotAfter
				r.warn(s, string(kind), e)
			}
			r.Meter.Expires(key, string(kind), e.kind, at)
		}
	}
}

// warn records an event at 30, 7 and 1 days before a certificate ends. Of one that lives for so short a time that it is renewed, or
// replaced, later than that, nothing is said.
func (r *Reconciler) warn(s *scene, plane string, e expiry) {
	left := e.NotAfter.Sub(s.now)
	for _, days := range []int{0, 1, 7, 30} {
		before := time.Duration(days) * 24 * time.Hour
		if left > before || before >= e.NotAfter.Sub(e.NotBefore)/3 {
			continue
		}
		about := warning{client.ObjectKeyFromObject(s.cluster), plane, pki.Fingerprint(e.Certificate)}
		if r.warnings.first(about, days) {
			ends := "ends at " + e.NotAfter.UTC().Format(time.RFC3339)
			if left <= 0 {
				ends = "ended at " + e.NotAfter.UTC().Format(time.RFC3339)
			}
			r.Recorder.Eventf(s.cluster, nil, corev1.EventTypeWarning, "CertificateExpires", "Observe", "%s on the %s plane %s", e.what, plane, ends)
		}
		return
	}
}

// warning is what was warned of.
type warning struct {
	cluster     types.NamespacedName
	plane       string
	fingerprint string
}

// warnings remember how many days before its end a certificate was warned of. After a restart of the operator it is said once more.
type warnings struct {
	mu  sync.Mutex
	all map[warning]int
}

// first says whether it has not been warned of so late yet, and notes that it has.
func (w *warnings) first(about warning, days int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, known := w.all[about]; known && last <= days {
		return false
	}
	if w.all == nil {
		w.all = map[warning]int{}
	}
	w.all[about] = days
	return true
}

func (w *warnings) forget(cluster types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for about := range w.all {
		if about.cluster == cluster {
			delete(w.all, about)
		}
	}
}

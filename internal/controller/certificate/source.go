package certificate

import (
	"io"
	"slices"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// supply is what a source has for a plane. There is a file for each kind of source, which makes it.
type supply struct {
	want    pki.Bundle // whom to trust in the end; empty while that is not known
	issues  bool       // it makes certificates when they are asked for; else all share what it has
	member  []offer    // for a member, the best first
	client  []offer    // for the operator
	trouble []trouble  // why there is less than there should be
	first   *step      // has to be taken before anything else on this plane
	upkeep  func(p *plane) *step
	asks    *step // of others, who may refuse: so nothing waits for it
}

// trouble is something that keeps certificates from being as the spec says, for people.
type trouble struct{ reason, message string }

// offer is a certificate that could be given to somebody.
type offer struct {
	leaf     plan.Leaf
	from     string // what is said of it
	material func(to string, random io.Reader) (pki.Material, error)
}

// supplyOf asks the source that the spec names.
func (r *Reconciler) supplyOf(p *plane) supply {
	tls := p.cluster.Spec.TLS
	switch {
	case p.kind == resource.ClientPlane && tls.Client.Auto != nil:
		return r.auto(p, tls.Client.Auto.AutoCertificates)
	case p.kind == resource.PeerPlane && tls.Peer.Auto != nil:
		return r.auto(p, tls.Peer.Auto.AutoCertificates)
	case p.kind == resource.ClientPlane && tls.Client.ServerSecretRef != nil,
		p.kind == resource.PeerPlane && tls.Peer.SecretRef != nil:
		return fromSecrets(p)
	case len(ordersOn(p.cluster, p.kind)) > 0:
		return fromCertManager(p)
	}
	return supply{trouble: []trouble{{v1alpha2.ReasonCertificatePending, "no source of certificates is named that this operator knows"}}}
}

// copyOf offers what lies somewhere already.
func (p *plane) copyOf(m pki.Material, from string, usages usages) offer {
	return offer{
		leaf: p.leaf(m.Chain, from, usages), from: pki.Serial(m.Leaf()) + " of " + from,
		material: func(string, io.Reader) (pki.Material, error) { return m, nil },
	}
}

// offersFor are for one member. Where all share a certificate, those that members were given before count too, if they do for this
// one: a member that joins while the CA changes needs what the others trust already. While the source has none, everybody's own is the
// best, so that nobody exchanges anything.
func (p *plane) offersFor(m *member) []offer {
	offers := slices.Clone(p.supply.member)
	if p.supply.issues {
		return offers
	}
	own := p.papers[m.name]
	if own.usable {
		offers = append(offers, p.copyOf(own.material, own.secret.Name, p.judged()))
	}
	host := resource.Host(m.name, p.cluster.Name, p.cluster.Namespace)
	need := pki.Need{Names: []string{host}, Usages: p.judged(), Bundle: p.known, Now: p.now}
	for _, other := range p.members {
		paper := p.papers[other.name]
		has := func(o offer) bool { return o.leaf.Serial == identity(paper.material.Leaf()) }
		if !paper.usable || slices.ContainsFunc(offers, has) {
			continue
		}
		if _, err := pki.Check(paper.secret.Name, paper.secret.Data, need); err == nil {
			offers = append(offers, p.copyOf(paper.material, paper.secret.Name, p.judged()))
		}
	}
	return offers
}

// restoring puts first what makes good a Secret that was lost under a running member: the very certificate that it shows, else one
// that whoever accepts that accepts too.
func restoring(offers []offer, shown plan.Leaf) []offer {
	rank := func(o offer) int {
		switch {
		case o.leaf.Serial == shown.Serial:
			return 0
		case !slices.ContainsFunc(shown.Vouchers, func(v string) bool { return !slices.Contains(o.leaf.Vouchers, v) }):
			return 1
		}
		return 2
	}
	slices.SortStableFunc(offers, func(a, b offer) int { return rank(a) - rank(b) })
	return offers
}

package certificate

import (
	"bytes"
	"crypto/x509"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/quorum"
	"github.com/cozystack/etcd-operator/internal/resource"
)

type usages = []x509.ExtKeyUsage

// lost stands for a certificate that is shown and of which the key is nowhere any more, or that never was.
const lost = "lost"

// plane is one plane of a cluster: what is seen there, in the words of the policy, and what that decides.
type plane struct {
	*scene
	kind   resource.Plane
	wanted bool // the spec wants it secured
	mutual bool
	domain string
	grace  time.Duration    // that clients have, at most
	known  pki.Bundle       // all CAs that are known from anywhere
	papers map[string]paper // by member, and by the name of the operator's Secret
	supply supply

	ready    bool // it is known whom to trust; else there is no decision
	trust    plan.Trust
	offers   map[string][]offer
	decision plan.TrustDecision
}

// survey gathers what there is on the planes that are to be secured.
func (r *Reconciler) survey(s *scene) (planes []*plane) {
	for _, kind := range kinds {
		wanted, mutual := resource.WantsTLS(s.cluster, kind)
		if !wanted {
			continue
		}
		p := &plane{
			scene: s, kind: kind, wanted: true, mutual: mutual, domain: r.ClusterDomain, grace: r.Grace, papers: map[string]paper{},
		}
		for _, m := range s.members {
			p.papers[m.name] = read(s.secrets[resource.LeafName(m.name, kind)])
		}
		if name := p.operator(); name != "" {
			p.papers[name] = read(s.secrets[name])
		}
		for hash := range s.bundles[kind] {
			if bundle, ok := s.bundle(kind, hash); ok {
				p.known = p.known.With(bundle)
			}
		}
		for _, paper := range p.papers {
			p.known = p.known.With(paper.material.Bundle)
		}
		for _, a := range p.asking() {
			p.papers[a.key()] = read(a.secret) // its CAs are nobody's concern: who may write a Secret does not say whom members trust
		}
		p.supply = r.supplyOf(p)
		planes = append(planes, p)
	}
	return planes
}

// operator is the Secret of the operator's client certificate, empty where it needs none.
func (p *plane) operator() string {
	if p.kind != resource.ClientPlane || !p.mutual {
		return ""
	}
	return resource.OperatorClientName(p.cluster.Name)
}

// needed are the usages that a member's certificate has to have.
func (p *plane) needed() usages {
	if p.kind == resource.PeerPlane {
		return pki.PeerUsages()
	}
	return pki.ServerUsages(p.mutual)
}

// judged are those without which others do not accept it.
func (p *plane) judged() usages {
	if p.kind == resource.PeerPlane {
		return pki.PeerUsages()
	}
	return pki.ServerUsages(false)
}

// published are the CAs that members are told to trust, as far as their certificates are known.
func (p *plane) published() pki.Bundle { return p.known.Only(p.publishedAnchors()) }

func (p *plane) publishedAnchors() (all plan.Anchors) {
	for _, ca := range p.status(p.kind).CAs {
		all = append(all, ca.Fingerprint)
	}
	return all
}

// bundle is what members are to be started with.
func (p *plane) bundle() pki.Bundle { return p.known.Only(p.decision.Bundle) }

// retired says that a CA is neither trusted nor announced any more.
func (p *plane) retired(fingerprint string) bool {
	return !slices.Contains(p.decision.Bundle, fingerprint) && !slices.Contains(p.publishedAnchors(), fingerprint)
}

// leaf is a certificate as the policy sees it.
func (p *plane) leaf(chain []*x509.Certificate, holder string, usages usages) plan.Leaf {
	c := chain[0]
	return plan.Leaf{
		Serial: identity(c), Vouchers: pki.Vouchers(chain, p.known, usages, p.now), Renew: pki.RenewAt(c, holder), Expires: c.NotAfter,
	}
}

// decide asks the policy.
func (p *plane) decide() {
	want := p.supply.want
	if want.Len() == 0 && p.supply.first == nil {
		want = p.published() // the source is in trouble: everything stays as it is
	}
	if want.Len() == 0 {
		return
	}
	p.ready = true
	p.offers = map[string][]offer{}
	p.trust = plan.Trust{
		Now: p.now, Peers: p.kind == resource.PeerPlane, Mutual: p.mutual, Want: want.Fingerprints(), Grace: p.patience(want),
	}
	for _, m := range p.members {
		p.trust.Members = append(p.trust.Members, p.member(m))
	}
	for _, ca := range p.status(p.kind).CAs {
		p.trust.Public = append(p.trust.Public, plan.PublicAnchor{Anchor: ca.Fingerprint, For: p.now.Sub(ca.Since.Time)})
	}
	if name := p.operator(); name != "" {
		p.trust.Clients = []plan.TrustClient{p.client(name, p.supply.client)}
	}
	for _, a := range p.asking() {
		p.trust.Clients = append(p.trust.Clients, p.applicant(a))
	}
	p.decision = plan.NextTrust(p.trust)
	p.decideForOperator()
	p.decideAtOnce()
}

// patience is the time that clients have to take over what they are told and given, in proportion where CAs are short-lived.
func (p *plane) patience(want pki.Bundle) time.Duration {
	least := p.grace
	for _, ca := range want.Certificates() {
		least = min(least, ca.NotAfter.Sub(ca.NotBefore)/12)
	}
	return least
}

// member is a member as the policy sees it.
func (p *plane) member(m *member) plan.TrustMember {
	paper, shown := p.papers[m.name], m.shows[p.kind]
	t := plan.TrustMember{Name: m.name, Answers: shown != nil}
	hash, process := resource.RunsWith(m.pod, p.cluster.Name, p.kind)
	next, secured := resource.StartsWith(m.object, p.kind)
	t.Process = process
	if t.Given.Bundle = p.anchors(next); !secured { // yet: it will be started with what is announced then
		t.Given.Bundle = p.publishedAnchors()
	}
	if p.mutual && process {
		t.Has.Bundle = p.anchors(hash)
	}
	if chain := paper.lastShown(shown); chain != nil {
		t.Has.Leaf = p.leaf(chain, m.name, p.judged())
	}
	offers := p.offersFor(m)
	switch {
	case paper.usable:
		t.Given.Leaf = p.leaf(paper.material.Chain, m.name, p.judged())
		if p.supply.issues && p.incomplete(paper.material.Leaf(), m.name) {
			t.Given.Leaf.Renew = p.now
		}
	case shown != nil:
		offers = restoring(offers, t.Has.Leaf)
		t.Has.Leaf.Serial, t.Has.Leaf.Renew = lost, p.now
		t.Given.Leaf = t.Has.Leaf
	}
	if p.kind == resource.PeerPlane && process && !m.listens() { // it shows its certificate to nobody, and takes it to those who do
		t.Has.Leaf = t.Given.Leaf
	}
	p.offers[m.name] = offers
	t.Offers = leavesOf(offers)
	return t
}

// incomplete says that a certificate of ours lacks a name or a usage that it would be given now.
func (p *plane) incomplete(c *x509.Certificate, member string) bool {
	dns, ips := p.names(member)
	for _, ip := range ips {
		dns = append(dns, ip.String())
	}
	return slices.ContainsFunc(dns, func(name string) bool { return c.VerifyHostname(name) != nil }) ||
		slices.ContainsFunc(p.needed(), func(usage x509.ExtKeyUsage) bool { return !slices.Contains(c.ExtKeyUsage, usage) })
}

func (p *plane) client(name string, offers []offer) plan.TrustClient {
	paper := p.papers[name]
	c := plan.TrustClient{Name: name, Offers: leavesOf(offers)}
	p.offers[name] = offers
	if paper.usable {
		c.Given, c.For = p.leaf(paper.material.Chain, name, pki.ClientUsages()), p.now.Sub(paper.since)
	}
	return c
}

// anchors are those of the bundle with a hash, none if it is not known. Who was started without one asks nobody for a certificate.
func (p *plane) anchors(hash string) plan.Anchors {
	if hash == "" {
		return p.publishedAnchors()
	}
	bundle, ok := p.scene.bundle(p.kind, hash)
	if !ok {
		return nil
	}
	return bundle.Fingerprints()
}

// decideForOperator: an operator without any certificate has nothing to lose by one that not everybody trusts yet.
func (p *plane) decideForOperator() {
	if p.operator() == "" || p.trust.Clients[0].Given.Serial != "" || p.gives(p.operator()) {
		return
	}
	p.trust.Clients[0].Given = plan.Leaf{Serial: lost, Expires: p.now}
	p.trust.Clients[0].For = p.trust.Grace
	p.decision = plan.NextTrust(p.trust)
}

func (p *plane) gives(to string) bool {
	return slices.ContainsFunc(p.decision.Give, func(h plan.Handout) bool { return h.To == to })
}

// decideAtOnce: the policy lets members restart together once every one of them would find the right bundle. Who starts them takes
// the bundle from status.tls at that moment, so that is what counts for this.
func (p *plane) decideAtOnce() {
	if p.kind == resource.ClientPlane {
		if p.decision.AtOnce = p.stranded(); p.decision.AtOnce {
			p.decision.Message += "; no member that runs lets the operator in, so all are to be restarted together"
		}
		return
	}
	t := p.trust
	t.Members = slices.Clone(t.Members)
	for i := range t.Members {
		t.Members[i].Given.Bundle = p.publishedAnchors()
	}
	if d := plan.NextTrust(t); d.AtOnce {
		p.decision = d
	}
}

// stranded is true when the operator has a certificate that it will keep, and no member that runs accepts it. Then it sees none of
// them, and could restart none in its turn.
func (p *plane) stranded() bool {
	if p.operator() == "" || p.gives(p.operator()) || !slices.Equal(p.decision.Bundle, p.publishedAnchors()) {
		return false
	}
	given, running := p.trust.Clients[0].Given, 0
	accepted := func(by plan.Anchors) bool {
		return slices.ContainsFunc(given.Vouchers, func(v string) bool { return slices.Contains(by, v) })
	}
	if !p.now.Before(given.Expires) || !accepted(p.decision.Bundle) {
		return false
	}
	for _, m := range p.trust.Members {
		if m.Process && (len(m.Has.Bundle) == 0 || accepted(m.Has.Bundle)) {
			return false
		}
		running += rank(m.Process)
	}
	return running > 0 && running >= quorum.Size(len(p.trust.Members))
}

func leavesOf(offers []offer) (leaves []plan.Leaf) {
	for _, o := range offers {
		leaves = append(leaves, o.leaf)
	}
	return leaves
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// same compares the data of Secrets.
func same(a, b map[string][]byte) bool { return maps.EqualFunc(a, b, bytes.Equal) }

// leafSecret is the Secret of a member's certificate, as it is or as it is to be made.
func (p *plane) leafSecret(holder string) *corev1.Secret {
	if secret := p.papers[holder].secret; secret != nil {
		secret = secret.DeepCopy()
		if secret.Annotations == nil {
			secret.Annotations = map[string]string{}
		}
		return secret
	}
	name, member := resource.LeafName(holder, p.kind), holder
	if holder == p.operator() {
		name, member = holder, ""
	}
	secret := resource.CertificateSecret(p.cluster, name, member)
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	return secret
}

package plan

import (
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// The policy of certificates of one plane, as a function of what is seen: nothing is remembered between passes but what was
// given out. etcd reads certificate and key at each handshake, and whom it trusts only when it starts (sources: package pki).
// So leaves change without a restart, bundles with one, and a CA is replaced in three phases, each of which shows in the facts:
//
//	Bundle    old and new CA are trusted: every member is given the bundle of both and restarted with it, one at a time
//	Leaves    members get leaves of the new CA, one at a time, each confirmed by a handshake that shows its serial
//	Dropping  nobody shows a leaf of the old CA any more: every member is restarted with the bundle without it
//
// What holds throughout: whatever a member may show verifies with whatever any member may run with.

// Anchors is a bundle as the policy sees it: the fingerprints of the CAs that it trusts.
type Anchors []string

// vouches says whether somebody who trusts a accepts l.
func (a Anchors) vouches(l Leaf) bool {
	return slices.ContainsFunc(l.Vouchers, func(v string) bool { return slices.Contains(a, v) })
}

func (a Anchors) with(more Anchors) Anchors {
	all := slices.Concat(a, more)
	slices.Sort(all)
	return slices.Compact(all)
}

func (a Anchors) equal(b Anchors) bool { return slices.Equal(a.with(nil), b.with(nil)) }

// Leaf is a certificate that somebody presents.
type Leaf struct {
	Serial   string  // empty if there is none, or, in an offer, if it is issued only when it is taken
	Vouchers Anchors // all known CAs, valid now, under which it verifies for its usages
	Renew    time.Time
	Expires  time.Time
}

func (l Leaf) exists() bool { return l.Serial != "" }

// Holding is a bundle and a leaf.
type Holding struct {
	Bundle Anchors
	Leaf   Leaf
}

// TrustMember is a member on this plane.
type TrustMember struct {
	Name    string
	Process bool // it has a Pod that takes part in this plane: it runs, or may come back by itself, with the bundle that it has
	Answers bool // a handshake with it succeeded in this pass
	// Has is the bundle its process was started with, and the leaf that it showed last. A bundle is known only if nothing changes it
	// under the process: it has to be mounted from an object that is never written again, which the Pod names by its hash.
	Has    Holding
	Given  Holding // is what was written down for it: what it is started with next, and the leaf that it will show
	Offers []Leaf  // it could be given these: the best first, the last one that worked at the end
}

// TrustClient is a client whose certificate the operator keeps.
type TrustClient struct {
	Name   string
	Given  Leaf
	For    time.Duration // how long it has had a leaf with these vouchers
	Offers []Leaf
}

// Trust is everything that a decision about one plane may depend on.
type Trust struct {
	Now     time.Time
	Peers   bool    // members speak with each other here
	Mutual  bool    // members ask for certificates; always so among peers
	Want    Anchors // whom to trust in the end
	Members []TrustMember

	Clients []TrustClient
	Public  []PublicAnchor
	Grace   time.Duration // that clients have to take over what they are told and given
}

// PublicAnchor is a CA that clients are told to trust.
type PublicAnchor struct {
	Anchor string
	For    time.Duration // since when without a break
}

// TrustPhase says how far a change has come.
type TrustPhase string

// Phases of trust.
const (
	TrustSettled  TrustPhase = "Settled"
	TrustRenewing TrustPhase = "Renewing" // leaves change, CAs do not
	TrustBundle   TrustPhase = "Bundle"
	TrustLeaves   TrustPhase = "Leaves"
	TrustDropping TrustPhase = "Dropping"
	TrustExpired  TrustPhase = "Expired" // nobody shows anything that is still valid
)

// Handout is a leaf to be given out: the offer with this index.
type Handout struct {
	To    string
	Offer int
}

// TrustDecision is what to give to whom on this plane.
type TrustDecision struct {
	Phase   TrustPhase
	Bundle  Anchors   // for every member to be started with, for clients to trust, and for members that are yet to come
	Publish []string  // members for which another bundle is written down
	Give    []Handout // one at a time, but for those who have nothing that works
	Restart []string  // members whose process was started with another bundle than is written down; one at a time
	AtOnce  bool      // no quorum trusts itself as it runs: restart them all together
	Outlook Outlook
	Reason  string
	Message string
	Recheck time.Duration
}

// NextTrust decides.
func NextTrust(t Trust) TrustDecision {
	d := TrustDecision{Bundle: t.bundle()}
	for _, m := range t.Members {
		switch {
		case !m.Given.Bundle.equal(d.Bundle):
			d.Publish = append(d.Publish, m.Name)
		case t.Mutual && m.Process && !m.Has.Bundle.equal(d.Bundle):
			d.Restart = append(d.Restart, m.Name)
		}
	}
	d.Give = t.handouts()
	d.AtOnce = len(d.Restart) > 0 && len(d.Publish)+len(d.Give) == 0 && t.severed()
	t.explain(&d)
	return d
}

// bundle trusts whom it should, and the issuers of what may still be shown. A CA of which nothing is shown any more is out.
func (t Trust) bundle() Anchors {
	all := t.Want.with(nil)
	for _, l := range t.shown() {
		if !t.Want.vouches(l) {
			all = all.with(l.Vouchers)
		}
	}
	if _, waiting := t.clientInGrace(); waiting { // it may still show what it had before, which nobody knows
		for _, m := range t.Members {
			all = all.with(m.Given.Bundle).with(m.Has.Bundle)
		}
	}
	return all
}

// shown are the leaves that somebody may present and that still count.
func (t Trust) shown() (leaves []Leaf) {
	for _, m := range t.Members {
		leaves = append(leaves, m.Given.Leaf, m.Has.Leaf)
	}
	for _, c := range t.Clients {
		leaves = append(leaves, c.Given)
	}
	return slices.DeleteFunc(leaves, func(l Leaf) bool { return !t.counts(l) })
}

// counts is false for a leaf that nobody accepts: it has expired, or all of its CAs have.
func (t Trust) counts(l Leaf) bool {
	return l.exists() && t.Now.Before(l.Expires) && len(l.Vouchers) > 0
}

func (t Trust) clientInGrace() (TrustClient, bool) {
	i := slices.IndexFunc(t.Clients, func(c TrustClient) bool { return c.Given.exists() && c.For < t.Grace })
	if i < 0 {
		return TrustClient{}, false
	}
	return t.Clients[i], true
}

// confirmed is false while a member may still show what it was given before. One without a Pod does not count as confirmed: its
// Pod may have been made a moment ago, with what it was given until then.
func (m TrustMember) confirmed() bool { return m.Has.Leaf.Serial == m.Given.Leaf.Serial }

// trusted says whether every member accepts l, whatever it runs with now, is started with next and may be given after that.
func (t Trust) trusted(l Leaf) bool {
	return t.bundle().vouches(l) && !slices.ContainsFunc(t.Members, func(m TrustMember) bool {
		return t.Mutual && (!m.Given.Bundle.vouches(l) || m.Process && !m.Has.Bundle.vouches(l))
	})
}

// public says whether clients that accept a member now will accept it with l.
func (t Trust) public(l Leaf) bool {
	shown := slices.DeleteFunc(slices.Clone(t.Members), func(m TrustMember) bool { return !t.counts(m.Given.Leaf) })
	return t.Peers || len(shown) == 0 || t.known().vouches(l) ||
		slices.ContainsFunc(shown, func(m TrustMember) bool { return t.renews(m.Given.Leaf, l) })
}

// known are the CAs that clients have been told about for long enough.
func (t Trust) known() (all Anchors) {
	for _, p := range t.Public {
		if p.For >= t.Grace {
			all = append(all, p.Anchor)
		}
	}
	return all
}

// renews says whether whoever accepts the leaf old also accepts l, so that there is nothing to wait for.
func (t Trust) renews(old, l Leaf) bool {
	return t.counts(old) && !slices.ContainsFunc(old.Vouchers, func(v string) bool { return !slices.Contains(l.Vouchers, v) })
}

// usable says whether an offer can be taken at all.
func (t Trust) usable(l Leaf) bool {
	return len(l.Vouchers) > 0 && (!l.exists() || t.Now.Before(l.Expires))
}

// choose is the best offer that m may be given now, -1 if there is none. Whoever shows nothing valid cannot lose by any.
func (t Trust) choose(m TrustMember) int {
	for i, l := range m.Offers {
		if !t.usable(l) {
			continue
		}
		if t.renews(m.Given.Leaf, l) || m.confirmed() && t.trusted(l) && t.public(l) {
			return i
		}
	}
	if m.Given.Leaf.exists() && !t.counts(m.Given.Leaf) {
		return slices.IndexFunc(m.Offers, t.usable)
	}
	return -1
}

func (t Trust) chooseForClient(c TrustClient) int {
	return slices.IndexFunc(c.Offers, func(l Leaf) bool {
		return t.usable(l) && (t.trusted(l) || t.renews(c.Given, l) || c.Given.exists() && !t.counts(c.Given))
	})
}

// due says whether an offer is to be taken by whoever was given a leaf. The best one replaces any other; what worked before
// only replaces what works no more.
func (t Trust) due(given Leaf, offers []Leaf, i int) bool {
	offer := offers[i]
	switch {
	case !t.counts(given):
		return true
	case offer.exists():
		return i == 0 && offer.Serial != given.Serial
	}
	return !t.Now.Before(given.Renew) || t.Want.vouches(offer) && !t.Want.vouches(given)
}

// urgent says that half of the time for renewing l has passed: then nobody is waited for any more.
func (t Trust) urgent(l Leaf) bool {
	return !t.Now.Before(l.Renew.Add(l.Expires.Sub(l.Renew) / 2))
}

// handouts are the leaves to give out now. Those who have nothing that works get theirs at once; of the others one gets a
// leaf while all others show theirs, the silent ones last, so that a leaf that does harm harms one.
func (t Trust) handouts() (give []Handout) {
	var next []TrustMember
	for _, m := range t.Members {
		switch i := t.choose(m); {
		case i < 0 || !t.due(m.Given.Leaf, m.Offers, i):
		case !t.counts(m.Given.Leaf):
			give = append(give, Handout{m.Name, i})
		default:
			next = append(next, m)
		}
	}
	for _, c := range t.Clients {
		if i := t.chooseForClient(c); i >= 0 && t.due(c.Given, c.Offers, i) {
			give = append(give, Handout{c.Name, i})
		}
	}
	slices.SortStableFunc(next, func(a, b TrustMember) int { return rank(!a.Answers) - rank(!b.Answers) })
	others := t.unconfirmed()
	for _, m := range next {
		waited := slices.ContainsFunc(others, func(o TrustMember) bool { return o.Name != m.Name })
		if !waited || t.urgent(m.Given.Leaf) {
			return append(give, Handout{m.Name, t.choose(m)})
		}
	}
	return give
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t Trust) unconfirmed() []TrustMember {
	return slices.DeleteFunc(slices.Clone(t.Members), TrustMember.confirmed)
}

// severed is true when as many processes run as are needed, and no quorum of them accepts each other's leaves as they run. One
// whose bundle is not known proves nothing: nothing is stopped for what is not known.
func (t Trust) severed() bool {
	running := slices.DeleteFunc(slices.Clone(t.Members), func(m TrustMember) bool { return !m.Process })
	need := quorum.Size(len(t.Members))
	return t.Peers && len(running) >= need && !t.agree(nil, running, need)
}

// agree says whether some of candidates make up, together with those in, a group of the size in which all accept each other.
func (t Trust) agree(in, candidates []TrustMember, size int) bool {
	if len(in) >= size {
		return true
	}
	for i, m := range candidates {
		if !slices.ContainsFunc(in, func(o TrustMember) bool { return !t.accepts(m, o) || !t.accepts(o, m) }) &&
			t.agree(append(slices.Clone(in), m), candidates[i+1:], size) {
			return true
		}
	}
	return false
}

func (t Trust) accepts(m, other TrustMember) bool {
	l := other.Given.Leaf
	if !t.counts(l) {
		l = other.Has.Leaf
	}
	return len(m.Has.Bundle) == 0 || t.counts(l) && m.Has.Bundle.vouches(l)
}

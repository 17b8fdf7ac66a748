package plan

import (
	"fmt"
	"strings"
	"time"
)

// A worldOfTrust is a cluster on one plane while its CA changes. Members are given leaves and bundles, show and run with what they
// picked up, crash, come back and fall silent whenever they like.
type worldOfTrust struct {
	n       int
	members [3]party
	want    uint8 // the CA that is wanted
	gen     uint8 // of the leaf that is wanted
	auto    bool  // leaves are issued when they are taken; else there is one for all, and what worked before
	swaps   int   // changes of the CA that are still to come
	ages    int   // renewals that are still to come

	clients        bool // it is the client plane
	public, mature cas
	client         paper // what the client was given
	before         cas   // of what it may still show
	clientSettled  bool
}

type cas uint8 // a set of CAs

type paper struct{ ca, gen uint8 } // a leaf; ca 0 is none

type party struct {
	process, silent   bool
	has, given        cas
	shown, leaf, seen paper
}

const aCAs = 3

func of(ca uint8) cas               { return 1 << ca }
func (c cas) trusts(p paper) bool   { return c&of(p.ca) != 0 }
func (c cas) anchors() (as Anchors) { return anchorsOf[c] }

var anchorsOf = func() (all [1 << (aCAs + 1)]Anchors) {
	for c := range all {
		for ca := uint8(1); ca <= aCAs; ca++ {
			if cas(c).trusts(paper{ca: ca}) {
				all[c] = append(all[c], fmt.Sprintf("ca%d", ca))
			}
		}
	}
	return all
}()

func casOf(as Anchors) (c cas) {
	for _, a := range as {
		c |= of(a[2] - '0')
	}
	return c
}

var trustNow = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const grace = 10 * time.Minute

// leafOf makes a Leaf of p. It is to be renewed if a later one is wanted and none is offered by itself.
func (w *worldOfTrust) leafOf(p paper) Leaf {
	if p.ca == 0 {
		return Leaf{}
	}
	l := Leaf{Serial: serials[p.ca][p.gen], Vouchers: of(p.ca).anchors(), Renew: trustNow.Add(time.Hour), Expires: trustNow.Add(3 * time.Hour)}
	if w.auto && p.gen < w.gen {
		l.Renew = trustNow
	}
	return l
}

var serials = func() (all [aCAs + 1][8]string) {
	for ca := range all {
		for gen := range all[ca] {
			all[ca][gen] = fmt.Sprintf("%d.%d", ca, gen)
		}
	}
	return all
}()

// offers are for somebody who was given p.
func (w *worldOfTrust) offers(p paper) []paper {
	if !w.auto {
		return []paper{{w.want, w.gen}, p}
	}
	all := []paper{{w.want, w.gen}}
	for ca := uint8(1); ca <= aCAs; ca++ {
		if ca != w.want {
			all = append(all, paper{ca, w.gen})
		}
	}
	return all
}

func (w *worldOfTrust) offered(p paper) (leaves []Leaf) {
	for _, o := range w.offers(p) {
		l := w.leafOf(o)
		if w.auto {
			l.Serial = ""
		}
		if len(l.Vouchers) > 0 {
			leaves = append(leaves, l)
		}
	}
	return leaves
}

// observe looks: whoever answers shows what it has.
func (w *worldOfTrust) observe() Trust {
	t := Trust{Now: trustNow, Peers: !w.clients, Mutual: true, Want: of(w.want).anchors(), Grace: grace}
	for i := range w.n {
		m := &w.members[i]
		if m.process && !m.silent {
			m.seen = m.shown
		}
		t.Members = append(t.Members, TrustMember{
			Name: string(rune('a' + i)), Process: m.process, Answers: m.process && !m.silent, Offers: w.offered(m.leaf),
			Has: Holding{m.has.anchors(), w.leafOf(m.seen)}, Given: Holding{m.given.anchors(), w.leafOf(m.leaf)},
		})
	}
	if w.clients {
		for _, a := range w.public.anchors() {
			p := PublicAnchor{Anchor: a}
			if casOf(Anchors{a})&w.mature != 0 {
				p.For = grace
			}
			t.Public = append(t.Public, p)
		}
		c := TrustClient{Name: "root", Given: w.leafOf(w.client), Offers: w.offered(w.client)}
		if w.clientSettled {
			c.For = grace
		}
		t.Clients = []TrustClient{c}
	}
	return t
}

type move struct {
	name string
	to   func(*worldOfTrust)
}

// nature are the things that happen by themselves, or by people.
func (w *worldOfTrust) nature() (moves []move) {
	for i := range w.n {
		m := w.members[i]
		if m.given != 0 && m.leaf.ca != 0 && (!m.process || m.has != m.given || m.shown != m.leaf) {
			moves = append(moves, move{fmt.Sprintf("Pod of %d made anew", i), func(w *worldOfTrust) { w.recreate(i) }})
		}
		if m.process {
			moves = append(moves, move{fmt.Sprintf("Pod of %d gone", i), func(w *worldOfTrust) { w.members[i].process = false }},
				move{fmt.Sprintf("%d falls silent or speaks", i), func(w *worldOfTrust) { w.members[i].silent = !w.members[i].silent }})
		}
		if m.process && m.shown != m.leaf {
			moves = append(moves, move{fmt.Sprintf("leaf reaches %d", i), func(w *worldOfTrust) { w.members[i].shown = w.members[i].leaf }})
		}
	}
	if w.swaps > 0 {
		for ca := uint8(1); ca <= aCAs; ca++ {
			if ca != w.want {
				moves = append(moves, move{fmt.Sprintf("CA swapped to %d", ca), func(w *worldOfTrust) {
					w.swaps, w.want, w.gen = w.swaps-1, ca, w.gen+1
				}})
			}
		}
	}
	if w.ages > 0 {
		moves = append(moves, move{"leaves age", func(w *worldOfTrust) { w.ages, w.gen = w.ages-1, w.gen+1 }})
	}
	if w.public != w.mature {
		moves = append(moves, move{"clients know", func(w *worldOfTrust) { w.mature = w.public }})
	}
	if w.clients && !w.clientSettled {
		moves = append(moves, move{"client took its leaf", func(w *worldOfTrust) { w.clientSettled, w.before = true, of(w.client.ca) }})
	}
	return moves
}

func (w *worldOfTrust) recreate(i int) {
	m := &w.members[i]
	if m.given != 0 && m.leaf.ca != 0 {
		m.process, m.has, m.shown = true, m.given, m.leaf
	}
}

// operator are the writes that a decision allows, each of which may be the only one before something else happens.
func (w *worldOfTrust) operator(d TrustDecision) (moves []move) {
	bundle := casOf(d.Bundle)
	for _, name := range d.Publish {
		i := int(name[0] - 'a')
		moves = append(moves, move{"publish to " + name, func(w *worldOfTrust) { w.members[i].given = bundle }})
	}
	if w.clients && w.public != bundle {
		moves = append(moves, move{"publish to clients", func(w *worldOfTrust) { w.public, w.mature = bundle, w.mature&bundle }})
	}
	for _, h := range d.Give {
		if h.To == "root" {
			p := w.offers(w.client)[h.Offer]
			moves = append(moves, move{"leaf for the client", func(w *worldOfTrust) {
				w.clientSettled = w.clientSettled && w.client.ca == p.ca
				w.client, w.before = p, w.before|of(w.client.ca)
			}})
			continue
		}
		i := int(h.To[0] - 'a')
		p := w.offers(w.members[i].leaf)[h.Offer]
		moves = append(moves, move{"leaf for " + h.To, func(w *worldOfTrust) { w.members[i].leaf = p }})
	}
	for _, name := range d.Restart {
		i := int(name[0] - 'a')
		moves = append(moves, move{"restart " + name, func(w *worldOfTrust) { w.recreate(i) }})
	}
	return moves
}

// wrong says who does not accept whom.
func (w *worldOfTrust) wrong() string {
	for i := range w.n {
		m := w.members[i]
		if !m.process {
			continue
		}
		for j := range w.n {
			if o := w.members[j]; o.process && (!w.clients || i == j) && !m.has.trusts(o.shown) {
				return fmt.Sprintf("%d runs with %s and is shown %s by %d", i, m.has.anchors().Short(), serials[o.shown.ca][o.shown.gen], j)
			}
		}
		if w.clients && !w.mature.trusts(m.shown) {
			return fmt.Sprintf("clients know %s and are shown %s by %d", w.mature.anchors().Short(), serials[m.shown.ca][m.shown.gen], i)
		}
		if w.clients && (!m.has.trusts(w.client) || m.has&w.before != w.before) {
			return fmt.Sprintf("%d runs with %s and is shown %v or of %s by a client", i, m.has.anchors().Short(), w.client,
				w.before.anchors().Short())
		}
	}
	return ""
}

func (w *worldOfTrust) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "want %d.%d", w.want, w.gen)
	for i := range w.n {
		m := w.members[i]
		fmt.Fprintf(&b, "\n%d runs=%v silent=%v has=%s given=%s shown=%v leaf=%v seen=%v", i, m.process, m.silent, m.has.anchors().Short(),
			m.given.anchors().Short(), m.shown, m.leaf, m.seen)
	}
	if w.clients {
		fmt.Fprintf(&b, "\nclients: told %s know %s client=%v before=%s", w.public.anchors().Short(), w.mature.anchors().Short(),
			w.client, w.before.anchors().Short())
	}
	return b.String()
}

// steadyTrust is a cluster in which nothing is to be done, of which the last blank members are yet to start.
func steadyTrust(n, blank int) worldOfTrust {
	w := worldOfTrust{n: n, want: 1}
	for i := range n - blank {
		w.members[i] = party{process: true, has: of(1), given: of(1), shown: paper{ca: 1}, leaf: paper{ca: 1}, seen: paper{ca: 1}}
	}
	return w
}

func (w worldOfTrust) forClients() worldOfTrust {
	w.clients, w.public, w.mature, w.clientSettled = true, of(1), of(1), true
	w.client, w.before = paper{ca: 1}, of(1)
	return w
}

func (w worldOfTrust) but(change func(*worldOfTrust)) worldOfTrust {
	change(&w)
	return w
}

package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTrustScenarios plays testdata/trust.txt. A leaf is written as its CAs and its serial, o.1; o. alone is one that would be
// issued by o. Then ~ says that it is to be renewed, ~~ that this is urgent, ! that it has expired.
func TestTrustScenarios(t *testing.T) {
	datadriven.RunTest(t, "testdata/trust.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		if d.Cmd != "trust" {
			d.Fatalf(t, "unknown command %q", d.Cmd)
		}
		got := NextTrust(parseTrust(t, d))
		var does []string
		add := func(what string, whom []string) {
			if len(whom) > 0 {
				does = append(does, what+" "+strings.Join(whom, ","))
			}
		}
		add("publish", got.Publish)
		for _, h := range got.Give {
			does = append(does, fmt.Sprintf("give %s offer %d", h.To, h.Offer))
		}
		if got.AtOnce {
			does = append(does, "together:")
		}
		add("restart", got.Restart)
		return fmt.Sprintf("%s %s after %s, bundle %s: %s\n%s: %s\n", got.Phase, got.Outlook, got.Recheck, got.Bundle.Short(),
			strings.Join(does, "; "), got.Reason, got.Message)
	})
}

func parseTrust(t *testing.T, d *datadriven.TestData) Trust {
	t.Helper()
	tr := Trust{Now: trustNow, Peers: true, Mutual: true}
	var offers []Leaf
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "want":
			tr.Want = a.Vals
		case "offers":
			for _, v := range a.Vals {
				offers = append(offers, parseLeaf(v))
			}
		case "clients":
			tr.Peers, tr.Grace = false, grace
		case "plain":
			tr.Mutual = false
		case "public":
			for _, v := range a.Vals {
				anchor, since, _ := strings.Cut(v, ":")
				p := PublicAnchor{Anchor: anchor, For: grace}
				if since != "" {
					p.For, _ = time.ParseDuration(since)
				}
				tr.Public = append(tr.Public, p)
			}
		default:
			d.Fatalf(t, "unknown argument %q", a.Key)
		}
	}
	for line := range strings.Lines(d.Input) {
		f := strings.Fields(line)
		if f[0] == "client" {
			c := TrustClient{Name: f[1], Given: parseLeaf(f[2]), For: grace, Offers: offers}
			if len(f) > 3 && f[3] == "alone" { // nothing is offered to it
				c.Offers = nil
			} else if len(f) > 3 {
				c.For, _ = time.ParseDuration(f[3])
			}
			tr.Clients = append(tr.Clients, c)
			continue
		}
		tr.Members = append(tr.Members, parseTrustMember(t, d, f, offers))
	}
	return tr
}

// parseTrustMember reads a name and what the member has; what it was given is the same if nothing else is said.
func parseTrustMember(t *testing.T, d *datadriven.TestData, f []string, offers []Leaf) TrustMember {
	t.Helper()
	m := TrustMember{Name: f[0], Process: true, Answers: true, Offers: offers}
	given := false
	for _, w := range f[1:] {
		key, value, _ := strings.Cut(w, "=")
		bundle, leaf, _ := strings.Cut(value, "/")
		switch key {
		case "has":
			m.Has = parseHolding(bundle, leaf)
		case "given":
			m.Given, given = parseHolding(bundle, leaf), true
		case "silent":
			m.Answers = false
		case "absent":
			m.Process, m.Answers = false, false
		default:
			d.Fatalf(t, "unknown word %q", w)
		}
	}
	if !given {
		m.Given = m.Has
	}
	return m
}

func parseHolding(bundle, leaf string) Holding {
	h := Holding{Leaf: parseLeaf(leaf)}
	if bundle != "" {
		h.Bundle = strings.Split(bundle, "+")
	}
	return h
}

func parseLeaf(text string) Leaf {
	serial := strings.TrimRight(text, "~!")
	mark := text[len(serial):]
	if serial == "" {
		return Leaf{}
	}
	issuers, number, _ := strings.Cut(serial, ".")
	l := Leaf{Serial: serial, Renew: trustNow.Add(time.Hour), Expires: trustNow.Add(3 * time.Hour)}
	if number == "" {
		l.Serial = ""
	}
	if issuers != "" {
		l.Vouchers = strings.Split(issuers, "+")
	}
	switch mark {
	case "~":
		l.Renew = trustNow
	case "~~":
		l.Renew, l.Expires = trustNow.Add(-2*time.Hour), trustNow.Add(time.Hour)
	case "!":
		l.Renew, l.Expires = trustNow.Add(-2*time.Hour), trustNow
	}
	return l
}

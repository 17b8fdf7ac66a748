package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// explain fills in how far the change has come, and what it waits for.
func (t Trust) explain(d *TrustDecision) {
	d.Outlook, d.Recheck = Working, retry
	if len(d.Publish)+len(d.Give) > 0 {
		d.Recheck = now
	}
	retired := t.retired(d.Bundle)
	switch {
	case len(t.Members) == 0:
		t.settled(d)
	case t.expired(), d.AtOnce:
		t.explainExpired(d)
	case !d.Bundle.equal(t.Want):
		t.explainRotation(d)
	case len(d.Publish)+len(d.Restart) > 0 && len(retired) > 0:
		d.Phase, d.Reason = TrustDropping, "DroppingOldCA"
		d.Message = fmt.Sprintf("no certificate that is shown needs %s any more: %s", retired.Short(), t.running(d))
	case len(d.Publish)+len(d.Restart) > 0:
		d.Phase, d.Reason = TrustBundle, "PublishingBundle"
		d.Message = t.running(d)
	case len(d.Give) > 0, len(t.unconfirmed()) > 0, len(t.lacking()) > 0:
		d.Phase, d.Reason = TrustRenewing, "RenewingCertificates"
		d.Message = t.leaves(d)
	default:
		t.settled(d)
	}
	if len(d.Publish)+len(d.Give)+len(d.Restart) == 0 && d.Outlook == Working {
		d.Outlook = Waiting
	}
}

// expired is true when members have leaves, and nobody one that counts.
func (t Trust) expired() bool {
	ever := false
	for _, m := range t.Members {
		if t.counts(m.Given.Leaf) || m.Process && t.counts(m.Has.Leaf) {
			return false
		}
		ever = ever || m.Given.Leaf.exists()
	}
	return ever
}

func (t Trust) explainExpired(d *TrustDecision) {
	d.Phase, d.Reason = TrustExpired, "CertificatesExpired"
	var helpless []string
	for _, m := range t.Members {
		if !t.counts(m.Given.Leaf) && t.choose(m) < 0 {
			helpless = append(helpless, m.Name)
		}
	}
	switch {
	case len(helpless) > 0:
		d.Outlook, d.Recheck = Stuck, patient
		d.Message = fmt.Sprintf("the certificates of all %d members have expired, and there is no valid one for %s",
			len(t.Members), list(helpless))
	case len(d.Give) > 0:
		d.Message = fmt.Sprintf("the certificates of all %d members have expired: giving new ones to %s at once", len(t.Members), d.recipients())
	case d.AtOnce:
		d.Message = fmt.Sprintf("no quorum of the %d members accepts each other's certificates as they run: restarting %s together",
			len(t.Members), list(d.Restart))
	default:
		d.Message = fmt.Sprintf("waiting for %d of %d members to show their new certificates: %s", len(t.unconfirmed()), len(t.Members),
			t.awaited())
	}
}

// explainRotation: the CA changes, and something of the old one may still be shown.
func (t Trust) explainRotation(d *TrustDecision) {
	d.Phase, d.Reason = TrustBundle, "TrustingBothCAs"
	fresh, left := t.young()
	switch {
	case len(d.Publish)+len(d.Restart) > 0:
		d.Message = "old and new CA are trusted meanwhile: " + t.running(d)
	case len(d.Give) == 0 && len(t.unconfirmed()) == 0 && left > 0:
		d.Message = fmt.Sprintf("every member trusts %s; clients have until %s to trust %s", d.Bundle.Short(), t.in(left), fresh.Short())
		d.Recheck = min(left, patient)
	default:
		d.Phase, d.Reason, d.Message = TrustLeaves, "ReplacingCertificates", t.leaves(d)
		if c, waiting := t.clientInGrace(); waiting && len(d.Give)+len(t.unconfirmed())+len(t.lacking()) == 0 {
			d.Message += fmt.Sprintf("; client %s has until %s to use its own", c.Name, t.in(t.Grace-c.For))
		}
		if held := t.held(); len(held) > 0 {
			d.Message += fmt.Sprintf("; the CA before is trusted for %s, to whom nothing else is offered", list(held))
		}
	}
}

// held are the clients that keep a CA trusted that is not wanted, because there is no other certificate for them.
func (t Trust) held() (names []string) {
	for _, c := range t.Clients {
		if t.counts(c.Given) && !t.Want.vouches(c.Given) && t.chooseForClient(c) < 0 {
			names = append(names, "client "+c.Name)
		}
	}
	return names
}

// running says how many members have the bundle, in their process if they have one.
func (t Trust) running(d *TrustDecision) string {
	message := fmt.Sprintf("%d of %d members have the bundle %s", len(t.Members)-len(unite(d.Publish, d.Restart)), len(t.Members),
		d.Bundle.Short())
	if len(d.Restart) > 0 {
		message += "; to be restarted: " + list(d.Restart)
	}
	return message
}

// leaves says how many members have what they should have, who is next and who is waited for.
func (t Trust) leaves(d *TrustDecision) string {
	done := 0
	for _, m := range t.Members {
		if m.confirmed() && t.counts(m.Given.Leaf) && t.Want.vouches(m.Given.Leaf) && !slices.Contains(t.lacking(), m.Name) {
			done++
		}
	}
	message := fmt.Sprintf("%d of %d members show the certificate they should", done, len(t.Members))
	if len(d.Give) > 0 {
		message += "; giving one to " + d.recipients()
	}
	if waited := t.awaited(); waited != "" {
		message += "; waiting for " + waited
	}
	if lacking := t.lacking(); len(d.Give) == 0 && len(t.unconfirmed()) == 0 && len(lacking) > 0 {
		message += "; none that everybody accepts is offered for " + list(lacking)
	}
	return message
}

// lacking are members whose best offer would serve them better than what they have.
func (t Trust) lacking() (names []string) {
	for _, m := range t.Members {
		if !t.counts(m.Given.Leaf) || len(m.Offers) > 0 && t.due(m.Given.Leaf, m.Offers, 0) {
			names = append(names, m.Name)
		}
	}
	return names
}

// awaited says of members that are to show a leaf what they show instead.
func (t Trust) awaited() string {
	var s []string
	for _, m := range t.unconfirmed() {
		shows := "it does not answer"
		if m.Answers {
			shows = "it shows " + short(m.Has.Leaf.Serial)
		}
		s = append(s, fmt.Sprintf("%s to show %s (%s)", m.Name, short(m.Given.Leaf.Serial), shows))
	}
	return list(s)
}

// young are the wanted CAs that clients have not been told about for long enough, and how long that still takes.
func (t Trust) young() (fresh Anchors, left time.Duration) {
	known := t.known()
	for _, a := range t.Want {
		if t.Peers || slices.Contains(known, a) {
			continue
		}
		fresh = append(fresh, a)
		rest := t.Grace
		for _, p := range t.Public {
			if p.Anchor == a {
				rest -= p.For
			}
		}
		left = max(left, rest)
	}
	return fresh, left
}

// retired are the CAs that somebody still trusts and that are not in the bundle any more.
func (t Trust) retired(bundle Anchors) (old Anchors) {
	for _, m := range t.Members {
		old = old.with(m.Given.Bundle)
		if m.Process {
			old = old.with(m.Has.Bundle)
		}
	}
	return slices.DeleteFunc(old, func(a string) bool { return slices.Contains(bundle, a) })
}

func (t Trust) settled(d *TrustDecision) {
	d.Phase, d.Outlook, d.Reason, d.Recheck = TrustSettled, Fulfilled, "CertificatesValid", rest
	var first, renew time.Time
	for _, m := range t.Members {
		if l := m.Given.Leaf; first.IsZero() || l.Expires.Before(first) {
			first = l.Expires
		}
		if l := m.Given.Leaf; renew.IsZero() || l.Renew.Before(renew) {
			renew = l.Renew
		}
	}
	d.Message = fmt.Sprintf("%d members show valid certificates", len(t.Members))
	if !first.IsZero() {
		d.Message += ", the first of which ends at " + t.in(first.Sub(t.Now))
	}
	if left := renew.Sub(t.Now); left > 0 {
		d.Recheck = min(left, rest)
	}
}

// in is a time that stays the same in the messages of all passes.
func (t Trust) in(left time.Duration) string {
	return t.Now.Add(left).Round(time.Second).UTC().Format(time.RFC3339)
}

func (d *TrustDecision) recipients() string {
	to := make([]string, len(d.Give))
	for i, h := range d.Give {
		to[i] = h.To
	}
	return list(to)
}

func unite(a, b []string) []string { return Anchors(a).with(b) }

// Short is the name under which people see anchors.
func (a Anchors) Short() string {
	names := make([]string, len(a))
	for i, s := range a {
		names[i] = short(s)
	}
	return strings.Join(names, "+")
}

func short(id string) string { return id[:min(len(id), 8)] }

package plan

import "testing"

// swapping is how often the CA is changed; issuing also how often leaves age, where the operator issues them.
func swapping(swaps int) func(*worldOfTrust) { return func(w *worldOfTrust) { w.swaps = swaps } }
func issuing(swaps, ages int) func(*worldOfTrust) {
	return func(w *worldOfTrust) { w.swaps, w.ages, w.auto = swaps, ages, true }
}

// TestWhoeverRunsAcceptsWhateverIsShown walks through all that can happen while CAs are swapped, in whatever order members restart
// and pick up what they are given, and asks in every state that members, and clients, accept each other.
func TestWhoeverRunsAcceptsWhateverIsShown(t *testing.T) {
	type beginning struct {
		begin worldOfTrust
		stale bool // writes may come after one more thing has happened
		least int  // states: tells an enumeration that has lost some from one that is safe
	}
	beginnings := map[string]beginning{
		"two members, given leaves":          {steadyTrust(2, 0).but(swapping(2)), true, 23040},
		"two members, issued leaves":         {steadyTrust(2, 0).but(issuing(1, 1)), true, 24288},
		"one of two joins":                   {steadyTrust(2, 1).but(issuing(1, 0)), true, 6048},
		"one of two joins, given leaves":     {steadyTrust(2, 1).but(swapping(1)), true, 1476},
		"one member and its clients":         {steadyTrust(1, 0).forClients().but(issuing(2, 0)), true, 48148},
		"two members and clients":            {steadyTrust(2, 0).forClients().but(swapping(1)), false, 3248},
		"one joins, with clients looking on": {steadyTrust(2, 1).forClients().but(issuing(1, 0)), false, 35960},
		"three members":                      {steadyTrust(3, 0).but(swapping(1)), true, 13240},
	}
	if disturbOneIn == 1 {
		beginnings["two members, issued leaves, twice"] = beginning{steadyTrust(2, 0).but(issuing(2, 0)), true, 178_928}
		beginnings["three members, issued leaves"] = beginning{steadyTrust(3, 0).but(issuing(1, 0)), false, 132_544}
	}
	for name, c := range beginnings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := explore(t, c.begin, c.stale)
			t.Logf("%d states", seen)
			if seen < c.least && !t.Failed() {
				t.Errorf("%d states, there were %d", seen, c.least)
			}
		})
	}
}

// sampleOneIn is how many states there are to one that is led to its end.
const sampleOneIn = 10

// explore visits every state that can be reached, and leads each of a sample of them to its end.
func explore(t *testing.T, begin worldOfTrust, stale bool) int {
	t.Helper()
	type step struct {
		from worldOfTrust
		name string
	}
	came := map[worldOfTrust]step{begin: {}}
	queue := []worldOfTrust{begin}
	for number := 0; len(queue) > 0; number++ {
		w := queue[0]
		queue = queue[1:]
		visit := func(name string, next worldOfTrust) {
			if _, known := came[next]; known {
				return
			}
			came[next] = step{w, name}
			queue = append(queue, next)
			if s := next.wrong(); s != "" && !t.Failed() {
				t.Errorf("%s\n%s", s, &next)
				for at := next; at != begin; at = came[at].from {
					from := came[at].from
					t.Logf("after %q of\n%s", came[at].name, &from)
				}
			}
		}
		looked := w
		d := NextTrust(looked.observe())
		if d.AtOnce || d.Phase == TrustExpired {
			t.Errorf("%s: %s\n%s", d.Phase, d.Message, &w)
		}
		for _, h := range d.Give {
			offers := looked.offers(looked.client)
			if h.To != "root" {
				offers = looked.offers(looked.members[h.To[0]-'a'].leaf)
			}
			if !casOf(d.Bundle).trusts(offers[h.Offer]) {
				t.Errorf("gives %v to %s and publishes %s\n%s", offers[h.Offer], h.To, d.Bundle.Short(), &w)
			}
		}
		if t.Failed() {
			return len(came)
		}
		nature, writes := w.nature(), looked.operator(d)
		for _, write := range writes {
			next := looked
			write.to(&next)
			visit(write.name, next)
		}
		for _, n := range nature {
			next := looked
			n.to(&next)
			visit(n.name, next)
			for _, write := range writes {
				if stale {
					later := next
					write.to(&later)
					visit(n.name+", then "+write.name, later)
				}
			}
		}
		if number%sampleOneIn == 0 {
			settle(t, w)
		}
	}
	return len(came)
}

// settle lets everybody do what he should, and expects the change to end.
func settle(t *testing.T, w worldOfTrust) {
	t.Helper()
	begin := w
	var d TrustDecision
	for range 60 {
		for i := range w.n {
			m := &w.members[i]
			m.silent, m.shown = false, m.leaf
			if !m.process {
				w.recreate(i)
			}
		}
		w.mature, w.clientSettled, w.before = w.public, true, of(w.client.ca)
		d = NextTrust(w.observe())
		writes := w.operator(d)
		if len(writes) == 0 {
			break
		}
		writes[0].to(&w)
	}
	for i := range w.n {
		m := w.members[i]
		if d.Phase != TrustSettled || m.given != of(w.want) || m.leaf.ca != w.want || m.leaf.gen != w.gen ||
			m.has != m.given || m.shown != m.leaf {
			t.Errorf("ends in %s: %s\n%s\nwhich began as\n%s", d.Phase, d.Message, &w, &begin)
			return
		}
	}
}

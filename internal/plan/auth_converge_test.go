package plan

import (
	"strings"
	"testing"
)

// mostAuthSteps is more than it takes from anywhere to rest.
const mostAuthSteps = 40

// TestAuthComesToRestFromEverywhereAndNeverLocksTheOperatorOut follows every step, also one that is cut off before it is
// recorded, every change of what is declared and every harm that others may do, from every world that there may be at first.
// Without the tag exhaustive, only some changes and harm come while the operator works.
func TestAuthComesToRestFromEverywhereAndNeverLocksTheOperatorOut(t *testing.T) {
	seen, rests := map[authWorld]bool{}, map[authWorld]bool{}
	queue := allAuthWorlds()
	for len(queue) > 0 {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if seen[w] {
			continue
		}
		seen[w] = true
		checkAuthWorld(t, w)
		d := NextAuth(w.auth())
		checkAuthDecision(t, w, d)
		checkAuthRests(t, w, d, rests)
		worlds := []authWorld{w.take(t, d.Step, false), w.take(t, d.Step, true)}
		if d.Outlook != Working || len(seen)%disturbOneIn == 0 {
			worlds = append(worlds, w.changes()...)
		}
		for _, next := range worlds {
			if !seen[next] {
				queue = append(queue, next)
			}
		}
	}
	t.Logf("%d worlds", len(seen))
}

// changes are what happens without the operator.
func (w authWorld) changes() (worlds []authWorld) {
	for want := range authWants {
		next := w
		next.want = want
		worlds = append(worlds, next)
	}
	next := w
	next.whole = !w.whole
	worlds = append(worlds, next)
	if w.u.there && w.recU != absent {
		next = w
		next.u.r = false
		worlds = append(worlds, next)
		next.u = account{}
		worlds = append(worlds, next)
	}
	if w.r && w.recR {
		next = w
		next.one, next.many = AccessWrite, AccessReadWrite
		worlds = append(worlds, next)
		next.r, next.one, next.many, next.u.r = false, "", "", false
		worlds = append(worlds, next)
	}
	return worlds
}

// checkAuthWorld checks that the operator can get in without the people's Secret, and that nobody else's things have changed.
func checkAuthWorld(t *testing.T, w authWorld) {
	t.Helper()
	if w.on && w.enabled && w.root.password != w.recRoot && w.root.password != w.next {
		t.Fatalf("the operator has no password for root on record: %+v", w)
	}
	if w.byUs && !w.enabled {
		t.Fatalf("that the operator has enabled it is not on record: %+v", w)
	}
	if w.on && !w.root.root {
		t.Fatalf("root is not root: %+v", w)
	}
	if w.foreignU && (!w.u.there || w.u.password != "X" || w.u.root) {
		t.Fatalf("somebody else's user has changed: %+v", w)
	}
	if w.foreignR && (!w.r || w.one != AccessWrite || w.many != "" || w.foreignU && !w.u.r) {
		t.Fatalf("somebody else's role has changed: %+v", w)
	}
}

func checkAuthDecision(t *testing.T, w authWorld, d AuthDecision) {
	t.Helper()
	_, rests := d.Step.(Nothing)
	switch {
	case d.Rule == "" || d.Reason == "" || d.Message == "":
		t.Fatalf("it does not say why: %+v", d)
	case rests == (d.Recheck == 0), rests != (d.Outlook != Working):
		if d.Recheck == 0 || d.Rule != "root" {
			t.Fatalf("a step or a rest, but not both: %+v", d)
		}
	case strings.ContainsAny(d.Message, "ABX"):
		t.Fatalf("it tells a password: %q", d.Message)
	case !rests && w.on && !w.auth().Seen.In:
		t.Fatalf("%#v by somebody who is not let in: %+v", d.Step, w)
	}
}

// checkAuthRests follows the steps until there are none, and checks what there is then.
func checkAuthRests(t *testing.T, w authWorld, d AuthDecision, rests map[authWorld]bool) {
	t.Helper()
	var path []authWorld
	for len(path) < mostAuthSteps && !rests[w] {
		path = append(path, w)
		if _, still := d.Step.(Nothing); still {
			checkAuthRest(t, w, d)
			rests[w] = true
			break
		}
		w = w.take(t, d.Step, false)
		d = NextAuth(w.auth())
	}
	if !rests[w] {
		t.Fatalf("no rest after %d steps, the last %#v: %+v", mostAuthSteps, d.Step, w)
	}
	for _, w := range path {
		rests[w] = true
	}
}

func checkAuthRest(t *testing.T, w authWorld, d AuthDecision) {
	t.Helper()
	want, in := authWants[w.want], w.auth().Seen.In
	switch {
	case !in:
		if d.Outlook != Stuck || w.enabled {
			t.Fatalf("not let in, and %+v: %+v", d, w)
		}
		return
	case want.Enabled && want.Root != "" && w.whole && !w.on, !want.Enabled && w.on && w.enabled:
		t.Fatalf("enabled is %t: %+v, %+v", w.on, d, w)
	case want.Enabled && want.Root != "" && w.on && (w.root.password != want.Root || !w.enabled || w.recRoot != want.Root || w.next != ""):
		t.Fatalf("root does not have the password of its Secret: %+v", w)
	case w.recR && w.foreignR, w.recU != absent && w.foreignU:
		t.Fatalf("somebody else's is on record as ours: %+v", w)
	}
	checkAuthUsers(t, w, want)
	conflict := len(want.Users) > 0 && w.foreignU || len(want.Roles) > 0 && w.foreignR
	missing := w.want == 4 || w.want == 6
	waiting := want.Enabled && !w.on
	if fulfilled := d.Outlook == Fulfilled; fulfilled != (!conflict && !missing && !waiting) {
		t.Fatalf("conflict %t, missing %t, waiting %t, and %+v: %+v", conflict, missing, waiting, d, w)
	}
}

// checkAuthUsers checks that what is ours is as declared.
func checkAuthUsers(t *testing.T, w authWorld, want AuthWant) {
	t.Helper()
	if !w.foreignR {
		one, many := Access(""), Access("")
		for _, r := range want.Roles {
			one = r.Permissions[0].Access
			if len(r.Permissions) > 1 {
				many = r.Permissions[1].Access
			}
		}
		if w.r != (len(want.Roles) > 0) || w.recR != w.r || w.one != one || w.many != many {
			t.Fatalf("role r is not as declared: %+v", w)
		}
	}
	if w.foreignU {
		return
	}
	switch {
	case len(want.Users) == 0:
		if w.u.there || w.recU != absent {
			t.Fatalf("user u is not declared, and there: %+v", w)
		}
	case want.Users[0].Password == "":
	case !w.u.there || w.u.password != want.Users[0].Password || w.recU != w.u.password || w.u.root:
		t.Fatalf("user u is not as declared: %+v", w)
	case w.foreignR && len(want.Roles) > 0 && len(want.Users[0].Roles) > 0: // granted or not before the role was declared
	case w.u.r != (len(want.Users[0].Roles) > 0 && w.r):
		t.Fatalf("user u does not have the roles that are declared: %+v", w)
	}
}

package plan

import (
	"strings"
	"testing"
)

func version(t *testing.T, s string) Version {
	t.Helper()
	v, ok := ParseVersion(s)
	if !ok {
		t.Fatalf("%q is no version", s)
	}
	return v
}

func TestOnlyWaysThatEtcdSupportsAreOpen(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		memory         bool
		kind           Kind
		refused        string // part of the refusal; empty if the way is open
	}{
		{"nothing changes", "3.6.16", "3.6.16", false, Same, ""},
		{"a newer patch", "3.5.21", "3.5.35", false, Same, ""},
		{"a patch that is newer than this table", "3.6.16", "3.6.99", false, Same, ""},
		{"an older patch", "3.6.16", "3.6.4", false, Same, ""},
		{"the next minor", "3.5.35", "3.6.16", false, Up, ""},
		{"the next minor, in memory", "3.5.35", "3.6.16", true, Up, ""},
		{"the next minor from the first patch that may", "3.5.32", "3.6.16", false, Up, ""},
		{"the next minor from a patch too old", "3.5.31", "3.6.16", false, Up, "set version to 3.5.35 first"},
		{"3.5.10 to 3.6", "3.5.10", "3.6.16", false, Up, "at least 3.5.32: set version to 3.5.35 first"},
		{"3.6 to 3.7", "3.6.11", "3.7.3", false, Up, ""},
		{"3.6 to 3.7 from a patch too old", "3.6.10", "3.7.3", false, Up, "set version to 3.6.16 first"},
		{"two minors up", "3.5.35", "3.7.3", false, Up, "set version to 3.6.16 first"},
		{"two minors up from a patch too old", "3.5.10", "3.7.3", false, Up, "set version to 3.5.35 first"},
		{"another major", "3.7.3", "4.0.0", false, Same, "3.5, 3.6 and 3.7 are"},
		{"a minor that is not known", "3.7.3", "3.8.0", false, Same, "etcd 3.8.0 is not supported: 3.5, 3.6 and 3.7 are"},
		{"a minor that is not known, and further", "3.6.16", "3.8.0", false, Same, "are; the next one after 3.6 is 3.7.3"},
		{"a minor that was left behind", "3.5.35", "3.4.37", false, Same, "etcd 3.4.37 is not supported"},
		{"from a minor that is not known", "3.4.37", "3.5.35", false, Same, "is not known"},
		{"one minor down", "3.6.16", "3.5.35", false, Down, ""},
		{"one minor down to the first patch that may", "3.7.3", "3.6.11", false, Down, ""},
		{"one minor down to a patch too old", "3.6.16", "3.5.31", false, Down, "set version to 3.5.35"},
		{"two minors down", "3.7.3", "3.5.35", false, Down, "set version to 3.6.16 first"},
		{"one minor down in memory", "3.7.3", "3.6.16", true, Down, "storage.medium"},
	} {
		t.Run(c.name, func(t *testing.T) {
			way := Path(version(t, c.from), version(t, c.to), c.memory)
			if way.Kind != c.kind || (way.Refusal == "") != (c.refused == "") || !strings.Contains(way.Refusal, c.refused) {
				t.Errorf("%s to %s: %+v, want %v and %q", c.from, c.to, way, c.kind, c.refused)
			}
		})
	}
}

// TestTheNextStepOfARefusalIsOpen follows what refusals say, until the version is reached.
func TestTheNextStepOfARefusalIsOpen(t *testing.T) {
	for _, from := range []string{"3.5.10", "3.5.35", "3.6.2", "3.6.16", "3.7.3"} {
		for _, r := range Minors {
			here, to := version(t, from), r.latest()
			for steps := 0; ; steps++ {
				way := Path(here, to, false)
				if way.Refusal == "" {
					break
				}
				_, next, _ := strings.Cut(way.Refusal, "set version to ")
				next, _, _ = strings.Cut(next, " ")
				v, ok := ParseVersion(next)
				if !ok || Path(here, v, false).Refusal != "" || steps > 4 {
					t.Fatalf("%s to %s: %q leads nowhere", here, to, way.Refusal)
				}
				here = v
			}
		}
	}
}

func TestVersionsAreReadStrictly(t *testing.T) {
	for s, want := range map[string]Version{"3.6.16": {3, 6, 16}, "3.5": {3, 5, 0}, "3.5.0": {3, 5, 0}} {
		if got, ok := ParseVersion(s); !ok || got != want {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "3", "v3.6.1", "3.6.1.2", "3.-6.1", "3.6.x", "not_decided"} {
		if got, ok := ParseVersion(s); ok {
			t.Errorf("%q was read as %v", s, got)
		}
	}
	if !version(t, "3.6.9").Less(version(t, "3.6.10")) || version(t, "3.7.0").Less(version(t, "3.6.16")) {
		t.Error("versions are ordered as texts")
	}
}

func TestOldPatchesAreAdvisedAgainst(t *testing.T) {
	for s, old := range map[string]bool{
		"3.5.32": true, "3.5.33": false, "3.6.13": true, "3.6.14": false, "3.7.1": true, "3.7.2": false, "3.9.0": false,
	} {
		if got := Advice(version(t, s)); (got != "") != old {
			t.Errorf("%s: %q", s, got)
		}
	}
}

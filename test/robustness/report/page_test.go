package report

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the page anew")

const (
	results = "../results"
	where   = "../../../docs/reference/robustness.md"
)

func TestThePageIsMadeFromTheResults(t *testing.T) {
	sittings, err := Load(results)
	if err != nil {
		t.Fatal(err)
	}
	catches, err := LoadCatches(results + "/bugs.json")
	if err != nil {
		t.Fatal(err)
	}
	want := Page(sittings, catches)
	if *rewrite {
		if err := os.WriteFile(where, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(where)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/reference/robustness.md is not what the results say: make robustness-report")
	}
}

func TestResultsComeBackAsTheyWereSaved(t *testing.T) {
	dir := t.TempDir()
	in := Sitting{Began: "now", Seconds: 3600, Seed: 5, Count: 2, Kinds: map[string]string{"kill": "kill -9"}, Results: []Result{
		{Seed: 5, Fault: "kill", RecoveryMS: 1000, Crash: "before etcd Remove", Acked: 7},
		{Seed: 6, Fault: "kill", RecoveryMS: 3000, Error: "LOST WRITE: one | two\nmore"},
	}}
	if err := Save(dir, "a", in); err != nil {
		t.Fatal(err)
	}
	out, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	page := Page(out, []Catch{{Bug: "b", Said: "no"}})
	for _, line := range []string{
		"| processes | 2 faults of 1 kinds in 1h0m0s, 2 an hour |", "| failed | 1 |", "| acknowledged writes that are lost | 1 of 7 |",
		"| kill | kill -9 | 2 | 1.0 | 1.0 | 1.0 | 0.0 | 0.0 |",
		"| etcd Remove | 1 | 0 |", "| 6 | kill |  | LOST WRITE: one / two |", "| b |",
	} {
		if !strings.Contains(page, line) {
			t.Errorf("the page lacks %q:\n%s", line, page)
		}
	}
}

func TestPercentilesAreRanks(t *testing.T) {
	for percent, want := range map[int]string{50: "2.0", 95: "4.0", 100: "4.0", 1: "1.0"} {
		if got := at([]int64{4000, 1000, 3000, 2000}, percent); got != want {
			t.Errorf("want %s at %d %%, got %s", want, percent, got)
		}
	}
}

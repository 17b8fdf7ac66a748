//go:build bugs

// Package bugs proves the proof: it puts bugs into the operator, one at a time, and demands that the tests catch each. Nothing of
// this is in the code that ships: a bug is a replacement of source text that only the compiler of this test sees.
package bugs

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/test/robustness/report"
)

var flagResults = flag.String("results", "", "file to keep the catches in; empty keeps none")

const repository = "../../.."

// bug is a mistake that somebody could make.
type bug struct {
	name   string
	breaks string // what it breaks, for the report
	edits  []edit
	suite  []string // arguments of the "go test" that must fail
	by     string   // the check that must catch it, for the report
	saying string   // what that test must say

	deployed bool // the testbed runs the operator that has it
}

// edit replaces a text that occurs exactly once.
type edit struct{ file, from, to string }

func TestEverySeededBugIsCaught(t *testing.T) {
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			overlay := b.plant(t)
			if b.deployed {
				deploy(t, "GOFLAGS=-overlay="+overlay)
				defer deploy(t)
			}
			began := time.Now()
			out, err := b.run(overlay)
			if err == nil {
				t.Fatalf("%s\nis not caught by %s:\n%s", b.breaks, strings.Join(b.suite, " "), tail(out))
			}
			said := regexp.MustCompile(b.saying).FindString(out)
			if said == "" {
				t.Fatalf("%s: the tests fail, but not with %q:\n%s", b.breaks, b.saying, tail(out))
			}
			t.Logf("caught by %s: %s", b.by, said)
			keep(t, report.Catch{
				Bug: b.name, Breaks: b.breaks, By: b.by, Said: said, Command: "go test " + strings.Join(b.suite, " "),
				Seconds: int(time.Since(began).Seconds()),
			})
		})
	}
}

// deploy installs the operator of this tree into the testbed, which must be up.
func deploy(t *testing.T, env ...string) {
	t.Helper()
	cmd := exec.Command("make", "deploy")
	cmd.Dir, cmd.Env = repository, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("deploy: %v:\n%s", err, tail(string(out)))
	}
}

// keep adds a catch to those that are kept, in the place of an earlier one of the same bug.
func keep(t *testing.T, c report.Catch) {
	t.Helper()
	if *flagResults == "" {
		return
	}
	catches, err := report.LoadCatches(*flagResults)
	if err != nil {
		t.Fatal(err)
	}
	catches = slices.DeleteFunc(catches, func(old report.Catch) bool {
		return old.Bug == c.Bug || !slices.ContainsFunc(bugs, func(b bug) bool { return b.name == old.Bug })
	})
	catches = append(catches, c)
	place := func(c report.Catch) int { return slices.IndexFunc(bugs, func(b bug) bool { return b.name == c.Bug }) }
	slices.SortFunc(catches, func(a, b report.Catch) int { return place(a) - place(b) })
	text, err := json.MarshalIndent(catches, "", "  ")
	if err == nil {
		err = os.WriteFile(*flagResults, append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTheSuitesPassWithoutABug: a catch is worth something only if the same run passes otherwise. CI runs all but these seeds.
func TestTheSuitesPassWithoutABug(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range bugs {
		suite := strings.Join(b.suite, " ")
		if seen[suite] || b.deployed || !strings.Contains(suite, "-tags") {
			continue
		}
		seen[suite] = true
		if out, err := b.run(""); err != nil {
			t.Errorf("go test %s fails without a bug:\n%s", suite, tail(out))
		}
	}
}

// plant writes the changed sources aside and says where the overlay is that puts them in place.
func (b bug) plant(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	changed := map[string]string{}
	for _, e := range b.edits {
		path, err := filepath.Abs(filepath.Join(repository, e.file))
		if err != nil {
			t.Fatal(err)
		}
		text := changed[path]
		if text == "" {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text = string(source)
		}
		if n := strings.Count(text, e.from); n != 1 {
			t.Fatalf("%s: the text to be replaced occurs %d times, not once: write the bug anew\n%s", e.file, n, e.from)
		}
		changed[path] = strings.Replace(text, e.from, e.to, 1)
	}
	replace := map[string]string{}
	for path, text := range changed {
		copied := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[path] = copied
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return overlay
}

func (b bug) run(overlay string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	args := []string{"test", "-count=1"}
	if overlay != "" {
		args = append(args, "-overlay="+overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, b.suite...)...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "ROBUSTNESS_OVERLAY="+overlay)
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "[build failed]") {
		return string(out), nil // a bug that does not compile proves nothing
	}
	return string(out), err
}

func tail(out string) string {
	const most = 4000
	return out[max(0, len(out)-most):]
}

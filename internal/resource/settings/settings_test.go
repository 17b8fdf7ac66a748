package settings_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/resource/settings"
)

var update = flag.Bool("update", false, "write the page anew")

func TestEveryFieldOfTheSpecHasARow(t *testing.T) {
	used := map[string]bool{}
	for _, path := range settings.Fields() {
		s, ok := settings.Of(path)
		if !ok {
			t.Errorf("nobody knows what a change of %s does: add a row to the table", path)
		}
		used[s.Path] = true
	}
	for _, s := range settings.All {
		if !used[s.Path] {
			t.Errorf("there is no field %s", s.Path)
		}
	}
}

func TestThePageIsUpToDate(t *testing.T) {
	const path = "../../../docs/reference/changing-settings.md"
	if *update {
		if err := os.WriteFile(path, []byte(page()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page() {
		t.Errorf("%s differs from the code: go test ./internal/resource/settings -update", path)
	}
}

var effects = []struct {
	effect settings.Effect
	title  string
}{
	{settings.Live, "Takes effect at once; nothing is restarted."},
	{settings.Resize, "Members join or leave, one at a time; nothing is restarted."},
	{settings.Restart, "Each member is restarted with it, one after the other, the leader last; it keeps its identity and its volume. " +
		"A member in memory is replaced instead."},
	{settings.Grow, "Volumes grow in place, where they can; else members are replaced."},
	{settings.Replace, "Each member is replaced, one after the other: a new one joins with all data before an old one leaves. " +
		"The cluster, its ID and its addresses stay."},
	{settings.Never, "Refused."},
}

func page() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/resource/settings: go test ./internal/resource/settings -update -->

# Changing settings

What a change of each field of ` + "`spec`" + ` does to a running EtcdCluster. All can be changed at any time but those at the end, and
several at once are one roll. How a roll goes, and what becomes of one that fails: [upgrading](../operations/upgrading.md).
`)
	for _, e := range effects {
		fmt.Fprintf(&b, "\n## %s%s\n\n%s\n\n| Field | |\n|---|---|\n", strings.ToUpper(string(e.effect[:1])), e.effect[1:], e.title)
		for _, s := range settings.All {
			if s.Effect == e.effect {
				fmt.Fprintf(&b, "| %s | %s |\n", names(s.Path), s.Note)
			}
		}
	}
	return b.String()
}

// names is a row's field, with those below it by their own names.
func names(row string) string {
	var below []string
	for _, path := range settings.Fields() {
		if s, _ := settings.Of(path); s.Path == row && path != row {
			name := strings.TrimPrefix(strings.TrimPrefix(path, row), ".")
			if first, _, deep := strings.Cut(name, "."); deep {
				name = first
			}
			if name = "`" + strings.TrimSuffix(name, "[]") + "`"; !slices.Contains(below, name) {
				below = append(below, name)
			}
		}
	}
	if len(below) == 0 {
		return "`" + row + "`"
	}
	return "`" + row + "`: " + strings.Join(below, ", ")
}

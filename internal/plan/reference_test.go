package plan

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const reference = "../../docs/reference"

// TestReferencePagesAreUpToDate writes the pages anew with -rewrite, the flag that also records the scenarios.
func TestReferencePagesAreUpToDate(t *testing.T) {
	for name, page := range map[string]string{"rules.md": rulesPage(), "invariants.md": invariantsPage(), "evidence.md": evidencePage()} {
		path := filepath.Join(reference, name)
		if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
			if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != page {
			t.Errorf("%s differs from the code: go test ./internal/plan -run Reference -rewrite", name)
		}
	}
}

const steadyDoc = "No rule asks for a step: the cluster is as wanted."

const generated = "<!-- Generated from internal/plan: go test ./internal/plan -run Reference -rewrite -->\n\n"

func rulesPage() string {
	var b strings.Builder
	b.WriteString(generated)
	b.WriteString(`# Rules

What the operator does next is decided by the first of these rules that has an answer; at most one step is taken, then
everything is looked at again. ` + "`kubectl etcd explain CLUSTER`" + ` names the rule that decides now.

| | Rule | What it says |
|---|---|---|
`)
	for i, r := range rules {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", i+1, r.name, r.doc)
	}
	fmt.Fprintf(&b, "| %d | `steady` | %s |\n", len(rules)+1, steadyDoc)
	return b.String()
}

var invariantLists = map[string][]Invariant{
	"To add a member as a learner":    AdditionInvariants,
	"To promote a learner to a voter": PromotionInvariants,
	"To remove a member":              RemovalInvariants,
	"To restart a member":             RestartInvariants,
}

func invariantsPage() string {
	var b strings.Builder
	b.WriteString(generated)
	b.WriteString(`# Invariants

No membership change is asked of etcd unless all of its invariants hold. A refusal names the first one that does not,
with the numbers. What is unknown counts as unhealthy.
`)
	for _, title := range slices.Sorted(maps.Keys(invariantLists)) {
		fmt.Fprintf(&b, "\n## %s\n\n| Invariant | What it says |\n|---|---|\n", title)
		for _, inv := range invariantLists[title] {
			fmt.Fprintf(&b, "| `%s` | %s |\n", inv.Name, inv.Doc)
		}
	}
	return b.String()
}

func evidencePage() string {
	var b strings.Builder
	b.WriteString(generated)
	b.WriteString(`# Evidence

What can be wrong with a member, by the reason in ` + "`status.failure.reason`" + ` of its EtcdMember, and what follows. A member is
replaced only if the others can do without it: see the invariants of a removal. At most
` + "`spec.memberReplacement.maxPerHour`" + ` replacements begin within an hour, and those marked "paced" a minute apart.

| Reason | What was seen | Replaced |
|---|---|---|
`)
	for _, class := range EvidenceClasses {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", class.Reason, class.Doc, remedyText(class))
	}
	return b.String()
}

// remedyText says when a class leads to a replacement.
func remedyText(class Evidence) string {
	if class.Remedy != Replace {
		return "never"
	}
	var when []string
	if class.Times > 0 {
		when = append(when, fmt.Sprintf("after %d ends in a row", class.Times))
	}
	if class.Grace > 0 {
		when = append(when, fmt.Sprintf("after %s", class.Grace))
	}
	if class.ByNode {
		when = append(when, "after `nodeLossGracePeriodSeconds`")
	}
	if class.Compared {
		when = append(when, "once the others were found to agree")
	}
	if len(when) == 0 {
		when = append(when, "at once")
	}
	if class.Soft {
		when = append(when, "paced")
	}
	return strings.Join(when, ", ")
}

func TestRulesAndInvariantsAreDescribedOnce(t *testing.T) {
	describe := func(list string, docs map[string]string, name, doc string) {
		if _, known := docs[name]; known || !strings.HasSuffix(doc, ".") {
			t.Errorf("%s: %q is listed twice, or %q is no sentence", list, name, doc)
		}
		docs[name] = doc
	}
	docs := map[string]string{}
	for _, r := range rules {
		describe("rules", docs, r.name, r.doc)
	}
	classes := map[string]string{}
	for _, class := range EvidenceClasses {
		describe("evidence", classes, class.Reason, class.Doc)
	}
	for name, list := range invariantLists {
		docs := map[string]string{}
		for _, inv := range list {
			describe(name, docs, inv.Name, inv.Doc)
		}
	}
}

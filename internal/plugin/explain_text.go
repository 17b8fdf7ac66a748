package plugin

import (
	"fmt"
	"strings"
)

// explanationText is an Explanation for people.
func explanationText(e Explanation, p page) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s)\n", p.paint(e.Name, bold), e.Namespace)
	if e.Decision != nil {
		decisionText(&out, *e.Decision, p)
	}
	out.WriteString(rolloutText(e.Rollout, e.Operator, p))
	published(&out, e, p)
	for _, note := range e.Notes {
		out.WriteString(p.field("Note", note, dim))
	}
	verdictText(&out, e.Verdicts, p)
	return out.String()
}

func decisionText(out *strings.Builder, d Decision, p page) {
	step := d.Step
	if step == "" {
		step = "none"
	}
	out.WriteString(p.field("Decision", d.sentence(), outlookPaint(d.Outlook)))
	out.WriteString(p.field("Rule", d.Rule+": "+d.RuleDoc, plain))
	if d.Refusal != "" {
		out.WriteString(p.field("Refused", d.Refusal, red))
	}
	out.WriteString(p.field("Step", step, plain))
	out.WriteString(p.field("Next", next(d), plain))
}

func next(d Decision) string {
	switch {
	case d.Step != "" && d.RecheckSeconds == 0:
		return "looks again at once after the step"
	case d.Step != "":
		return fmt.Sprintf("looks again %gs after the step", d.RecheckSeconds)
	case d.Outlook == "stuck":
		return fmt.Sprintf("only a human can go on; looks again in %gs, or when something changes", d.RecheckSeconds)
	}
	return fmt.Sprintf("looks again in %gs, or when something changes", d.RecheckSeconds)
}

func published(out *strings.Builder, e Explanation, p page) {
	ago := ""
	if e.OperatorAgeSeconds != nil {
		ago = fmt.Sprintf(" %s ago", duration(*e.OperatorAgeSeconds))
	}
	head := "Operator"
	say := func(text string, with paint) {
		if text != "" {
			out.WriteString(p.field(head, text, with))
			head = ""
		}
	}
	switch {
	case e.Agrees:
		say("said the same"+ago, green)
	case e.Operator.Reason != "":
		say(fmt.Sprintf("said%s: %s", ago, e.Operator.sentence()), yellow)
	}
	say(e.Operator.Behind, red)
	say(e.Difference, plain)
}

var asked = map[string]string{"add": "added", "promote": "promoted", "remove": "removed"}

// verdictText lists what may be done to each member now, and by name what forbids the rest.
func verdictText(out *strings.Builder, verdicts []Verdict, p page) {
	if len(verdicts) == 0 {
		return
	}
	t := &table{fold: true, columns: []column{{head: "MEMBER"}, {head: "MAY BE"}, {head: "ANSWER"}, {head: "BECAUSE"}}}
	for _, v := range verdicts {
		member, answer, because, with := v.Member, "no", v.Invariant+": "+v.Why, red
		if member == "" {
			member = "(one more)"
		}
		if v.Allowed {
			answer, because, with = "yes", "nothing forbids it", green
		}
		t.add(cell{text: member}, cell{text: asked[v.Change]}, cell{answer, with}, cell{text: because})
	}
	out.WriteString("\n" + t.render(p))
}

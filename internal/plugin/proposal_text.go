package plugin

import (
	"fmt"
	"slices"
	"strings"
)

// proposalText is a Proposal for people.
func proposalText(r Proposal, p page) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (%s)   %s\n", p.paint(r.Name, bold), r.Namespace, p.paint(r.title(), bold))
	if len(r.Checks) > 0 {
		out.WriteString("\n" + checkTable(r.Checks, p) + "\n")
	}
	if r.Refused != "" {
		out.WriteString(p.field("Refused", r.Refused, red))
	}
	if r.Refused == "" {
		courseText(&out, r, p)
	}
	for _, note := range r.Notes {
		out.WriteString(p.field("Note", note, dim))
	}
	return out.String()
}

// courseText says how it would go.
func courseText(out *strings.Builder, r Proposal, p page) {
	if d := r.First; d != nil {
		defer func() { out.WriteString(p.field("First", d.sentence(), outlookPaint(d.Outlook))) }()
	}
	if len(r.Order) == 0 {
		out.WriteString(p.field("Order", "no member is touched: all of them have that already", plain))
		return
	}
	out.WriteString(p.field("Order", r.order(), plain))
	if r.Down {
		out.WriteString(p.field("Down", "a downgrade: until it is over etcd lets nobody join, and no member is replaced", yellow))
	}
	if r.Outage != "" {
		out.WriteString(p.field("Outage", r.Outage, yellow))
	} else {
		out.WriteString(p.field("Serves", "one member at a time; the cluster serves all along", plain))
	}
	out.WriteString(p.field("Estimate", fmt.Sprintf("about %s, and the time to pull an image that a node does not have",
		duration(r.EstimateSeconds)), plain))
}

// title says what is proposed.
func (r Proposal) title() string {
	switch {
	case r.FromVersion != r.ToVersion:
		return r.FromVersion + " -> " + r.ToVersion
	case slices.Contains(r.Changes, "restartedAt"):
		return "restart, version " + r.ToVersion
	}
	return "version " + r.ToVersion + ", as now"
}

// order names the members in their order.
func (r Proposal) order() string {
	parts := make([]string, len(r.Order))
	for i, stop := range r.Order {
		parts[i] = stop.Member
		if stop.Replaced {
			parts[i] += " (replaced)"
		}
		if stop.Leads && len(r.Order) > 1 {
			parts[i] = "then " + parts[i] + ", which leads and hands over before"
		}
	}
	return strings.Join(parts, ", ")
}

func checkTable(checks []Check, p page) string {
	t := &table{fold: true, columns: []column{{head: "CHECK"}, {head: "RESULT"}, {head: "WHAT WAS FOUND"}}}
	for _, c := range checks {
		result := cell{"ok", green}
		switch {
		case c.Later:
			result = cell{"later", yellow}
		case !c.OK:
			result = cell{"no", red}
		}
		t.add(cell{text: c.Name}, result, cell{text: orDash(c.Message)})
	}
	return t.render(p)
}

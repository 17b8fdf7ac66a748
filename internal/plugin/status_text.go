package plugin

import (
	"fmt"
	"slices"
	"strings"
)

// statusText is one cluster on one screen.
func statusText(s ClusterStatus, p page) string {
	var out strings.Builder
	out.WriteString(headline(s, p) + "\n")
	out.WriteString(p.field("Version", versions(s), plain))
	out.WriteString(p.field("Endpoint", s.Endpoint, plain))
	out.WriteString(p.field("Database", database(s), plain))
	if last := s.LastSnapshot; last != nil {
		out.WriteString(p.field("Snapshot", last.sentence(), plain))
	}
	alarms, with := "none", plain
	if len(s.Alarms) > 0 {
		alarms, with = strings.Join(s.Alarms, ", "), red
	}
	out.WriteString(p.field("Alarms", alarms, with))
	out.WriteString(rolloutText(s.Rollout, s.Operator, p))
	operatorText(&out, s.Operator, s.FromHere, p)
	for _, note := range s.Notes {
		out.WriteString(p.field("Note", note, dim))
	}
	if len(s.Members) > 0 {
		out.WriteString("\n" + memberTable(s, p))
	}
	out.WriteString(troubles(s, p))
	return out.String()
}

func (l LastSnapshot) sentence() string {
	text := fmt.Sprintf("%s, %s ago, %s at revision %s", l.Name, duration(l.AgeSeconds), binarySize(l.SizeBytes), grouped(l.Revision))
	if l.Verified {
		text += ", tried out"
	}
	return text
}

// headline says the most important things first, and breaks between them where the page is too narrow.
func headline(s ClusterStatus, p page) string {
	parts := []cell{{strings.ToUpper(string(s.Health)), paintOf(s.Health)}, {text: membersReady(s)}}
	switch q := s.Quorum; {
	case q.Voters == 0 || s.Health == Paused:
	case q.Healthy < q.MustAgree:
		parts = append(parts, cell{fmt.Sprintf("quorum %d of %d, only %d healthy", q.MustAgree, q.Voters, q.Healthy), red})
	default:
		parts = append(parts, cell{text: fmt.Sprintf("quorum %d of %d, %d may fail", q.MustAgree, q.Voters, q.MayFail)})
	}
	if s.Source == FromStatus {
		parts = append(parts, cell{statusAge(s.StatusAgeSeconds), yellow})
	}
	out := fmt.Sprintf("%s (%s)", p.paint(s.Name, bold), s.Namespace)
	used := length(s.Name) + length(s.Namespace) + len(" ()")
	for _, part := range parts {
		between := "   "
		if used += len(between) + length(part.text); p.width > 0 && used > p.width {
			between, used = "\n"+strings.Repeat(" ", margin), margin+length(part.text)
		}
		out += between + p.paint(part.text, part.paint)
	}
	return out
}

func membersReady(s ClusterStatus) string {
	if s.MembersWanted == 0 {
		return plural(len(s.Members), "member")
	}
	if s.MembersReady > s.MembersWanted {
		return fmt.Sprintf("%s ready, %d wanted", plural(s.MembersReady, "member"), s.MembersWanted)
	}
	return fmt.Sprintf("%d/%d members ready", s.MembersReady, s.MembersWanted)
}

func paintOf(h Health) paint {
	switch h {
	case Healthy:
		return green
	case Degraded, Stalled, Forming, Starting:
		return yellow
	case Unavailable, Unknown:
		return red
	default:
		return bold
	}
}

func versions(s ClusterStatus) string {
	text := s.Version
	if s.StorageVersion != "" {
		text += fmt.Sprintf(" (storage %s)", s.StorageVersion)
	}
	if s.ClusterID != "" {
		text += "   cluster ID " + s.ClusterID
	}
	return text
}

func database(s ClusterStatus) string {
	d := s.Database
	if d == nil {
		return "-"
	}
	text := fmt.Sprintf("%s of %s (%s), %s in use",
		binarySize(d.SizeBytes), binarySize(d.QuotaBytes), percent(d.SizeBytes, d.QuotaBytes), binarySize(d.InUseBytes))
	if s.Revision > 0 {
		text += "   revision " + grouped(s.Revision)
	}
	return text
}

func operatorText(out *strings.Builder, o Operator, here *Answer, p page) {
	if o.Reason != "" {
		out.WriteString(p.field("Operator", o.sentence(), outlookPaint(o.Outlook)))
	}
	if o.Behind != "" {
		out.WriteString(p.field("Operator", o.Behind, red))
	}
	if here != nil {
		out.WriteString(p.field("From here", here.sentence(), outlookPaint(here.Outlook)))
	}
}

// sentence is reason and message, without saying a word twice.
func (a Answer) sentence() string {
	if strings.HasPrefix(strings.ToLower(a.Message), strings.ToLower(a.Reason)+":") {
		return a.Message
	}
	return a.Reason + ": " + a.Message
}

func outlookPaint(outlook string) paint {
	switch outlook {
	case "stuck":
		return red
	case "working", "waiting":
		return yellow
	}
	return plain
}

func memberTable(s ClusterStatus, p page) string {
	t := &table{columns: []column{
		{head: "MEMBER"}, {head: "ID", spare: 7}, {head: "ROLE"}, {head: "VERSION", spare: 5}, {head: "RAFT INDEX", right: true, spare: 4},
		{head: "LAG", right: true}, {head: "TERM", right: true, spare: 8}, {head: "DB", right: true, spare: 1},
		{head: "IN USE", right: true, spare: 6}, {head: "NODE", spare: 3}, {head: "RESTARTS", right: true, spare: 2}, {head: "STATUS"},
	}}
	if r := s.Rollout; r != nil && r.FromVersion != r.ToVersion {
		t.columns[3].spare = 0 // now it is what people look for
	}
	turns := slices.ContainsFunc(s.Members, func(m Member) bool { return m.Turn != "" })
	if turns {
		t.columns = append(t.columns, column{head: "UPDATE"})
	}
	if p.wide {
		t.columns = append(t.columns, column{head: "STORAGE"}, column{head: "ENDPOINT"})
	}
	for _, m := range s.Members {
		row := memberRow(m, s.Source == Live, p.wide)
		if turns {
			row = append(row, cell{orDash(string(m.Turn)), paintOfTurn(m.Turn)})
		}
		if p.wide {
			row = append(row, cell{text: orDash(m.StorageVersion)}, cell{text: orDash(m.Endpoint)})
		}
		t.add(row...)
	}
	return t.render(p)
}

// memberRow dims the figures of a member that did not answer among those that did.
func memberRow(m Member, live, wide bool) []cell {
	figures := plain
	if live && m.Source != Live {
		figures = dim
	}
	size, inUse, index, term, lag, restarts := "-", "-", "-", "-", "-", "-"
	if d := m.Database; d != nil {
		size, inUse = binarySize(d.SizeBytes), binarySize(d.InUseBytes)
	}
	if m.Source == Live {
		index, term = grouped(m.RaftIndex), grouped(m.Term)
	}
	if m.Lag != nil {
		lag = grouped(*m.Lag)
	}
	with := plain
	if m.Restarts != nil {
		restarts = grouped(int64(*m.Restarts))
		if *m.Restarts > 0 {
			with = yellow
		}
	}
	id, node := m.ID, m.Node
	if !wide {
		id, node = cut8(m.ID), cut(m.Node, 20)
	}
	return []cell{
		{text: m.Name}, {orDash(id), figures}, {text: orDash(m.Role)}, {orDash(m.Version), figures}, {index, figures}, {lag, figures},
		{term, figures}, {size, figures}, {inUse, figures}, {text: orDash(node)}, {restarts, with}, {m.State, statePaint(m.State)},
	}
}

// cut8 is enough of an ID to tell members apart.
func cut8(id string) string { return id[:min(len(id), 8)] }

func statePaint(state string) paint {
	switch state {
	case "ok":
		return green
	case "parked":
		return plain
	case "starting", "joining", "catching up", "caught up", "leaving", "parking", "not ready", "new", "no Pod", "removed":
		return yellow
	}
	return red
}

// troubles says below the table what is wrong with members, unless it stands above it already.
func troubles(s ClusterStatus, p page) string {
	above := s.Operator.Message
	if s.FromHere != nil {
		above += s.FromHere.Message
	}
	out := ""
	for _, m := range s.Members {
		if m.Trouble != "" && m.Trouble != "does not answer" && !strings.Contains(above, m.Trouble) {
			out += strings.Join(wrap(m.Name+": "+m.Trouble, p.width), "\n") + "\n"
		}
	}
	if out != "" {
		out = "\n" + out
	}
	return out
}

// listText is a line for each cluster.
func listText(l ClusterStatusList, p page, namespaces bool) string {
	t := &table{columns: []column{
		{head: "NAME"}, {head: "HEALTH"}, {head: "MEMBERS"}, {head: "VERSION", spare: 3}, {head: "LEADER", spare: 4},
		{head: "DB", right: true, spare: 2}, {head: "QUOTA", right: true, spare: 1}, {head: "CHANGED", right: true, spare: 5}, {head: "MESSAGE"},
	}}
	if namespaces {
		t.columns = append([]column{{head: "NAMESPACE"}}, t.columns...)
	}
	for _, s := range l.Items {
		size, quota, quotaPaint := "-", "-", plain
		if d := s.Database; d != nil {
			size, quota = binarySize(d.SizeBytes), percent(d.SizeBytes, d.QuotaBytes)
			if d.SizeBytes*100 >= d.QuotaBytes*80 {
				quotaPaint = red
			}
		}
		written := "-"
		if s.StatusAgeSeconds != nil {
			written = duration(*s.StatusAgeSeconds)
		}
		row := []cell{
			{text: s.Name}, {string(s.Health), paintOf(s.Health)}, {text: fmt.Sprintf("%d/%d", s.MembersReady, s.MembersWanted)},
			{text: s.listed()}, {text: orDash(s.Leader)}, {text: size}, {quota, quotaPaint}, {text: written}, {text: message(s)},
		}
		if namespaces {
			row = append([]cell{{text: s.Namespace}}, row...)
		}
		t.add(row...)
	}
	return t.render(p)
}

// listed is the version, and the one that the members are brought to.
func (s ClusterStatus) listed() string {
	if r := s.Rollout; r != nil && r.ToVersion != s.Version {
		return s.Version + " -> " + r.ToVersion
	}
	return s.Version
}

// message is empty when there is nothing to say about a cluster.
func message(s ClusterStatus) string {
	switch {
	case len(s.Alarms) > 0:
		return "alarm " + strings.Join(s.Alarms, ", ")
	case s.Operator.Behind != "":
		return s.Operator.Behind
	case s.Health == Healthy && s.Operator.Outlook == "fulfilled":
		return ""
	}
	return s.Operator.Message
}

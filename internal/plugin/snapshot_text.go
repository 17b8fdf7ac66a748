package plugin

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiduration "k8s.io/apimachinery/pkg/util/duration"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// snapshotListText is a table of snapshots, and one of the schedules that they come from.
func snapshotListText(list SnapshotList, p page, now time.Time, all bool) string {
	t := &table{columns: []column{
		{head: "NAMESPACE"}, {head: "NAME"}, {head: "CLUSTER", spare: 1}, {head: "SCHEDULE", spare: 4}, {head: "PHASE"},
		{head: "AGE", right: true}, {head: "SIZE", right: true}, {head: "REVISION", right: true, spare: 3}, {head: "DRILL", spare: 2},
		{head: "STORED AT"},
	}}
	for _, s := range list.Items {
		phase, painted := phaseOf(s)
		size, revision := "-", "-"
		if s.Artifact != nil {
			size, revision = binarySize(s.Artifact.SizeBytes), grouped(s.Artifact.Revision)
		}
		drill, drillPaint := drillOf(s, now)
		stored := s.URI
		if s.Phase == string(v1alpha2.SnapshotFailed) {
			stored = s.sentence()
		}
		t.add(cell{text: s.Namespace}, cell{text: s.Name}, cell{text: s.Cluster}, cell{text: orDash(s.Schedule)}, cell{phase, painted},
			cell{text: since(s.CreatedAt.Time, now)}, cell{text: size}, cell{text: revision}, cell{drill, drillPaint}, cell{text: stored})
	}
	if !all {
		t.without(0)
	}
	text := ""
	if len(list.Items) > 0 {
		text = t.render(p)
	}
	if len(list.Schedules) > 0 {
		if text != "" {
			text += "\n"
		}
		text += schedulesText(list.Schedules, p, now, all)
	}
	return text
}

func schedulesText(schedules []Schedule, p page, now time.Time, all bool) string {
	t := &table{fold: true, columns: []column{
		{head: "NAMESPACE"}, {head: "SCHEDULE"}, {head: "CLUSTER", spare: 1}, {head: "WHEN"}, {head: "NEXT", right: true},
		{head: "LAST SUCCESS", right: true}, {head: "LAST VERIFIED", right: true, spare: 2}, {head: "KEEPS", spare: 3}, {head: "STATUS"},
	}}
	for _, s := range schedules {
		status, painted := "ok", green
		switch {
		case s.Reason == "":
			status, painted = "not looked at yet", yellow
		case !s.Ready && s.ConsecutiveFailures > 0:
			status, painted = fmt.Sprintf("%d failed in a row", s.ConsecutiveFailures), red
		case !s.Ready:
			status, painted = s.Reason+": "+s.Message, red
		case s.Suspended:
			status, painted = "suspended", yellow
		case s.Reason != "SnapshotComplete":
			status, painted = s.Message, plain
		}
		next := "-"
		if s.NextAt != nil {
			next = "in " + since(now, s.NextAt.Time)
		}
		t.add(cell{text: s.Namespace}, cell{text: s.Name}, cell{text: s.Cluster}, cell{text: strings.TrimSpace(s.Schedule + " " + s.TimeZone)},
			cell{text: next}, cell{text: ago(s.LastSuccessAt, now)}, cell{text: ago(s.LastVerifiedAt, now)}, cell{text: s.Keeps},
			cell{status, painted})
	}
	if !all {
		t.without(0)
	}
	return t.render(p)
}

// without takes a column out.
func (t *table) without(at int) {
	t.columns = append(t.columns[:at:at], t.columns[at+1:]...)
	for i, row := range t.rows {
		t.rows[i] = append(row[:at:at], row[at+1:]...)
	}
}

func keeps(r *v1alpha2.SnapshotRetention) string {
	if r == nil {
		return "all"
	}
	var rules []string
	if r.KeepLast != nil {
		rules = append(rules, fmt.Sprintf("last %d", *r.KeepLast))
	}
	if r.KeepFor != nil {
		rules = append(rules, apiduration.ShortHumanDuration(r.KeepFor.Duration))
	}
	return strings.Join(rules, ", ")
}

// phaseOf is the phase, with how far it is.
func phaseOf(s Snapshot) (string, paint) {
	switch v1alpha2.SnapshotPhase(s.Phase) {
	case v1alpha2.SnapshotComplete:
		return s.Phase, green
	case v1alpha2.SnapshotFailed:
		return s.Phase, red
	default:
	}
	if s.Progress != nil && s.Progress.TotalBytes > 0 {
		return fmt.Sprintf("%s %s", s.Progress.Step, percent(s.Progress.Bytes, s.Progress.TotalBytes)), yellow
	}
	return s.Phase, yellow
}

// drillOf is what the last restore drill came to.
func drillOf(s Snapshot, now time.Time) (string, paint) {
	switch v := s.Verification; {
	case s.DrillPending:
		return "running", yellow
	case v == nil || v.Outcome == "":
		return "-", plain
	case v.Outcome == v1alpha2.VerificationVerified:
		return "ok " + ago(v.CompletedAt, now), green
	case v.Outcome == v1alpha2.VerificationFailed:
		return "FAILED " + ago(v.CompletedAt, now), red
	default:
		return "unclear", yellow
	}
}

func since(then, now time.Time) string { return apiduration.HumanDuration(max(now.Sub(then), 0)) }

func ago(then *metav1.Time, now time.Time) string {
	if then == nil {
		return "-"
	}
	return since(then.Time, now) + " ago"
}

func (s Snapshot) sentence() string {
	if s.Message == "" {
		return s.Reason
	}
	return s.Reason + ": " + s.Message
}

// snapshotText is one snapshot on one screen.
func snapshotText(s Snapshot, p page, now time.Time) string {
	var out strings.Builder
	phase, painted := phaseOf(s)
	head := p.paint(strings.ToUpper(phase), painted)
	if drill, with := drillOf(s, now); drill != "-" {
		head += "   " + p.paint("drill "+drill, with)
	}
	fmt.Fprintf(&out, "%s (%s)   %s\n", p.paint(s.Name, bold), s.Namespace, head)
	out.WriteString(p.field("Cluster", s.Cluster, plain))
	if s.Schedule != "" {
		due := ""
		if s.DueAt != nil {
			due = ", due " + stampOf(s.DueAt.Time)
		}
		out.WriteString(p.field("Schedule", s.Schedule+due, plain))
	}
	out.WriteString(p.field("Stored", storedText(s), plain))
	if s.Artifact != nil {
		artifactText(&out, *s.Artifact, p)
	}
	out.WriteString(p.field("Taken", taken(s, now), plain))
	if s.Progress != nil {
		out.WriteString(p.field("Progress", progressText(*s.Progress), yellow))
	}
	if s.Phase != string(v1alpha2.SnapshotComplete) && s.sentence() != "" {
		out.WriteString(p.field("Operator", s.sentence(), painted))
	}
	if s.Artifact != nil {
		out.WriteString(p.field("Drill", drillText(s, now), drillPaint(s, now)))
	}
	out.WriteString(p.field("Deletion", deletionText(s), plain))
	return out.String()
}

func storedText(s Snapshot) string {
	at := s.URI
	if s.Endpoint != "" {
		at += " at " + s.Endpoint
	}
	switch {
	case s.Artifact != nil:
		return at
	case s.Phase == string(v1alpha2.SnapshotFailed):
		return "nothing; it was to go to " + at
	}
	return "not yet; it goes to " + at
}

func artifactText(out *strings.Builder, a v1alpha2.SnapshotArtifact, p page) {
	size := binarySize(a.SizeBytes)
	if a.StoredBytes > 0 && a.StoredBytes != a.SizeBytes {
		size = fmt.Sprintf("%s stored, %s before compression", binarySize(a.StoredBytes), size)
	}
	out.WriteString(p.field("Size", size, plain))
	out.WriteString(p.field("Checksum", a.Checksum, plain))
	contains := "revision " + grouped(a.Revision)
	if a.TotalKeys != nil {
		contains += ", " + grouped(*a.TotalKeys) + " keys"
	}
	for _, fact := range []struct{ name, value string }{
		{"etcd ", a.EtcdVersion}, {"cluster ID ", a.ClusterID}, {"HashKV ", a.HashKV},
	} {
		if fact.value != "" {
			contains += ", " + fact.name + fact.value
		}
	}
	out.WriteString(p.field("Contains", contains, plain))
}

// taken is when it was taken, from whom, and how hard that was.
func taken(s Snapshot, now time.Time) string {
	text := fmt.Sprintf("asked for %s, %s ago", stampOf(s.CreatedAt.Time), since(s.CreatedAt.Time, now))
	if s.Artifact != nil {
		if s.EndedAt != nil {
			text = fmt.Sprintf("%s, %s ago", stampOf(s.EndedAt.Time), since(s.EndedAt.Time, now))
		}
		if s.Artifact.Member != "" {
			text += ", from " + s.Artifact.Member
		}
		if s.Artifact.Duration != nil {
			text += " in " + lasted(s.Artifact.Duration.Duration)
		}
	}
	if s.Attempts > 1 {
		text += fmt.Sprintf(", in %d tries", s.Attempts)
	}
	return text
}

// lasted is a duration with two or three digits.
func lasted(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func progressText(p v1alpha2.SnapshotProgress) string {
	text := strings.ToLower(p.Step)
	if p.Member != "" && p.Step != "Verifying" {
		text += " from " + p.Member
	}
	switch {
	case p.TotalBytes > 0:
		text += fmt.Sprintf(", %s of %s (%s)", binarySize(p.Bytes), binarySize(p.TotalBytes), percent(p.Bytes, p.TotalBytes))
	case p.Bytes > 0:
		text += ", " + binarySize(p.Bytes)
	}
	return text
}

func drillText(s Snapshot, now time.Time) string {
	if s.DrillPending {
		return "asked for, or running"
	}
	v := s.Verification
	if v == nil || v.Outcome == "" {
		return "none yet: kubectl etcd snapshot verify " + s.Name + " restores it into a throwaway member"
	}
	text := string(v.Outcome)
	if v.CompletedAt != nil {
		text += fmt.Sprintf(" %s, %s", stampOf(v.CompletedAt.Time), ago(v.CompletedAt, now))
	}
	if v.Message != "" {
		text += ": " + v.Message
	}
	return text
}

func drillPaint(s Snapshot, now time.Time) paint {
	_, with := drillOf(s, now)
	return with
}

func deletionText(s Snapshot) string {
	if s.DeletionPolicy == string(v1alpha2.SnapshotDelete) {
		return "Delete: what is stored goes with the EtcdSnapshot"
	}
	return "Retain: what is stored stays when the EtcdSnapshot is deleted"
}

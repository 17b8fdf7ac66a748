package member

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

const (
	// crashes is after how many restarts a container that is not up is said to crash again and again.
	crashes = 2
	// early is how soon after its start etcd ends by itself, without an error, only if it was removed.
	early = 30 * time.Second
	// longest is how much of etcd's own words a message repeats.
	longest = 250
)

// endFailure is what the last end of a container tells, nil if it is up, or has not ended yet.
func endFailure(c corev1.ContainerStatus) *finding {
	last, previous, restarts := ends(c)
	if last == nil {
		return nil
	}
	reason, message := classify(c.Name, last)
	if reason == "" || reason == v1alpha2.FailureCrashing && c.RestartCount < crashes {
		return nil
	}
	f := &finding{MemberFailure: v1alpha2.MemberFailure{
		Reason: reason, Message: message, ExitCode: &last.ExitCode, Times: 1, Proven: proves(last.Message, reason), RestartCount: restarts,
	}}
	if previous != nil {
		before, _ := classify(c.Name, previous)
		f.broke = before != reason
		if !f.broke {
			f.Times++
		}
	}
	return f
}

// ends are how c ended last and, where that can be seen, before; nil if it is up, or has done what it was for. The number is
// how often it had been restarted when it ended last.
func ends(c corev1.ContainerStatus) (last, previous *corev1.ContainerStateTerminated, restarts int32) {
	if c.Ready || c.Started != nil && *c.Started {
		return nil, nil, 0
	}
	last, previous = c.State.Terminated, c.LastTerminationState.Terminated // the newest end is in State until it moves on
	restarts = c.RestartCount
	if last == nil {
		last, previous = previous, nil
	}
	if c.State.Running != nil {
		restarts--
	}
	if last != nil && last.ExitCode == 0 && c.Name != resource.EtcdContainer {
		return nil, nil, 0
	}
	return last, previous, restarts
}

// classify names an end, and says it for people. The exit code alone decides nothing: etcd ends with 1 whatever it
// refuses, and with 0 when it was removed.
func classify(container string, end *corev1.ContainerStateTerminated) (reason, message string) {
	if reason, message := launcherRefusal(end); reason != "" {
		return reason, message
	}
	words := lastWords(end.Message)
	switch reason = reasonIn(end.Message); {
	case end.Reason == "OOMKilled":
		return v1alpha2.FailureOutOfMemory, container + " was killed at its memory limit"
	case reason != "" && end.ExitCode != 0:
		message = phrases[reason]
	case end.ExitCode == 0 && end.FinishedAt.Sub(end.StartedAt.Time) < early:
		return v1alpha2.FailureRemovedFromEtcd, "etcd ends by itself and without an error as soon as it has started: " +
			phrases[v1alpha2.FailureRemovedFromEtcd]
	default:
		reason = v1alpha2.FailureCrashing
		message = fmt.Sprintf("%s ends again and again with exit code %d", container, end.ExitCode)
	}
	if words != "" {
		message += ": " + words
	}
	return reason, message
}

// refusals are the launcher's exit codes.
var refusals = map[int32]string{
	41: v1alpha2.FailureForeignData,
	42: v1alpha2.FailureDataLost,
	43: v1alpha2.FailureDataUnreadable,
	44: v1alpha2.FailureRestore,
}

func launcherRefusal(end *corev1.ContainerStateTerminated) (reason, message string) {
	reason, known := refusals[end.ExitCode]
	if !known {
		return "", ""
	}
	lines := strings.Split(strings.TrimSpace(end.Message), "\n")
	var said struct{ Reason, Message string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &said); err != nil || said.Reason != reason {
		return "", "" // etcd itself ended with this code
	}
	return reason, said.Message
}

// phrases say a failure before etcd's own words do.
var phrases = map[string]string{
	v1alpha2.FailureDiskFull:             "the volume is full",
	v1alpha2.FailureDataUnreadable:       "etcd may not read or write its files",
	v1alpha2.FailureDataInconsistent:     "the member's data differ from those of the others",
	v1alpha2.FailureMembershipMoved:      "the cluster has changed since the member was told who is in it",
	v1alpha2.FailurePeerURLMismatch:      "etcd lists the member under another peer URL",
	v1alpha2.FailureDataLost:             "the volume is empty, and the member has run before",
	v1alpha2.FailureVersionRefused:       "this version of etcd does not take the data of another one",
	v1alpha2.FailureAddressInUse:         "another process has one of etcd's ports",
	v1alpha2.FailureConfigurationRefused: "etcd does not take its flags",
	v1alpha2.FailureCorruptDatabase:      "etcd cannot read its database",
	v1alpha2.FailureCorruptLog:           "etcd cannot read its write-ahead log",
	v1alpha2.FailureRemovedFromEtcd:      "it says so of a member that was removed",
}

// tells are what etcd 3.5, 3.6 and 3.7 say when they end; testdata/ends holds it all. The first row that fits counts:
// a file that cannot be written for want of space is not corrupt.
var tells = []struct {
	reason string
	texts  []string
}{
	{v1alpha2.FailureDiskFull, []string{"no space left on device", "disk quota exceeded"}},
	{v1alpha2.FailureDataUnreadable, []string{"permission denied", "read-only file system"}},
	{v1alpha2.FailureDataInconsistent, []string{"found data inconsistency with peers"}},
	{v1alpha2.FailureMembershipMoved, []string{"member count is unequal"}},
	{v1alpha2.FailurePeerURLMismatch, []string{"no match found for existing member"}},
	{v1alpha2.FailureDataLost, []string{"has already been bootstrapped"}},
	{v1alpha2.FailureVersionRefused, []string{
		"invalid downgrade", `\" is not supported`, "unmarshal should never fail",
		"detected disallowed custom content in v2store", "etcdserver.v2ToV3Request", // 3.6, of what was written through the v2 API
	}},
	{v1alpha2.FailureAddressInUse, []string{"address already in use"}},
	{v1alpha2.FailureConfigurationRefused, []string{
		"flag provided but not defined", " for flag -", "failed to verify flags", "couldn't find local name",
	}},
	{v1alpha2.FailureCorruptDatabase, []string{
		"invalid database", "Page expected to be", "has unexpected type/flags", "freepages: ", "invalid freelist page", "already freed",
		"failed to recover v3 backend from snapshot", "failed to unmarshal mvccpb",
		// A page that leads anywhere: the bounds are those of bbolt's arrays.
		"with length 2147483647", "with length 281474976710655",
		// A fault leaves nothing but stacks; these are of reading the database at the start.
		"bbolt.(*DB).freepages", "mvcc.restoreIntoIndex",
	}},
	{v1alpha2.FailureCorruptLog, []string{
		"walpb: ", "wal: ", `"error":"proto:`, "failed to open WAL", "failed to read WAL", "failed to repair WAL",
		"Was the raft log corrupted", "cannot use none as id",
	}},
	{v1alpha2.FailureDiskFull, []string{"failed to create WAL"}}, // the launcher has seen that it can be written
	{v1alpha2.FailureCorruptDatabase, []string{"failed to open database"}},
	{v1alpha2.FailureRemovedFromEtcd, []string{"server is stopping", "the member has been permanently removed"}},
}

// reasonIn finds the failure that the tail of a log tells of, empty if it is none that is known. What etcd ended with counts
// before what it complained of on the way; what it only reported counts for nothing, but for its very last line.
func reasonIn(tail string) string {
	var final, other []string
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	for i, line := range lines {
		switch {
		case isFinal(line):
			final = append(final, line)
		case i == len(lines)-1, !hasLevel(line, "info", "warn", "debug"):
			other = append(other, line)
		}
	}
	for _, said := range []string{strings.Join(final, "\n"), strings.Join(other, "\n")} {
		for _, tell := range tells {
			if slices.ContainsFunc(tell.texts, func(text string) bool { return strings.Contains(said, text) }) {
				return tell.reason
			}
		}
	}
	return ""
}

// proofs are the ends that no second start can turn out better: a checksum does not fit, or entries are gone that others count on.
var proofs = map[string][]string{
	v1alpha2.FailureCorruptDatabase: {"invalid database"},
	v1alpha2.FailureCorruptLog:      {"crc mismatch", "Was the raft log corrupted"},
}

func proves(tail, reason string) bool {
	return slices.ContainsFunc(proofs[reason], func(text string) bool { return strings.Contains(tail, text) })
}

const panicPrefix = "panic: "

func isFinal(line string) bool {
	return strings.HasPrefix(line, panicPrefix) || hasLevel(line, "fatal", "panic")
}

// hasLevel looks at the beginning of a line only: the end may be cut off.
func hasLevel(line string, levels ...string) bool {
	return slices.ContainsFunc(levels, func(level string) bool { return strings.HasPrefix(line, `{"level":"`+level+`"`) })
}

// lastWords finds why etcd ended in the tail of its log, without what differs from one time to the next.
func lastWords(tail string) string {
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	panicked := ""
	for _, line := range slices.Backward(lines) {
		if text, found := strings.CutPrefix(line, panicPrefix); found {
			panicked = text
			continue
		}
		if !isFinal(line) {
			continue
		}
		words := field(line, "msg")
		if panicked != "" && words != panicked {
			break
		}
		if why := field(line, "error"); why != "" {
			words += ": " + why
		}
		return shorten(words)
	}
	return shorten(panicked)
}

var fields = map[string]*regexp.Regexp{
	"msg":   regexp.MustCompile(`"msg":("(?:[^"\\]|\\.)*")`),
	"error": regexp.MustCompile(`"error":("(?:[^"\\]|\\.)*")`),
}

// field reads a field of a line of the log, whose end may be cut off.
func field(line, name string) string {
	found := fields[name].FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	text, err := strconv.Unquote(found[1])
	if err != nil {
		return found[1]
	}
	return text
}

// shorten leaves out the member list that etcd prints in the middle, or else what is too long.
func shorten(words string) string {
	words = strings.ReplaceAll(words, "\u00a0", " ") // protobuf writes it in some builds
	if begin, end := strings.Index(words, " {"), strings.LastIndex(words, "}: "); begin >= 0 && begin < end {
		words = words[:begin] + words[end+1:]
	}
	if len(words) > longest {
		return strings.ToValidUTF8(words[:longest], "") + " ..."
	}
	return words
}

package member

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// recordedEnds are the cases in testdata/ends: etcd 3.5, 3.6 and 3.7 were given each kind of damage, with GOTRACEBACK=none as in
// a member's Pod. A file holds the exit code, and the 2 KiB of the log that the kubelet keeps.
var recordedEnds = map[string]struct {
	reason string
	words  string // what the message must say
}{
	"wal-crc":      {v1alpha2.FailureCorruptLog, "walpb: crc mismatch"},
	"wal-type":     {v1alpha2.FailureCorruptLog, "proto: "},
	"wal-overflow": {v1alpha2.FailureCorruptLog, "proto: "},
	"wal-head":     {v1alpha2.FailureCorruptLog, "cannot use none as id"},
	"wal-missing":  {v1alpha2.FailureCorruptLog, "file not found"},
	"wal-gone":     {v1alpha2.FailureCorruptLog, "Was the raft log corrupted"},
	// It does not say what it read.
	"wal-head-fault": {v1alpha2.FailureCrashing, "nil pointer"},

	"db-head":      {v1alpha2.FailureCorruptDatabase, "invalid database"},
	"db-pages":     {v1alpha2.FailureCorruptDatabase, "Page expected to be"},
	"db-zeroed":    {v1alpha2.FailureCorruptDatabase, "Page expected to be"},
	"db-flags":     {v1alpha2.FailureCorruptDatabase, "has unexpected type/flags"},
	"db-order":     {v1alpha2.FailureCorruptDatabase, "freepages: failed to get all reachable pages"},
	"db-slice":     {v1alpha2.FailureCorruptDatabase, "out of range"},
	"db-index":     {v1alpha2.FailureCorruptDatabase, "out of range"},
	"db-fault":     {v1alpha2.FailureCorruptDatabase, "cannot read its database"},
	"db-truncated": {v1alpha2.FailureCorruptDatabase, "cannot read its database"},
	"db-gone":      {v1alpha2.FailureCorruptDatabase, "failed to recover v3 backend from snapshot"},

	"inconsistent": {v1alpha2.FailureDataInconsistent, "found data inconsistency with peers"},
	"emptied-new":  {v1alpha2.FailureDataLost, "has already been bootstrapped"},

	"owner-dir":     {v1alpha2.FailureDataUnreadable, "permission denied"},
	"owner-db":      {v1alpha2.FailureDataUnreadable, "permission denied"},
	"owner-walfile": {v1alpha2.FailureDataUnreadable, "permission denied"},

	"disk-small":        {v1alpha2.FailureDiskFull, "failed to create WAL"},
	"disk-full":         {v1alpha2.FailureDiskFull, "the volume is full"},
	"disk-full-restart": {v1alpha2.FailureDiskFull, "the volume is full"},

	"join-not-added": {v1alpha2.FailureMembershipMoved, "member count is unequal"},
	"join-moved":     {v1alpha2.FailureMembershipMoved, "member count is unequal"},
	"join-url":       {v1alpha2.FailurePeerURLMismatch, "no match found for existing member"},
	"join-no-peer":   {v1alpha2.FailureCrashing, "could not retrieve cluster information"},

	"port-client":  {v1alpha2.FailureAddressInUse, "address already in use"},
	"port-metrics": {v1alpha2.FailureAddressInUse, "address already in use"},

	"name-missing": {v1alpha2.FailureConfigurationRefused, "couldn't find local name"},
	"flag-unknown": {v1alpha2.FailureConfigurationRefused, "does not take its flags"},
	"flag-value":   {v1alpha2.FailureConfigurationRefused, "does not take its flags"},
	"flag-mode":    {v1alpha2.FailureConfigurationRefused, "does not take its flags"},

	"version-from-3.6.16": {v1alpha2.FailureVersionRefused, "invalid downgrade"},
	"version-from-3.7.3":  {v1alpha2.FailureVersionRefused, ""},
	"version-v2-content":  {v1alpha2.FailureVersionRefused, "detected disallowed custom content in v2store"},
	"version-v2-log":      {v1alpha2.FailureVersionRefused, "does not take the data of another one"},

	"removed-refused": {v1alpha2.FailureRemovedFromEtcd, "server is stopping"},
	"removed-quiet":   {v1alpha2.FailureRemovedFromEtcd, "as soon as it has started"},
}

// endOf reads a file of testdata/ends.
func endOf(t *testing.T, path string) *corev1.ContainerStateTerminated {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, tail, _ := strings.Cut(string(content), "\n")
	code, err := strconv.Atoi(strings.TrimPrefix(first, "exit "))
	if err != nil {
		t.Fatal(err)
	}
	if code == 0 {
		tail = "" // the kubelet keeps nothing
	}
	return &corev1.ContainerStateTerminated{ExitCode: int32(code), Message: tail}
}

func TestEveryRecordedEndIsNamed(t *testing.T) {
	files, err := filepath.Glob("testdata/ends/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	of := regexp.MustCompile(`([a-z].*)-3\.\d\.\d+\.txt$`)
	seen := map[string]bool{}
	for _, file := range files {
		name := of.FindStringSubmatch(filepath.Base(file))[1]
		want, known := recordedEnds[name]
		if !known {
			t.Errorf("%s is no case of the test", file)
		}
		seen[name] = true
		reason, message := classify("etcd", endOf(t, file))
		if reason != want.reason || !strings.Contains(message, want.words) {
			t.Errorf("%s: %s %q, want %s with %q", file, reason, message, want.reason, want.words)
		}
		if len(message) > 350 {
			t.Errorf("%s: nobody reads a message of %d bytes: %s", file, len(message), message)
		}
	}
	for name := range recordedEnds {
		if !seen[name] {
			t.Errorf("no file holds the case %s", name)
		}
	}
	t.Logf("%d ends", len(files))
}

func TestOnlyWhatNoSecondStartCanChangeIsProven(t *testing.T) {
	proven := map[string]bool{}
	files, err := filepath.Glob("testdata/ends/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		end := endOf(t, file)
		if reason, _ := classify("etcd", end); proves(end.Message, reason) {
			proven[strings.TrimSuffix(filepath.Base(file), ".txt")] = true
		}
	}
	want := map[string]bool{}
	for _, version := range []string{"3.5.35", "3.6.16", "3.7.3"} {
		for _, damage := range []string{"db-head", "wal-crc", "wal-gone"} {
			want[damage+"-"+version] = true
		}
	}
	if diff := cmp.Diff(want, proven); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatEtcdOnlyReportsIsNoReasonToEnd(t *testing.T) {
	info := `{"level":"info","msg":"applying","error":"walpb: crc mismatch"}` + "\n"
	warning := `{"level":"warn","msg":"slow","error":"no space left on device"}` + "\n"
	fatal := `{"level":"fatal","msg":"discovery failed","error":"something else"}`
	failed := `{"level":"error","msg":"setting up failed","error":"invalid database"}` + "\n"
	for _, tt := range []struct{ name, tail, want string }{
		{"on the way", info + warning + fatal, ""},
		{"on the way, as a failure", failed + `{"level":"fatal","msg":"x","error":"address already in use"}`, v1alpha2.FailureAddressInUse},
		{"a failure is all there is", failed + `{"level":"fatal","msg":"x","error":"y"}`, v1alpha2.FailureCorruptDatabase},
		{"cut off at its begin", `aller":"x","msg":"y","error":"walpb: crc mismatch"}`, v1alpha2.FailureCorruptLog},
		{"cut off at its end", info + `{"level":"fatal","msg":"failed to commit tx","error":"write db: no space left on dev` +
			`ice","stacktr`, v1alpha2.FailureDiskFull},
		{"nothing", "", ""},
	} {
		if got := reasonIn(tt.tail); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAnEndWithoutWordsIsJudgedByHowItCame(t *testing.T) {
	minute := metav1.Unix(60, 0)
	for _, tt := range []struct {
		name string
		end  corev1.ContainerStateTerminated
		want string
	}{
		{"killed at the memory limit", corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}, v1alpha2.FailureOutOfMemory},
		{"killed by somebody", corev1.ContainerStateTerminated{ExitCode: 137, Reason: "Error"}, v1alpha2.FailureCrashing},
		{"ended at once without an error", corev1.ContainerStateTerminated{}, v1alpha2.FailureRemovedFromEtcd},
		{"asked to stop after a while", corev1.ContainerStateTerminated{FinishedAt: minute}, v1alpha2.FailureCrashing},
	} {
		if got, message := classify("etcd", &tt.end); got != tt.want || message == "" {
			t.Errorf("%s: got %q %q, want %q", tt.name, got, message, tt.want)
		}
	}
}

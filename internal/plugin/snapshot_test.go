package plugin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
)

var store = v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{
	Endpoint: "https://s3.example.com:9000", Bucket: "backup", Key: "demo", ForcePathStyle: true,
	CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"}, CASecretRef: &corev1.LocalObjectReference{Name: "s3-ca"},
}}

// snapshotObject was made at a time before now, in that phase.
func snapshotObject(name string, ago time.Duration, phase v1alpha2.SnapshotPhase) *v1alpha2.EtcdSnapshot {
	o := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: "u", CreationTimestamp: metav1.NewTime(now.Add(-ago))},
		Spec:       v1alpha2.EtcdSnapshotSpec{Destination: store, DeletionPolicy: v1alpha2.SnapshotRetain},
	}
	o.Spec.ClusterRef.Name = "demo"
	o.Status.Phase = phase
	if phase == v1alpha2.SnapshotComplete {
		complete(o, now.Add(-ago).Add(4*time.Second))
	}
	return o
}

func complete(o *v1alpha2.EtcdSnapshot, at time.Time) {
	o.Status.Phase, o.Status.CompletedAt, o.Status.Attempts = v1alpha2.SnapshotComplete, new(metav1.NewTime(at)), 1
	o.Status.Artifact = &v1alpha2.SnapshotArtifact{
		URI: "s3://backup/demo/" + o.Name + ".db.zst", SizeBytes: 412 * mib, StoredBytes: 96 * mib, Revision: 9112404,
		TotalKeys: new(int64(1204332)),
		Checksum:  "sha256:2c1e4b7a90d1f3c5e6a8b9c0d1e2f30415263748596a7b8c9d0e1f2a3b4c5d6e", EtcdVersion: "3.7.3", ClusterID: "50ef0f7c6fb6a4a0",
		HashKV: "8a3b11c4", Member: "demo-c9qpd", Duration: &metav1.Duration{Duration: 3100 * time.Millisecond},
	}
	says(o, metav1.ConditionTrue, "SnapshotComplete", "what was stored has been read back and verified")
}

func says(o *v1alpha2.EtcdSnapshot, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&o.Status.Conditions, metav1.Condition{
		Type: v1alpha2.ConditionReady, Status: status, Reason: reason, Message: message,
	})
}

// snapshotObjects are snapshots in all conditions, and the schedule of some.
func snapshotObjects() []client.Object {
	verified := snapshotObject("nightly-20261120-020000", 30*time.Hour, v1alpha2.SnapshotComplete)
	verified.Status.Verification = &v1alpha2.SnapshotVerification{
		Outcome: v1alpha2.VerificationVerified, CompletedAt: new(metav1.NewTime(now.Add(-29 * time.Hour))),
		Message: "1204332 keys and HashKV 8a3b11c4 at revision 9112404, as recorded",
	}
	damaged := snapshotObject("nightly-20261119-020000", 54*time.Hour, v1alpha2.SnapshotComplete)
	damaged.Status.Verification = &v1alpha2.SnapshotVerification{
		Outcome: v1alpha2.VerificationFailed, CompletedAt: new(metav1.NewTime(now.Add(-5 * time.Hour))),
		Message: "HashKV is 11223344, not 8a3b11c4",
	}
	failed := snapshotObject("nightly-20261121-020000", 6*time.Hour, v1alpha2.SnapshotFailed)
	failed.Status.Attempts = 40
	says(failed, metav1.ConditionFalse, "StoreAccessDenied",
		"put demo/nightly-20261121-020000.db: the store does not accept the credentials (403)")
	running := snapshotObject("demo-20261121-075958", 2*time.Second, v1alpha2.SnapshotStarted)
	running.Status.Progress = &v1alpha2.SnapshotProgress{Step: "Streaming", Member: "demo-c9qpd", Bytes: 177 * mib, TotalBytes: 412 * mib}
	running.Spec.DeletionPolicy = v1alpha2.SnapshotDelete
	for _, o := range []*v1alpha2.EtcdSnapshot{verified, damaged, failed} {
		o.Labels = map[string]string{v1alpha2.LabelSchedule: "nightly"}
		o.Annotations = map[string]string{v1alpha2.AnnotationScheduledAt: o.CreationTimestamp.UTC().Format(time.RFC3339)}
	}
	schedule := &v1alpha2.EtcdSnapshotSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "nightly"},
		Spec: v1alpha2.EtcdSnapshotScheduleSpec{
			Schedule: "0 2 * * *", TimeZone: "Europe/Berlin", Destination: store, Compression: v1alpha2.CompressionZstd,
			Retention: &v1alpha2.SnapshotRetention{KeepLast: new(int32(7)), KeepFor: &metav1.Duration{Duration: 30 * 24 * time.Hour}},
		},
		Status: v1alpha2.EtcdSnapshotScheduleStatus{
			NextScheduleTime: new(metav1.NewTime(now.Add(17 * time.Hour))), LastSuccessfulTime: verified.Status.CompletedAt,
			LastVerifiedTime: verified.Status.Verification.CompletedAt, ConsecutiveFailures: 1,
			Conditions: []metav1.Condition{{Type: v1alpha2.ConditionReady, Status: metav1.ConditionFalse, Reason: "SnapshotFailed",
				Message: "snapshots that failed since the last success: 1; the last one: nightly-20261121-020000: the store does not answer"}},
		},
	}
	schedule.Spec.ClusterRef.Name = "demo"
	return []client.Object{verified, damaged, failed, running, schedule}
}

func TestSnapshotScreens(t *testing.T) {
	st := stage{scene: demoScene(1), objects: snapshotObjects()}
	for name, args := range map[string][]string{
		"snapshot-list":     {"snapshot", "list", "demo"},
		"snapshot-list-all": {"snapshot", "list", "-A"},
		"snapshot-verified": {"snapshot", "describe", "nightly-20261120-020000"},
		"snapshot-damaged":  {"snapshot", "describe", "nightly-20261119-020000"},
		"snapshot-failed":   {"snapshot", "describe", "nightly-20261121-020000"},
		"snapshot-running":  {"snapshot", "describe", "demo-20261121-075958"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := st.run(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, out)
		})
	}
	list := SnapshotList{}
	for _, o := range snapshotObjects() {
		if s, ok := o.(*v1alpha2.EtcdSnapshot); ok {
			list.Items = append(list.Items, snapshotOf(s))
		} else {
			list.Schedules = append(list.Schedules, scheduleOf(o.(*v1alpha2.EtcdSnapshotSchedule)))
		}
	}
	sortSnapshots(list.Items)
	golden(t, "snapshot-list-narrow", snapshotListText(list, page{width: 80}, now, false))
	golden(t, "snapshot-list-colour", snapshotListText(list, page{width: 120, colour: true}, now, false))
	for _, s := range list.Items {
		for line := range strings.Lines(snapshotText(s, page{width: 80}, now)) {
			if n := length(strings.TrimSuffix(line, "\n")); n > 80 && !strings.Contains(line, "sha256:") {
				t.Errorf("%s: %d columns: %s", s.Name, n, line)
			}
		}
	}
}

func TestASnapshotIsTakenWhereTheLastOnesWere(t *testing.T) {
	made := func(t *testing.T, st stage, args ...string) Snapshot {
		t.Helper()
		out, err := st.run(t, append([]string{"snapshot", "create", "demo", "-o", "json"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		var s Snapshot
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	all := snapshotObjects()
	for name, c := range map[string]struct {
		objects []client.Object
		args    []string
		want    string
	}{
		"as the schedule says":           {all, nil, "s3://backup/demo/demo-20261121-080000.db.zst"},
		"as the last one, if there none": {all[:4], nil, "s3://backup/demo/demo-20261121-080000.db"},
		"as is asked for": {all, []string{"--to", "pvc://backup/by-hand", "--name", "now", "--compress"},
			"pvc://backup/by-hand/now.db.zst"},
		"in another store": {nil, []string{"--to", "s3://b", "--endpoint", "http://store:9000", "--credentials", "s3"},
			"s3://b/demo-20261121-080000.db"},
	} {
		t.Run(name, func(t *testing.T) {
			if s := made(t, stage{scene: demoScene(1), objects: c.objects}, c.args...); s.URI != c.want {
				t.Errorf("stored at %s, want %s", s.URI, c.want)
			}
		})
	}
}

func TestCreateWaitsUntilASnapshotIsVerified(t *testing.T) {
	story := func(steps ...func(*v1alpha2.EtcdSnapshot)) func(client.Client) {
		return func(kube client.Client) {
			o := &v1alpha2.EtcdSnapshot{}
			if kube.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "now"}, o) == nil && len(steps) > 0 {
				steps[0](o)
				steps = steps[1:]
				if err := kube.Status().Update(t.Context(), o); err != nil {
					t.Error(err)
				}
			}
		}
	}
	streaming := func(o *v1alpha2.EtcdSnapshot) {
		o.Status.Phase = v1alpha2.SnapshotStarted
		o.Status.Progress = &v1alpha2.SnapshotProgress{Step: "Streaming", Member: "demo-c9qpd", Bytes: 1, TotalBytes: 2}
	}
	st := stage{scene: demoScene(1), objects: snapshotObjects()}
	args := []string{"snapshot", "create", "demo", "--name", "now", "--wait"}
	st.operate = story(streaming, func(o *v1alpha2.EtcdSnapshot) { complete(o, now) })
	out, err := st.run(t, args...)
	if err != nil {
		t.Error(err)
	}
	contains(t, out, "now: waiting for the operator to look at it\nnow: streaming from demo-c9qpd\n",
		"now is complete: 412 MiB at revision 9,112,404 in 3.1s, read back and verified, at s3://backup/demo/now.db.zst")

	st.operate = story(streaming, func(o *v1alpha2.EtcdSnapshot) {
		o.Status.Phase = v1alpha2.SnapshotFailed
		says(o, metav1.ConditionFalse, "ForeignObject", "something else is stored there")
	})
	if _, err = st.run(t, args...); err == nil || err.Error() != "now has failed: ForeignObject: something else is stored there" {
		t.Errorf("says %v", err)
	}
	st.operate = story(streaming)
	if _, err = st.run(t, append(args, "--timeout", "5s")...); err == nil || !strings.Contains(err.Error(), "within 5s, and goes on") {
		t.Errorf("says %v", err)
	}
}

func TestADrillIsAskedForAndItsOutcomeTold(t *testing.T) {
	for outcome, want := range map[v1alpha2.VerificationOutcome]string{
		v1alpha2.VerificationVerified:     "",
		v1alpha2.VerificationFailed:       "the restore drill of nightly-20261120-020000 is Failed: because",
		v1alpha2.VerificationInconclusive: "the restore drill of nightly-20261120-020000 is Inconclusive: because",
	} {
		t.Run(string(outcome), func(t *testing.T) {
			st := stage{scene: demoScene(1), objects: snapshotObjects()}
			st.operate = func(kube client.Client) {
				o := &v1alpha2.EtcdSnapshot{}
				if err := kube.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "nightly-20261120-020000"}, o); err != nil {
					t.Error(err)
				}
				o.Status.Verification = &v1alpha2.SnapshotVerification{
					Request: o.Annotations[v1alpha2.AnnotationVerify], Outcome: outcome, Message: "because",
				}
				if err := kube.Status().Update(t.Context(), o); err != nil {
					t.Error(err)
				}
			}
			out, err := st.run(t, "snapshot", "verify", "nightly-20261120-020000", "--wait")
			switch {
			case want == "" && err == nil:
				contains(t, out, "nightly-20261120-020000 is verified: because")
			case want == "" || err == nil || err.Error() != want:
				t.Errorf("says %v", err)
			}
		})
	}
}

func TestNothingIsDeletedThatWasNotNamed(t *testing.T) {
	erased := false
	operate := func(kube client.Client) { // what the snapshot controller does
		o := &v1alpha2.EtcdSnapshot{}
		key := client.ObjectKey{Namespace: "default", Name: "nightly-20261120-020000"}
		if kube.Get(t.Context(), key, o) != nil || o.DeletionTimestamp.IsZero() {
			return
		}
		erased = o.Spec.DeletionPolicy == v1alpha2.SnapshotDelete
		o.Finalizers = nil
		if err := kube.Update(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	for name, c := range map[string]struct {
		args   []string
		says   string
		fails  bool
		erased bool
	}{
		"without --yes it is told": {[]string{"nightly-20261120-020000"},
			"would be deleted, and what is stored at s3://backup/demo/nightly-20261120-020000.db.zst stays: add --yes", true, false},
		"also with the data": {[]string{"nightly-20261120-020000", "--with-data"}, "is deleted as well: add --yes", true, false},
		"the data stay":      {[]string{"nightly-20261120-020000", "--yes"}, "is deleted. What it stored stays at s3://backup/", false, false},
		"or go":              {[]string{"nightly-20261120-020000", "--yes", "--with-data"}, "is deleted, and what was stored at", false, true},
		"data that would go by policy have to be named": {[]string{"demo-20261121-075958", "--yes"},
			"the deletionPolicy of demo-20261121-075958 is Delete, so", true, false},
		"one that is not there": {[]string{"nothing", "--yes"}, `no EtcdSnapshot "nothing" in namespace "default"`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			erased = false
			st := stage{scene: demoScene(1), objects: snapshotObjects(), operate: operate}
			out, err := st.run(t, append([]string{"snapshot", "delete"}, c.args...)...)
			if err != nil {
				out += err.Error()
			}
			contains(t, out, c.says)
			if (err != nil) != c.fails || erased != c.erased {
				t.Errorf("%v, erased: %t", err, erased)
			}
		})
	}
}

// sent is what a member sends: data, and their sha256.
func sent(size int) []byte {
	data := bytes.Repeat([]byte("etcd"), size/4)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func TestASavedFileIsWholeOrNotThere(t *testing.T) {
	whole := sent(1 << 20)
	flipped := bytes.Clone(whole)
	flipped[4000] ^= 1
	given := func(data []byte, size int, err error) streamer {
		return func(context.Context, etcd.Client) (io.Reader, int64, error) {
			return bytes.NewReader(data), int64(size), err
		}
	}
	cut := func(context.Context, etcd.Client) (io.Reader, int64, error) { return broken{}, 99, nil }
	for name, c := range map[string]struct {
		stream streamer
		there  bool
		args   []string
		says   string
		want   []byte
	}{
		"whole":                 {given(whole, len(whole), nil), false, nil, "1 MiB from demo-", whole},
		"cut off":               {given(whole[:500000], len(whole), nil), false, nil, "it ended after 500000 of 1048608 bytes", nil},
		"flipped":               {given(flipped, len(whole), nil), false, nil, "does not fit the checksum at its end", nil},
		"more than announced":   {given(append(bytes.Clone(whole), 1), len(whole), nil), false, nil, "more came than the member had said", nil},
		"broken":                {cut, false, nil, "the line is cut", nil},
		"refused":               {given(nil, 0, etcd.ErrPermission), false, nil, "ask demo-", nil},
		"a file that is there":  {given(whole, len(whole), nil), true, nil, "is there already: name another file, or add --force", []byte("old")},
		"a file that may go":    {given(whole, len(whole), nil), true, []string{"--force"}, "checksum verified", whole},
		"nor is it half forced": {given(flipped, len(whole), nil), true, []string{"--force"}, "does not fit", []byte("old")},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file := filepath.Join(folder, "demo.db")
			if c.there {
				if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := stage{scene: demoScene(3), stream: c.stream}.run(t, append([]string{"snapshot", "save", "demo", file}, c.args...)...)
			if err != nil {
				out += err.Error()
			}
			contains(t, out, c.says)
			got, _ := os.ReadFile(file)
			if !bytes.Equal(got, c.want) {
				t.Errorf("the file has %d bytes: %s", len(got), out)
			}
			if left, _ := os.ReadDir(folder); len(left) > 1 || len(left) == 1 && c.want == nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the line is cut") }

func TestASnapshotComesFromAFollowerThatIsHealthy(t *testing.T) {
	s := demoScene(3)
	silence(s.Members[2], true)
	o := observed(s)
	from := givers(o)
	if len(from) != 2 || from[0] != s.Members[1] || from[1] != s.Members[0] {
		t.Errorf("asks %v", membersOf(from))
	}
	s.Members[1].Answer.Status.Alarms = []etcd.Alarm{{MemberID: s.Members[1].Answer.Status.MemberID, Type: etcd.AlarmCorrupt}}
	if from = givers(observed(s)); len(from) != 1 || from[0] != s.Members[0] {
		t.Errorf("asks %v", membersOf(from))
	}
}

func membersOf(all []*observe.Member) (names []string) {
	for _, m := range all {
		names = append(names, m.Object.Name)
	}
	return names
}

func TestTheBarTellsHowFarAndHowFast(t *testing.T) {
	for want, got := range map[string]string{
		"[######------------------]  25%  100 MiB of 400 MiB  50 MiB/s  6s left": bar(100*mib, 400*mib, 2*time.Second),
		"[########################] 100%  400 MiB of 400 MiB  100 MiB/s":         bar(400*mib, 400*mib, 4*time.Second),
		"[------------------------]   0%  0 B of 400 MiB  -":                     bar(0, 400*mib, 0),
		"3 MiB  3 MiB/s": bar(3*mib, 0, time.Second),
	} {
		if got != want {
			t.Errorf("shows %q, want %q", got, want)
		}
	}
}

func TestPlacesAreReadOrRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--to nowhere":                       `"nowhere" is no place: use s3://bucket/prefix or pvc://claim/directory`,
		"--to file:///tmp":                   `"file:///tmp" is no place`,
		"--to s3://":                         `"s3://" is no place`,
		"--to s3://b/k":                      "say which store: --endpoint https://..., or --region of Amazon's",
		"--to pvc://c/d --endpoint http://x": "are for s3://",
		"--like weekly":                      `no EtcdSnapshotSchedule "weekly" in namespace "default"`,
		"":                                   "say where to, by --to s3://bucket/prefix or --to pvc://claim/directory: demo has no",
		"--to s3://b/k --region eu-west-1 --name x": "",
		"--to pvc://c --like nightly":               "none of the others can be",
	} {
		t.Run(args, func(t *testing.T) {
			_, err := stage{scene: demoScene(1)}.run(t, append([]string{"snapshot", "create", "demo"}, strings.Fields(args)...)...)
			if err == nil != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("says %v, want %s", err, want)
			}
		})
	}
}

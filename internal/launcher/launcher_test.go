package launcher

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

var mine = Marker{ClusterToken: "prod-db-uid", Member: "db-a", VolumeUID: "volume"}

// disk is a volume and the Pod that mounts it.
type disk struct {
	t *testing.T
	Launcher
}

func newDisk(t *testing.T) *disk {
	root := t.TempDir()
	state := filepath.Join(root, "state")
	volume := filepath.Join(root, "volume")
	for _, dir := range []string{state, volume} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &disk{t, Launcher{
		Marker:   mine,
		Volume:   Volume{DataDir: filepath.Join(volume, "data"), Marker: filepath.Join(volume, "member.json")},
		StateDir: state,
	}}
}

func (d *disk) admit(g Grant) error {
	d.Grant = g
	return d.Admit()
}

func (d *disk) do(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) write(path, text string) {
	d.t.Helper()
	d.do(os.MkdirAll(filepath.Dir(path), 0o755))
	d.do(os.WriteFile(path, []byte(text), 0o600))
}

func (d *disk) newPod() { d.do(os.RemoveAll(d.statePath())) }

// etcdOpens does what etcd does before it creates its log.
func (d *disk) etcdOpens() { d.write(d.Volume.db(), "") }

// etcdRuns does what etcd does when it creates its log: it replaces the whole directory.
func (d *disk) etcdRuns() {
	d.etcdOpens()
	fresh := d.Volume.walDir() + ".tmp"
	d.write(filepath.Join(fresh, "0-0.wal"), "log")
	d.do(os.RemoveAll(d.Volume.walDir()))
	d.do(os.Rename(fresh, d.Volume.walDir()))
}

func (d *disk) started(g Grant) {
	d.t.Helper()
	d.do(d.admit(g))
	d.etcdRuns()
}

func (d *disk) emptied() {
	d.do(os.RemoveAll(d.Volume.DataDir))
	d.do(os.RemoveAll(d.Volume.Marker))
}

const admitted = ""

func TestAdmit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given func(*disk)
		grant Grant
		want  Reason
	}{
		{"own data starts", func(d *disk) { d.started(GrantEmpty) }, GrantNone, admitted},
		{"own data starts in a new Pod", func(d *disk) { d.started(GrantEmpty); d.newPod() }, GrantNone, admitted},
		{"own data starts with a grant too", func(d *disk) { d.started(GrantEmpty); d.newPod() }, GrantEmpty, admitted},
		{"data of another member is refused", func(d *disk) { d.started(GrantEmpty); d.Marker.Member = "db-b" }, GrantEmpty, ForeignData},
		{"data of another cluster is refused", func(d *disk) { d.started(GrantEmpty); d.Marker.ClusterToken = "other" }, GrantEmpty, ForeignData},
		{"data on a copy of the volume is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.Marker.VolumeUID = "copy"
		}, GrantEmpty, ForeignData},
		{"data without a marker is refused", (*disk).etcdRuns, GrantEmpty, ForeignData},
		{"data without a marker can be adopted", (*disk).etcdRuns, GrantAdopted, admitted},
		{"adopted data stays the member's", func(d *disk) { d.etcdRuns(); d.do(d.admit(GrantAdopted)); d.newPod() }, GrantNone, admitted},
		{"foreign data cannot be adopted", func(d *disk) { d.started(GrantEmpty); d.Marker.Member = "db-b" }, GrantAdopted, ForeignData},

		{"an empty volume needs the grant", func(*disk) {}, GrantNone, DataLost},
		{"an empty volume cannot be adopted", func(*disk) {}, GrantAdopted, DataLost},
		{"an empty volume starts with the grant", func(*disk) {}, GrantEmpty, admitted},
		{"a volume with lost+found is empty", func(d *disk) {
			d.do(os.Mkdir(filepath.Join(filepath.Dir(d.Volume.DataDir), "lost+found"), 0o700))
		}, GrantEmpty, admitted},
		{"a start that ended before the log goes on", func(d *disk) { d.do(d.admit(GrantEmpty)); d.etcdOpens() }, GrantEmpty, admitted},
		{"a start that ended before the log goes on in a new Pod", func(d *disk) {
			d.do(d.admit(GrantEmpty))
			d.etcdOpens()
			d.newPod()
		}, GrantNone, admitted},
		{"a start that ended before the log is not another member's", func(d *disk) {
			d.do(d.admit(GrantEmpty))
			d.Marker.Member = "db-b"
		}, GrantEmpty, DataLost},

		{"a volume emptied before the log was there is refused", func(d *disk) { d.do(d.admit(GrantEmpty)); d.emptied() }, GrantEmpty, DataLost},
		{"data emptied before the log was there is refused", func(d *disk) {
			d.do(d.admit(GrantEmpty))
			d.do(os.RemoveAll(d.Volume.DataDir))
		}, GrantEmpty, DataLost},
		{"a volume emptied later is refused", func(d *disk) { d.started(GrantEmpty); d.emptied() }, GrantEmpty, DataLost},
		{"a volume emptied under a Pod without grant is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.newPod()
			d.do(d.admit(GrantNone))
			d.emptied()
		}, GrantEmpty, DataLost},
		{"a marker alone is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.do(os.RemoveAll(d.Volume.DataDir))
			d.newPod()
		}, GrantEmpty, DataLost},
		{"a log that is gone is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.do(os.RemoveAll(d.Volume.walDir()))
			d.newPod()
		}, GrantEmpty, DataLost},
		{"a log without segments is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.do(os.Remove(filepath.Join(d.Volume.walDir(), "0-0.wal")))
		}, GrantEmpty, DataLost},
		{"a database without log and marker is refused", (*disk).etcdOpens, GrantEmpty, DataLost},
		{"a truncated database is refused", func(d *disk) {
			d.started(GrantEmpty)
			d.write(d.Volume.db(), database(5)[:4*os.Getpagesize()])
		}, GrantNone, DataLost},
		{"a whole database starts", func(d *disk) {
			d.started(GrantEmpty)
			d.write(d.Volume.db(), database(5))
		}, GrantNone, admitted},
		{"a database without a valid head is left to etcd", func(d *disk) {
			d.started(GrantEmpty)
			d.write(d.Volume.db(), "no database")
		}, GrantNone, admitted},

		{"a data directory that is none is unreadable", func(d *disk) { d.write(d.Volume.DataDir, "") }, GrantEmpty, DataUnreadable},
		{"a marker that is no file is unreadable", func(d *disk) { d.do(os.Mkdir(d.Volume.Marker, 0o755)) }, GrantEmpty, DataUnreadable},
		{"a marker that cannot be parsed is unreadable", func(d *disk) {
			d.started(GrantEmpty)
			d.write(d.Volume.Marker, "{")
		}, GrantEmpty, DataUnreadable},
		{"a volume that is not there is unreadable", func(d *disk) {
			d.do(os.RemoveAll(filepath.Dir(d.Volume.DataDir)))
			d.write(filepath.Dir(d.Volume.DataDir), "")
		}, GrantEmpty, DataUnreadable},
		{"a Pod without a memory of its own is refused", func(d *disk) {
			d.StateDir = filepath.Join(d.StateDir, "none")
		}, GrantEmpty, DataUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk(t)
			tt.given(d)
			err := d.admit(tt.grant)
			var refusal *Refusal
			switch {
			case err == nil && tt.want != admitted:
				t.Fatalf("started, want %s", tt.want)
			case err != nil && !errors.As(err, &refusal):
				t.Fatalf("ended without a reason: %v", err)
			case err != nil && refusal.Reason != tt.want:
				t.Fatalf("refused with %v, want %q", err, tt.want)
			case err != nil && refusal.Volume != d.Marker.VolumeUID:
				t.Fatalf("the refusal names the volume %q", refusal.Volume)
			}
		})
	}
}

// TestAFirstStartSurvivesACrashAfterEachWrite leaves behind what a crash between any two writes of the launcher leaves.
func TestAFirstStartSurvivesACrashAfterEachWrite(t *testing.T) {
	writes := []func(*disk){
		func(d *disk) { d.do(os.MkdirAll(d.Volume.walDir(), 0o700)) },
		func(d *disk) { d.write(d.Volume.canary()+unfinished, "{") },
		func(d *disk) { d.do(os.Rename(d.Volume.canary()+unfinished, d.Volume.canary())) },
		func(d *disk) { d.write(d.Volume.Marker+unfinished, "{") },
		func(d *disk) {
			d.do(writeDurably(d.Volume.Marker, d.Marker))
		},
		func(d *disk) { d.write(d.statePath()+unfinished, "{") },
		func(d *disk) { d.do(writeDurably(d.statePath(), d.Marker)) },
	}
	for done := range len(writes) + 1 {
		d := newDisk(t)
		for _, write := range writes[:done] {
			write(d)
		}
		if err := d.admit(GrantEmpty); err != nil {
			t.Errorf("a crash after %d writes prevents the first start: %v", done, err)
		}
		d.emptied()
		if err := d.admit(GrantEmpty); err == nil {
			t.Errorf("after a crash after %d writes the volume may be emptied unnoticed", done)
		}
	}
}

func TestTheReasonIsOneLineOfJSON(t *testing.T) {
	d := newDisk(t)
	err := d.admit(GrantNone)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	line := refusal.Line()
	var read map[string]string
	if err := json.Unmarshal(line, &read); err != nil {
		t.Fatal(err)
	}
	if read["reason"] != "DataLost" || read["message"] == "" || read["volume"] != "volume" || line[len(line)-1] != '\n' {
		t.Errorf("got %s", line)
	}
}

func TestEachReasonHasItsExitCode(t *testing.T) {
	for reason, code := range map[Reason]int{ForeignData: 41, DataLost: 42, DataUnreadable: 43, RestoreFailed: 44} {
		if got := reason.ExitCode(); got != code {
			t.Errorf("%s ends with %d", reason, got)
		}
	}
}

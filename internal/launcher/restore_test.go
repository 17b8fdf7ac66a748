package launcher

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bench is a volume, a snapshot and a program that takes the place of etcdutl.
type bench struct {
	*disk
	snapshot Snapshot
	command  []string
	calls    string // file with a line for each call of etcdutl
}

// unpacks does what etcdutl does: it refuses a directory that is there, and makes a log, a database and etcd's own snapshot.
const unpacks = `
for arg; do case $arg in --data-dir=*) dir=${arg#--data-dir=};; esac; done
test ! -e $dir || { echo "Error: data-dir not empty" >&2; exit 1; }
mkdir -p $dir/member/wal $dir/member/snap
cat $3 > $dir/member/snap/db
echo meta > $dir/member/snap/1-1.snap
echo log > $dir/member/wal/0-0.wal
`

func newBench(t *testing.T, script string) *bench {
	t.Helper()
	b := &bench{disk: newDisk(t)}
	tools := t.TempDir()
	b.calls = filepath.Join(tools, "calls")
	program := "#!/bin/sh\nset -e\necho \"$@\" >> " + b.calls + "\n" + script
	b.do(os.WriteFile(filepath.Join(tools, "etcdutl"), []byte(program), 0o755))
	b.snapshot = Snapshot{File: filepath.Join(tools, "snapshot.db"), Bump: 1000}
	b.write(b.snapshot.File, "the data")
	b.command = []string{
		filepath.Join(tools, "etcd"), "--name=db-a", "--data-dir=" + b.Volume.DataDir, "--initial-advertise-peer-urls=http://db-a:2380",
		"--initial-cluster=db-a=http://db-a:2380", "--initial-cluster-token=prod-db-uid",
	}
	return b
}

func (b *bench) restore() error { return b.Restore(context.Background(), b.snapshot, b.command) }

// start is one start of the Pod's container, up to etcd. A snapshot that was used up is fetched again.
func (b *bench) start(g Grant) error {
	if err := b.admit(g); err != nil {
		return err
	}
	return b.restore()
}

func (b *bench) called() []string {
	text, err := os.ReadFile(b.calls)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b.do(err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (b *bench) read(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// wantRestored looks for what etcd needs, and for nothing that would mislead a later start.
func (b *bench) wantRestored() {
	b.t.Helper()
	if got := b.read(b.Volume.db()); got != "the data" {
		b.t.Errorf("the database holds %q", got)
	}
	if got := b.read(filepath.Join(b.Volume.walDir(), "0-0.wal")); got != "log\n" {
		b.t.Errorf("the log holds %q", got)
	}
	if b.Volume.IsVirgin() {
		b.t.Error("the volume still says that etcd has never run on it")
	}
	for _, path := range []string{b.Volume.restorePath(), b.snapshot.File} {
		if _, err := os.Stat(path); err == nil {
			b.t.Errorf("%s is left over", path)
		}
	}
}

func TestARestoreMakesTheDataThatEtcdStartsWith(t *testing.T) {
	b := newBench(t, unpacks)
	b.do(b.start(GrantEmpty))
	b.wantRestored()
	want := "snapshot restore " + b.snapshot.File + " --name=db-a --initial-cluster=db-a=http://db-a:2380 " +
		"--initial-cluster-token=prod-db-uid --initial-advertise-peer-urls=http://db-a:2380 --bump-revision=1000 --mark-compacted " +
		"--data-dir=" + b.Volume.restorePath()
	if got := b.called(); !slices.Equal(got, []string{want}) {
		t.Errorf("etcdutl was called with\n%q, want\n%q", got, want)
	}
}

func TestRevisionsAreLeftAloneWithoutABump(t *testing.T) {
	b := newBench(t, unpacks)
	b.snapshot.Bump = 0
	b.do(b.start(GrantEmpty))
	if got := b.called(); len(got) != 1 || strings.Contains(got[0], "bump") || strings.Contains(got[0], "compacted") {
		t.Errorf("etcdutl was called with %q", got)
	}
}

// TestNothingIsRestoredWhereDataHaveEverBeen holds what would cost acknowledged writes.
func TestNothingIsRestoredWhereDataHaveEverBeen(t *testing.T) {
	for claim, given := range map[string]func(*bench){
		"after it was restored":                      func(b *bench) { b.do(b.start(GrantEmpty)) },
		"after it was restored, in another Pod":      func(b *bench) { b.do(b.start(GrantEmpty)); b.newPod() },
		"on data that etcd has made":                 func(b *bench) { b.started(GrantEmpty) },
		"on data that etcd has made, in another Pod": func(b *bench) { b.started(GrantEmpty); b.newPod() },
		"on a volume whose log is gone":              func(b *bench) { b.started(GrantEmpty); b.do(os.RemoveAll(b.Volume.walDir())) },
		"on a volume whose log is gone after it": func(b *bench) {
			b.do(b.start(GrantEmpty))
			b.do(os.Remove(filepath.Join(b.Volume.walDir(), "0-0.wal")))
		},
		"on a volume that was emptied after it": func(b *bench) { b.do(b.start(GrantEmpty)); b.emptied() },
		"on a volume whose data were removed after it": func(b *bench) {
			b.do(b.start(GrantEmpty))
			b.do(os.RemoveAll(b.Volume.DataDir))
			b.newPod()
		},
		"on the data of another member":            func(b *bench) { b.started(GrantEmpty); b.Marker.Member = "db-b" },
		"on what another member was to start with": func(b *bench) { b.do(b.admit(GrantEmpty)); b.Marker.Member = "db-b" },
	} {
		t.Run(claim, func(t *testing.T) {
			for _, asked := range []string{"by the launcher", "past its admission"} {
				b := newBench(t, unpacks)
				given(b)
				b.write(b.snapshot.File, "the data of the past")
				before, calls := b.files(), len(b.called())
				if asked == "by the launcher" {
					_ = b.start(GrantEmpty)
				} else {
					_ = b.restore()
				}
				if after := b.files(); !slices.Equal(before, after) || len(b.called()) != calls {
					t.Errorf("asked %s, etcdutl was called %d times, and\n%q became\n%q", asked, len(b.called())-calls, before, after)
				}
			}
		})
	}
}

// files are the names and contents of all that is on the volume.
func (b *bench) files() (all []string) {
	b.do(filepath.WalkDir(filepath.Dir(b.Volume.DataDir), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, path+": "+b.read(path))
		}
		return err
	}))
	return all
}

func TestAVolumeThatWasNotAdmittedIsNotRestoredOn(t *testing.T) {
	b := newBench(t, unpacks)
	var refusal *Refusal
	if err := b.restore(); !errors.As(err, &refusal) || refusal.Reason != DataLost || len(b.called()) > 0 {
		t.Errorf("got %v, etcdutl was called with %q", err, b.called())
	}
}

// TestARestoreSurvivesACrashAfterEachStep leaves behind what a crash between any two steps leaves, and starts again in the same Pod and
// in another one that holds no grant.
func TestARestoreSurvivesACrashAfterEachStep(t *testing.T) {
	made := func(b *bench) Volume { return Volume{DataDir: b.Volume.restorePath()} }
	steps := []struct {
		name string
		do   func(*bench)
	}{
		{"the volume is admitted", func(b *bench) { b.do(b.admit(GrantEmpty)) }},
		{"etcdutl has begun", func(b *bench) { b.write(made(b).db(), "the da") }},
		{"etcdutl has ended", func(b *bench) {
			b.write(made(b).db(), "the data")
			b.write(filepath.Join(made(b).walDir(), "0-0.wal"), "log\n")
		}},
		{"the database is in its place", func(b *bench) { b.do(os.Rename(made(b).snapDir(), b.Volume.snapDir())) }},
		{"the log is in its place", func(b *bench) {
			b.do(os.Rename(filepath.Join(made(b).walDir(), "0-0.wal"), filepath.Join(b.Volume.walDir(), "0-0.wal")))
		}},
		{"the canary is gone", func(b *bench) { b.do(os.Remove(b.Volume.canary())) }},
		{"what was left over is gone", func(b *bench) { b.do(os.RemoveAll(b.Volume.restorePath())) }},
	}
	for done := range steps {
		for _, pod := range []string{"the same Pod", "another Pod"} {
			t.Run(steps[done].name+", "+pod, func(t *testing.T) {
				b := newBench(t, unpacks)
				for _, step := range steps[:done+1] {
					step.do(b)
				}
				grant := GrantEmpty
				if pod == "another Pod" {
					b.newPod()
					grant = GrantNone
				}
				b.do(b.start(grant))
				b.wantRestored()
				committed := done >= 4
				if committed && len(b.called()) > 0 {
					t.Error("it was restored once more, although the log was in its place")
				}
				b.emptied()
				b.write(b.snapshot.File, "the data of the past")
				if err := b.start(GrantEmpty); err == nil {
					t.Error("emptied afterwards, the volume is restored on once more")
				}
			})
		}
	}
}

// TestALogNeverLiesBesideACanary: with both, a log that goes later would look like one that never was.
func TestALogNeverLiesBesideACanary(t *testing.T) {
	b := newBench(t, unpacks)
	b.do(b.admit(GrantEmpty))
	b.write(filepath.Join(b.Volume.walDir(), "0-0.wal"), "log\n")
	b.newPod()
	b.do(b.admit(GrantNone)) // without a word of a restore
	if b.Volume.IsVirgin() {
		t.Error("etcd starts beside the canary")
	}
}

func TestTheLogComesLast(t *testing.T) {
	b := newBench(t, unpacks)
	b.do(b.admit(GrantEmpty))
	b.write(filepath.Join(Volume{DataDir: b.Volume.restorePath()}.walDir(), "0-0.wal"), "log\n")
	if err := b.Volume.adopt(); err == nil {
		t.Fatal("there was no database to move")
	}
	if found, err := b.Volume.inspect(); err != nil || found.log || !found.virgin {
		t.Errorf("the log is there without the database: %+v, %v", found, err)
	}
}

func TestARestoreThatFailsSaysWhyAndIsTriedAgain(t *testing.T) {
	for claim, tc := range map[string]struct{ script, want string }{
		"its words are told":   {"echo x >&2; echo 'Error: expected sha256 [1], got [2]' >&2; exit 1", "expected sha256 [1], got [2]"},
		"without words":        {"exit 3", "exit status 3"},
		"it is killed":         {"kill -9 $$", "killed"},
		"nothing is made":      {"true", "0 logs"},
		"two logs are made":    {unpacks + "\necho log > $dir/member/wal/1-1.wal", "2 logs"},
		"no database is made":  {unpacks + "\nrm $dir/member/snap/db", "not there"},
		"an empty one is made": {unpacks + "\n: > $dir/member/snap/db", "empty"},
	} {
		t.Run(claim, func(t *testing.T) {
			b := newBench(t, tc.script)
			err := b.start(GrantEmpty)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Reason != RestoreFailed || !strings.Contains(refusal.Message, tc.want) ||
				refusal.Volume != mine.VolumeUID {
				t.Fatalf("got %v", err)
			}
			if !b.Volume.IsVirgin() {
				t.Error("the volume has lost what says that etcd never ran on it")
			}
			healthy := newBench(t, unpacks)
			b.command[0], b.calls = healthy.command[0], healthy.calls
			b.do(b.start(GrantNone))
			b.wantRestored()
		})
	}
}

func TestARestoreThatIsToldToStopLeavesNothingBehindThatCounts(t *testing.T) {
	b := newBench(t, "exec sleep 60")
	b.do(b.admit(GrantEmpty))
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for len(b.called()) == 0 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	if err := b.Restore(ctx, b.snapshot, b.command); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if !b.Volume.IsVirgin() {
		t.Error("the volume has lost what says that etcd never ran on it")
	}
}

func TestEtcdMustBeToldWhoItIsForARestore(t *testing.T) {
	b := newBench(t, unpacks)
	b.command = b.command[:2]
	var refusal *Refusal
	if err := b.start(GrantEmpty); !errors.As(err, &refusal) || refusal.Reason != RestoreFailed {
		t.Errorf("got %v", err)
	}
}

package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Snapshot is the one that a new cluster begins with.
type Snapshot struct {
	File string // with etcd's checksum at its end
	Bump int64  // is added to the revision, and all before is marked as compacted; 0 leaves both out
}

// restorePath is where the data of a snapshot are made, beside the directory in which etcd looks for them.
func (v Volume) restorePath() string { return filepath.Join(filepath.Dir(v.DataDir), "restore") }

// Restore makes the data that etcd starts with from a snapshot, on a volume that was admitted and on which etcd has never run; on any
// other it does nothing. command is etcd's: it says who the member is.
//
// The log is what makes data of files, by etcd's own test, and it comes last, in one piece. Until then the canary is there, and a start
// that was interrupted begins anew; from then on nobody restores here again.
func (l Launcher) Restore(ctx context.Context, s Snapshot, command []string) error {
	err := l.restore(ctx, s, command)
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		refusal.Volume = l.Marker.VolumeUID
	}
	return err
}

func (l Launcher) restore(ctx context.Context, s Snapshot, command []string) error {
	found, err := l.Volume.inspect()
	if err != nil {
		return err
	}
	switch {
	case found.log:
		return l.Volume.tidy(s)
	case !found.virgin || found.marker == nil || *found.marker != l.Marker:
		return refuse(DataLost, "the volume was not admitted for a first start: nothing is restored on it")
	}
	if err := os.RemoveAll(l.Volume.restorePath()); err != nil {
		return unreadable(err)
	}
	if err := l.Volume.unpack(ctx, s, command); err != nil {
		return err
	}
	if err := l.Volume.adopt(); err != nil {
		return err
	}
	if err := l.Volume.settle(); err != nil {
		return err
	}
	return l.Volume.tidy(s)
}

// unpack lets etcdutl make the data. It checks the snapshot's checksum before it writes.
func (v Volume) unpack(ctx context.Context, s Snapshot, command []string) error {
	args, err := restoreArgs(s, command)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // Pdeathsig speaks of the thread
	defer runtime.UnlockOSThread()
	tool := exec.CommandContext(ctx, filepath.Join(filepath.Dir(command[0]), "etcdutl"), append(args, "--data-dir="+v.restorePath())...)
	said := &tail{}
	tool.Stdout, tool.Stderr = os.Stderr, io.MultiWriter(os.Stderr, said)
	tool.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	switch err := tool.Run(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return refuse(RestoreFailed, "etcdutl cannot restore the snapshot (%v): %s", err, said.last())
	}
	return v.checkUnpacked()
}

// restoreArgs tells etcdutl of the member what etcd is told.
func restoreArgs(s Snapshot, command []string) ([]string, error) {
	args := []string{"snapshot", "restore", s.File}
	for _, flag := range []string{"--name=", "--initial-cluster=", "--initial-cluster-token=", "--initial-advertise-peer-urls="} {
		given := ""
		for _, arg := range command {
			if strings.HasPrefix(arg, flag) {
				given = arg
			}
		}
		if given == "" {
			return nil, refuse(RestoreFailed, "etcd is not given %s", strings.TrimSuffix(flag, "="))
		}
		args = append(args, given)
	}
	if s.Bump > 0 {
		args = append(args, "--bump-revision="+strconv.FormatInt(s.Bump, 10), "--mark-compacted")
	}
	return args, nil
}

// checkUnpacked believes nobody that the data are complete: there is one log, and a database.
func (v Volume) checkUnpacked() error {
	made := Volume{DataDir: v.restorePath()}
	logs, err := filepath.Glob(filepath.Join(made.walDir(), "*.wal"))
	if err != nil {
		return unreadable(err)
	}
	info, err := os.Stat(made.db())
	if len(logs) != 1 || err != nil || info.Size() == 0 {
		return refuse(RestoreFailed, "etcdutl has made %d logs and a database that is not there or empty", len(logs))
	}
	return nil
}

// adopt moves what was made to where etcd looks for it: the log last.
func (v Volume) adopt() error {
	made := Volume{DataDir: v.restorePath()}
	if err := syncTree(made.DataDir); err != nil {
		return unreadable(err)
	}
	if err := os.RemoveAll(v.snapDir()); err != nil { // of a start that was interrupted
		return unreadable(err)
	}
	if err := rename(made.snapDir(), v.snapDir()); err != nil {
		return err
	}
	logs, err := filepath.Glob(filepath.Join(made.walDir(), "*.wal"))
	if err != nil || len(logs) != 1 {
		return refuse(RestoreFailed, "%d logs were made: %v", len(logs), err)
	}
	return rename(logs[0], filepath.Join(v.walDir(), filepath.Base(logs[0])))
}

// settle takes the canary away where there is a log. etcd does so with one that it creates; one that was restored lies beside it.
func (v Volume) settle() error {
	if err := os.Remove(v.canary()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreadable(err)
	}
	if err := syncDir(v.walDir()); err != nil {
		return unreadable(err)
	}
	return nil
}

// tidy removes what is not needed any more.
func (v Volume) tidy(s Snapshot) error {
	if err := errors.Join(os.RemoveAll(v.restorePath()), os.RemoveAll(s.File)); err != nil {
		return unreadable(err)
	}
	return nil
}

// rename moves from to to, on the disk when it returns.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return unreadable(err)
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return unreadable(err)
	}
	return nil
}

// syncTree puts all that is below root on the disk.
func syncTree(root string) error {
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(path) // files are synced in the same way
	})
	if err != nil {
		return fmt.Errorf("sync %s: %w", root, err)
	}
	return nil
}

// tail keeps the end of what a program says.
type tail struct{ text []byte }

const longestTail = 1024

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-longestTail):]
	return len(p), nil
}

// last is the line that a program ended with.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return strings.TrimPrefix(lines[len(lines)-1], "Error: ")
}

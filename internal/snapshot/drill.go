package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/database"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const (
	throwaway = "drill"
	// serveTimeout is for etcd to read gigabytes; comparing reads them again.
	serveTimeout   = 5 * time.Minute
	compareTimeout = 5 * time.Minute
	// stopTimeout is how long etcd may take to end by itself.
	stopTimeout = 5 * time.Second
	pollEvery   = 100 * time.Millisecond
)

// errDrill: the restored member is not what was saved.
var errDrill = errors.New("the restored member is not what was saved")

// drill restores what is stored into a member of its own, which nobody else can reach, and asks it for its data.
func (a *Agent) drill(ctx context.Context, t task.Task, place store.Place) error {
	if t.Expect.Revision == 0 {
		return because(task.BadTask, fmt.Errorf("%w: it does not say what to expect", errTask))
	}
	dir := filepath.Join(a.Roots.Scratch, throwaway)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return scratchError(fmt.Errorf("prepare the scratch directory: %w", err))
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "snapshot.db")
	if _, err := a.obtain(ctx, t, place, file); err != nil {
		return err
	}
	d, err := a.newThrowaway(dir)
	if err != nil {
		return err
	}
	if err := d.restore(ctx, file); err != nil {
		return err
	}
	_ = os.Remove(file) // etcd has a copy, and space may be scarce
	stop, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	return a.compare(ctx, t, d)
}

// throwawayMember is a cluster of one that listens on loopback.
type throwawayMember struct {
	programs, data     string
	clientURL, peerURL string
	log                string
	ended              chan struct{}
}

func (a *Agent) newThrowaway(dir string) (*throwawayMember, error) {
	client, err := freePort()
	if err != nil {
		return nil, because(task.BadTask, err)
	}
	peer, err := freePort()
	if err != nil {
		return nil, because(task.BadTask, err)
	}
	return &throwawayMember{
		programs: a.Roots.Programs, data: filepath.Join(dir, "data"), clientURL: "http://" + client, peerURL: "http://" + peer,
		log: filepath.Join(dir, "log"), ended: make(chan struct{}),
	}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// command runs one of etcd's programs without the environment: etcd would take ETCD_ variables for settings, and log them.
func (d *throwawayMember) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.programs, name), args...)
	cmd.Env = []string{"GOTRACEBACK=none"}
	return cmd
}

// restore has etcdutl check and restore the snapshot. Nobody will log in, so authentication is switched off in the copy.
func (d *throwawayMember) restore(ctx context.Context, file string) error {
	cmd := d.command("etcdutl", "snapshot", "restore", file, "--data-dir="+d.data, "--name="+throwaway,
		"--initial-cluster="+throwaway+"="+d.peerURL, "--initial-cluster-token="+throwaway, "--initial-advertise-peer-urls="+d.peerURL)
	log, err := os.Create(d.log)
	if err != nil {
		return scratchError(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return because(task.BadTask, fmt.Errorf("start etcdutl: %w", err))
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	if err := cmd.Wait(); err != nil {
		return because(d.reason(task.SnapshotDamaged), fmt.Errorf("etcdutl does not restore the snapshot: %w: %s", err, d.last()))
	}
	if err := database.DisableAuth(filepath.Join(d.data, "member", "snap", "db")); err != nil {
		return because(task.DrillFailed, err)
	}
	return nil
}

// start runs etcd. Calling what it returns ends it.
func (d *throwawayMember) start(ctx context.Context) (stop func(), err error) {
	log, err := os.Create(d.log)
	if err != nil {
		return nil, scratchError(err)
	}
	defer log.Close()
	cmd := d.command("etcd", "--name="+throwaway, "--data-dir="+d.data, "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls="+d.clientURL, "--advertise-client-urls="+d.clientURL,
		"--listen-peer-urls="+d.peerURL, "--initial-advertise-peer-urls="+d.peerURL,
		"--initial-cluster="+throwaway+"="+d.peerURL, "--initial-cluster-token="+throwaway)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, because(task.BadTask, fmt.Errorf("start etcd: %w", err))
	}
	go func() {
		_ = cmd.Wait() // that it ended is all that counts
		close(d.ended)
	}()
	unbind := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	return func() {
		unbind()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.ended:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-d.ended
		}
	}, nil
}

const (
	lastBytes = 400
	noSpace   = "no space left on device"
)

// last is the end of what a program said.
func (d *throwawayMember) last() string {
	text, _ := os.ReadFile(d.log) // nothing is as good as no file
	return string(text[max(0, len(text)-lastBytes):])
}

// reason is the one given, unless the node had no space.
func (d *throwawayMember) reason(otherwise task.Reason) task.Reason {
	if text, err := os.ReadFile(d.log); err == nil && bytes.Contains(text, []byte(noSpace)) {
		return task.ScratchFull
	}
	return otherwise
}

// compare asks the member for what the snapshot recorded.
func (a *Agent) compare(ctx context.Context, t task.Task, d *throwawayMember) error {
	member, err := a.Dial(etcd.Target{Endpoint: d.clientURL})
	if err != nil {
		return because(task.BadTask, err)
	}
	defer member.Close()
	if err := d.await(ctx, member); err != nil {
		return err
	}
	ctx, end := context.WithTimeout(ctx, compareTimeout)
	defer end()
	status, err := member.Status(ctx)
	if err != nil {
		return because(task.DrillFailed, fmt.Errorf("%w: read status: %w", errDrill, err))
	}
	if status.Revision != t.Expect.Revision {
		return because(task.DrillFailed, fmt.Errorf("%w: it is at revision %d and was at %d", errDrill, status.Revision, t.Expect.Revision))
	}
	if want := t.Expect.TotalKeys; want != nil {
		count, err := member.CountKeys(ctx, t.Expect.Revision)
		if err != nil || count != *want {
			return because(task.DrillFailed, errors.Join(fmt.Errorf("%w: it has %d keys and had %d", errDrill, count, *want), err))
		}
	}
	if want := t.Expect.HashKV; want != "" {
		hash, err := member.HashKV(ctx, t.Expect.Revision)
		if got := formatSum(hash.Hash); err != nil || got != want {
			return because(task.DrillFailed, errors.Join(fmt.Errorf("%w: its HashKV is %s and was %s", errDrill, got, want), err))
		}
	}
	a.Log.Info("restored and compared", "revision", status.Revision, "hashKV", t.Expect.HashKV)
	return nil
}

// await waits for the member to serve.
func (d *throwawayMember) await(ctx context.Context, member etcd.Saver) error {
	ctx, end := context.WithTimeout(ctx, serveTimeout)
	defer end()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := member.Read(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			return because(d.reason(task.DrillFailed), fmt.Errorf("%w: etcd does not run on it: %s", errDrill, d.last()))
		case <-ctx.Done():
			return because(task.DrillFailed, fmt.Errorf("%w: it does not serve: %w", errDrill, err))
		case <-tick.C:
		}
	}
}

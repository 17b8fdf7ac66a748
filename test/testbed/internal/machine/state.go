package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

// State is the folder that tells what testbed runs on this machine. It lies outside of every clone, so that
// a testbed can be stopped after its clone is gone.
type State struct {
	Dir string
}

// Here is the state of this machine.
func Here() State { return State{Dir: "/run/etcd-operator-testbed"} }

// Processes returns the pid files.
func (s State) Processes() process.Table { return process.Table{Dir: filepath.Join(s.Dir, "pids")} }

// Owner returns the folder of the testbed that was started last; empty if none was.
func (s State) Owner() string {
	raw, err := os.ReadFile(filepath.Join(s.Dir, "owner"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// SetOwner records the folder of the testbed that is started.
func (s State) SetOwner(dir string) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("create machine state: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "owner"), []byte(dir+"\n"), 0o644); err != nil {
		return fmt.Errorf("record owner: %w", err)
	}
	return nil
}

// ClearOwner forgets the owner.
func (s State) ClearOwner() error {
	if err := os.Remove(filepath.Join(s.Dir, "owner")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget owner: %w", err)
	}
	return nil
}

// Lock lets one command at a time change the machine; release gives the lock back.
func (s State) Lock(ctx context.Context, waiting func()) (release func(), err error) {
	return Lock(ctx, filepath.Join(s.Dir, "lock"), waiting)
}

// Lock takes a file lock, which ends with the process however that ends. waiting is called once when another
// command has it.
func Lock(ctx context.Context, file string, waiting func()) (release func(), err error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, fmt.Errorf("create lock folder: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("take lock: %w", err)
		}
		if first && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for lock: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

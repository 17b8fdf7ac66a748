package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Table is the set of pid files of the running testbed.
type Table struct {
	// Dir holds one file NAME.pid per process.
	Dir string
}

// Program describes a program to start in the background.
type Program struct {
	Name  string
	Path  string
	Args  []string
	Log   string
	Owner string
	// Env is added to the launcher's environment.
	Env []string
	// Namespaces are CLONE_NEW* flags for the new process.
	Namespaces uintptr
}

// Start starts a program in a session of its own and records it; a program that runs is left alone.
func (t Table) Start(p Program) (started bool, err error) {
	if t.Running(p.Name) {
		return false, nil
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return false, fmt.Errorf("open log of %s: %w", p.Name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(append(os.Environ(), p.Env...), Mark+"="+p.Owner)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Cloneflags: p.Namespaces}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start %s: %w", p.Name, err)
	}
	// Reap it if it ends while this command still runs, so that it does not look alive as a zombie.
	go func() { _ = cmd.Wait() }()
	id, err := Identify(cmd.Process.Pid)
	if err != nil {
		return false, fmt.Errorf("start %s: it ended at once, see %s: %w", p.Name, p.Log, err)
	}
	if err := t.write(p.Name, id); err != nil {
		_ = id.Signal(syscall.SIGKILL)
		return false, err
	}
	return true, nil
}

func (t Table) file(name string) string { return filepath.Join(t.Dir, name+".pid") }

func (t Table) write(name string, id Identity) error {
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return fmt.Errorf("create folder of pid files: %w", err)
	}
	line := fmt.Sprintf("%d %d\n", id.PID, id.Start)
	if err := os.WriteFile(t.file(name), []byte(line), 0o644); err != nil {
		return fmt.Errorf("write pid of %s: %w", name, err)
	}
	return nil
}

// Get returns the recorded identity, running or not.
func (t Table) Get(name string) (Identity, bool) {
	raw, err := os.ReadFile(t.file(name))
	if err != nil {
		return Identity{}, false
	}
	var id Identity
	if _, err := fmt.Sscan(string(raw), &id.PID, &id.Start); err != nil {
		return Identity{}, false
	}
	return id, true
}

// Running says whether the recorded process runs.
func (t Table) Running(name string) bool {
	id, ok := t.Get(name)
	return ok && id.Alive()
}

// StartedAt returns when the process was started, to the second.
func (t Table) StartedAt(name string) time.Time {
	info, err := os.Stat(t.file(name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().Truncate(time.Second)
}

// Names lists what is recorded, sorted.
func (t Table) Names() []string {
	files, err := filepath.Glob(filepath.Join(t.Dir, "*.pid"))
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".pid"))
	}
	sort.Strings(names)
	return names
}

// Stop ends the recorded process and forgets it.
func (t Table) Stop(name string, grace time.Duration) error {
	if id, ok := t.Get(name); ok {
		if err := id.Stop(grace); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
	}
	if err := os.Remove(t.file(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

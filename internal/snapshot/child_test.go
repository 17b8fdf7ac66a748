package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// childVariable makes the test binary an agent: a process that can be killed.
const childVariable = "SNAPSHOT_AGENT"

// order is what such an agent is told.
type childOrder struct {
	Kind  task.Kind
	Task  task.Task
	Roots Roots
	Full  string // a directory that has little space
}

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var o childOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if o.Full != "" {
		if err := syscall.Mount("tmpfs", o.Full, "tmpfs", 0, "size=4m"); err != nil {
			panic(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a := &Agent{
		Roots: o.Roots, Getenv: os.Getenv, Dial: etcd.Adapter{}.DialSaver, Now: time.Now, Progress: &Progress{}, Log: logTo(os.Stderr),
	}
	_ = tell(a.Run(ctx, o.Kind, o.Task), os.Stdout)
}

// child is an agent in a process of its own.
type child struct {
	cmd         *exec.Cmd
	out, errors bytes.Buffer
}

// child starts one. In it the directory full, if any, has room for 4 MiB.
func (w *world) child(t *testing.T, kind task.Kind, what task.Task, full string) *child {
	t.Helper()
	text, err := json.Marshal(childOrder{Kind: kind, Task: what, Roots: w.agent.Roots, Full: full})
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errors
	if full != "" {
		c.cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	return c
}

func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait()
}

// report waits for the end.
func (c *child) report(t *testing.T) task.Report {
	t.Helper()
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("the agent ended with %v: %s", err, c.errors.String())
	}
	return task.ParseReport(c.out.String())
}

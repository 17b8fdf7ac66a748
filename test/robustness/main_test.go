//go:build robustness

// Package robustness breaks etcd clusters on purpose and proves that they heal and lose nothing. etcd runs as plain processes, each Pod
// in a network of its own; the launcher, the planner, the controllers and the kube-apiserver are the real ones, the kubelet is ours.
package robustness

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	insideVariable = "ROBUSTNESS_INSIDE"
	// overlayVariable names a go build overlay for the launcher: the suite of seeded bugs sets it.
	overlayVariable = "ROBUSTNESS_OVERLAY"
	repository      = "../.."
)

var (
	flagFaults  = flag.String("faults", "", "kinds of faults, separated by commas; empty means all")
	flagSeed    = flag.Uint64("seed", 1, "seed of the first fault")
	flagCount   = flag.Int("n", 40, "how many faults")
	flagCI      = flag.Bool("ci", false, "run the selection for CI instead")
	flagWorlds  = flag.Int("worlds", 5, "clusters side by side")
	flagResults = flag.String("results", "", "folder to add the results to; empty keeps none")
	flagKeepAll = flag.Bool("keep-all", false, "keep the logs of what went well, too")
	flagKeep    = flag.String("keep", "", "folder for the logs of what failed; empty means one in the temporary directory")
)

// The first thread keeps its namespaces: what is said of this process is said of them. Only the main goroutine runs on it.
func init() { runtime.LockOSThread() }

// TestMain runs the tests as the first process of namespaces of its own: whatever becomes of them, no process, mount, address or
// link is left behind.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(insideVariable) == "" {
		os.Exit(enter())
	}
	if err := settle(); err != nil {
		fmt.Fprintln(os.Stderr, "robustness: prepare the namespaces:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// enter starts this program again in namespaces of its own.
func enter() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "robustness: NOT RUN: it makes namespaces and mounts, and has to be run as root")
		return 1
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "robustness: NOT RUN: namespaces cannot be made:", err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "robustness:", err)
		return 1
	}
	return 0
}

// work is where everything is kept while the tests run: memory, in a mount that only they see.
const work = "/mnt"

// keptLogs is where the logs of failures go.
var keptLogs string

func settle() error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		data                 string
	}{
		{"", "/", "", syscall.MS_PRIVATE | syscall.MS_REC, ""},
		{"proc", "/proc", "proc", 0, ""},
		{"tmpfs", work, "tmpfs", 0, "size=16g,mode=1777"},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if keptLogs = *flagKeep; keptLogs == "" {
		keptLogs = filepath.Join(os.TempDir(), "etcd-operator-robustness")
	}
	return errors.Join(os.MkdirAll(keptLogs, 0o755), os.Setenv("TMPDIR", work), layNetwork())
}

// assets is where the testbed puts what it builds.
func assets() string {
	if dir := os.Getenv("ROBUSTNESS_ASSETS"); dir != "" {
		return dir
	}
	return filepath.Join(repository, ".testbed", "bin")
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

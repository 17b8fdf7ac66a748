//go:build robustness

package robustness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// All Pods hang on one bridge that leads nowhere else. We are on it too, as the node is.
const (
	bridge = "pods"
	hostIP = "10.244.0.1"
)

var lastAddress atomic.Int32

func layNetwork() error {
	return ip("link set lo up", "link add "+bridge+" type bridge", "addr add "+hostIP+"/16 dev "+bridge, "link set "+bridge+" up")
}

func ip(lines ...string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(lines, "; "), err, out)
	}
	return nil
}

// sandbox is the network of one Pod. Its address is never given out again.
type sandbox struct {
	ip    string
	link  string // our end of its cable
	space *os.File
}

func newSandbox() (*sandbox, error) {
	n := lastAddress.Add(1) + 1
	s := &sandbox{ip: fmt.Sprintf("10.244.%d.%d", n>>8, n&0xff), link: fmt.Sprintf("pod%d", n)}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make network namespace: %w", err)
		}
		var err error
		if s.space, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return ip("link set lo up", fmt.Sprintf("link add eth0 type veth peer name %s netns %d", s.link, os.Getpid()),
			"addr add "+s.ip+"/16 dev eth0", "link set eth0 up")
	})
	if err == nil {
		err = ip("link set "+s.link+" master "+bridge, "link set "+s.link+" up")
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// plug connects or disconnects the Pod.
func (s *sandbox) plug(in bool) error {
	if in {
		return ip("link set " + s.link + " up")
	}
	return ip("link set " + s.link + " down")
}

// start starts a process in the sandbox: a child has the network of the thread that forks it.
func (s *sandbox) start(cmd *exec.Cmd) error {
	return onThread(func() error {
		if err := unix.Setns(int(s.space.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return cmd.Start()
	})
}

// close lets the network go once the last process in it has ended.
func (s *sandbox) close() error {
	if s.space == nil {
		return nil
	}
	return s.space.Close()
}

// onThread runs f on a thread of its own, which ends with it: it may change its namespaces.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

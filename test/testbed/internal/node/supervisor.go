package node

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// supervisor starts the node's programs and, as PID 1, also reaps what others leave behind. All children end in
// its one wait loop, so os/exec, which waits by itself, must not be used beside it.
type supervisor struct {
	mu   sync.Mutex
	ends map[int]chan syscall.WaitStatus
}

func newSupervisor() *supervisor {
	s := &supervisor{ends: map[int]chan syscall.WaitStatus{}}
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, syscall.SIGCHLD)
	go func() {
		for {
			s.reap()
			select {
			case <-signals:
			case <-time.After(time.Second):
			}
		}
	}()
	return s
}

func (s *supervisor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if pid <= 0 || err != nil {
			return
		}
		s.mu.Lock()
		if end, ok := s.ends[pid]; ok {
			end <- status
			delete(s.ends, pid)
		}
		s.mu.Unlock()
	}
}

// start starts a program; its status comes on the channel when it ends.
func (s *supervisor) start(logFile string, argv ...string) (<-chan syscall.WaitStatus, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("open null device: %w", err)
	}
	defer func() { _ = null.Close() }()
	// The lock makes the wait loop see the entry even if the program ends at once.
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	end := make(chan syscall.WaitStatus, 1)
	s.ends[pid] = end
	return end, nil
}

// run runs a program to its end.
func (s *supervisor) run(logFile string, argv ...string) error {
	end, err := s.start(logFile, argv...)
	if err != nil {
		return err
	}
	if status := <-end; status.ExitStatus() != 0 {
		return fmt.Errorf("run %s: it ended with %d, see %s", argv[0], status.ExitStatus(), logFile)
	}
	return nil
}

// keep starts a program again whenever it ends, as an init system would.
func (s *supervisor) keep(logFile string, argv ...string) {
	for {
		end, err := s.start(logFile, argv...)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		} else {
			status := <-end
			fmt.Fprintf(os.Stderr, "%s ended (exit %d, signal %d), starting it again\n", argv[0], status.ExitStatus(), status.Signal())
		}
		time.Sleep(time.Second)
	}
}

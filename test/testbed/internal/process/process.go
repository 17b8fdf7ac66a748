package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Mark is set in the environment of everything the testbed starts; its value is the testbed's folder.
const Mark = "ETCD_OPERATOR_TESTBED"

// Identity is a process that cannot be mistaken for another one with the same pid.
type Identity struct {
	PID int
	// Start is the start time in clock ticks since boot.
	Start uint64
}

// Identify reads the identity of a running process.
func Identify(pid int) (Identity, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Identity{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	state, start, err := parseStat(raw)
	if err != nil {
		return Identity{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return Identity{}, fmt.Errorf("read process %d: %w", pid, os.ErrProcessDone)
	}
	return Identity{PID: pid, Start: start}, nil
}

// parseStat reads the state and start time; the name before them may hold spaces and brackets.
func parseStat(raw []byte) (byte, uint64, error) {
	end := bytes.LastIndexByte(raw, ')')
	if end < 0 {
		return 0, 0, errors.New("find the end of the name")
	}
	fields := strings.Fields(string(raw[end+1:]))
	const startField = 19
	if len(fields) <= startField {
		return 0, 0, errors.New("find the start time")
	}
	start, err := strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("parse the start time: %w", err)
	}
	return fields[0][0], start, nil
}

// Alive says whether this very process still runs.
func (i Identity) Alive() bool {
	if i.PID <= 0 {
		return false
	}
	now, err := Identify(i.PID)
	return err == nil && now == i
}

// Signal sends a signal if this very process still runs.
func (i Identity) Signal(sig syscall.Signal) error {
	if !i.Alive() {
		return nil
	}
	if err := syscall.Kill(i.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process %d: %w", i.PID, err)
	}
	return nil
}

// Wait waits until the process has ended; it says whether it did so in time.
func (i Identity) Wait(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if !i.Alive() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// Stop asks the process to end, and kills it when it has not after the grace time.
func (i Identity) Stop(grace time.Duration) error {
	if grace > 0 {
		if err := i.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		if i.Wait(grace) {
			return nil
		}
	}
	if err := i.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !i.Wait(10 * time.Second) {
		return fmt.Errorf("end process %d: it is still there after SIGKILL", i.PID)
	}
	return nil
}

// Marked lists the processes that carry the testbed's mark, except this one and its parents.
func Marked() []Identity {
	own := ancestors()
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []Identity
	for _, e := range entries {
		pid, err := strconv.Atoi(filepath.Base(e))
		if err != nil || own[pid] {
			continue
		}
		env, err := os.ReadFile(filepath.Join(e, "environ"))
		if err != nil || !hasMark(env) {
			continue
		}
		if id, err := Identify(pid); err == nil {
			found = append(found, id)
		}
	}
	return found
}

func hasMark(env []byte) bool {
	prefix := []byte(Mark + "=")
	return bytes.HasPrefix(env, prefix) || bytes.Contains(env, append([]byte{0}, prefix...))
}

func ancestors() map[int]bool {
	own := map[int]bool{}
	for pid := os.Getpid(); pid > 1 && !own[pid]; {
		own[pid] = true
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			break
		}
		fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if len(fields) < 2 {
			break
		}
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			break
		}
	}
	return own
}

package launcher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How often etcd is asked how far it is, and how often it must have been at the same point to be waiting in vain.
const (
	joinInterval = 100 * time.Millisecond
	joinLooks    = 4
)

// Join runs etcd as a member that joins and has no data yet, until it ends or ctx does. It returns true if it ended etcd itself, and
// etcd is to be started again: that is when etcd has its data and waits in vain.
//
// A member that starts announces itself to the others, and serves when it has applied the announcement itself. If it gets its data by
// a snapshot that was taken after the announcement, it never applies it, and tries again after 7 s (publishV3). A start on
// the data takes less than a second.
func Join(ctx context.Context, command []string, metrics string) (bool, error) {
	runtime.LockOSThread() // Pdeathsig speaks of the thread
	running, end := context.WithCancel(ctx)
	defer end()
	etcd := exec.CommandContext(running, command[0], command[1:]...)
	etcd.Stdin, etcd.Stdout, etcd.Stderr = os.Stdin, os.Stdout, os.Stderr
	etcd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	etcd.Cancel = func() error { return etcd.Process.Signal(syscall.SIGTERM) }
	if err := etcd.Start(); err != nil {
		return false, fmt.Errorf("start %s: %w", command[0], err)
	}
	vain := make(chan bool, 1)
	go func() {
		found := waitsInVain(running, metrics)
		vain <- found
		if found {
			end()
		}
	}()
	err := etcd.Wait()
	end()
	switch again := <-vain; {
	case ctx.Err() != nil: // asked to stop: how etcd ends then depends on whether it is the first process
		return false, nil
	case again:
		return true, nil
	}
	return false, err
}

// waitsInVain watches etcd until it has announced itself (false), or has applied all there is and still waits (true).
func waitsInVain(ctx context.Context, metrics string) bool {
	tick := time.NewTicker(joinInterval)
	defer tick.Stop()
	for looks := 0; looks < joinLooks; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		switch p, err := readProgress(ctx, metrics); {
		case err != nil || p.applied == 0 || p.applied < p.committed || p.applying > 0:
			looks = 0
		case p.pending == 0:
			return false
		default:
			looks++
		}
	}
	return true
}

// progress is how far a member is: entries that are committed and applied, snapshots that are being applied, and requests that wait
// to be. Its own announcement is the only request that it can have before it serves.
type progress struct{ committed, applied, applying, pending float64 }

func readProgress(ctx context.Context, url string) (progress, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return progress{}, fmt.Errorf("ask etcd for its metrics: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return progress{}, fmt.Errorf("ask etcd for its metrics: %w", err)
	}
	defer answer.Body.Close()
	var p progress
	values := map[string]*float64{
		"etcd_server_proposals_committed_total":        &p.committed,
		"etcd_server_proposals_applied_total":          &p.applied,
		"etcd_server_snapshot_apply_in_progress_total": &p.applying,
		"etcd_server_proposals_pending":                &p.pending,
	}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, wanted := values[name]; wanted {
			if *v, err = strconv.ParseFloat(value, 64); err != nil {
				return progress{}, fmt.Errorf("read etcd's metric %s: %w", name, err)
			}
			delete(values, name)
		}
	}
	if len(values) > 0 {
		return progress{}, fmt.Errorf("read etcd's metrics: %w", errors.Join(lines.Err(), errIncomplete))
	}
	return p, nil
}

var errIncomplete = errors.New("some are missing")

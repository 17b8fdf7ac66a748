package launcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Rehearsal is a start of etcd alone and on an empty directory, to see whether it takes what it is given.
type Rehearsal struct {
	Command []string
	URL     string        // where it serves clients
	Version string        // that it has to be of, as far as the minor goes
	Limit   time.Duration // for serving
}

const rehearsalInterval = 30 * time.Millisecond

var errNotServed = errors.New("time is up")

// Run returns nil as soon as etcd serves, a *Refusal if it does not, and another error if ctx has ended before that is known. etcd does
// not outlive it.
func (r Rehearsal) Run(ctx context.Context) error {
	runtime.LockOSThread() // Pdeathsig speaks of the thread
	defer runtime.UnlockOSThread()
	running, end := context.WithTimeoutCause(ctx, r.Limit, errNotServed)
	defer end()
	said := &words{}
	etcd := exec.CommandContext(running, r.Command[0], r.Command[1:]...)
	etcd.Stdout, etcd.Stderr = io.MultiWriter(os.Stderr, said), io.MultiWriter(os.Stderr, said)
	etcd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	etcd.WaitDelay = time.Second
	switch err := etcd.Start(); {
	case ctx.Err() != nil && err != nil:
		return fmt.Errorf("rehearse: %w", ctx.Err())
	case err != nil:
		return refuse(RehearsalFailed, "etcd cannot be started: %v", err)
	}
	served := make(chan string, 1)
	go func() {
		served <- r.serves(running)
		end()
	}()
	_ = etcd.Wait() // how it ended is in its state
	late := errors.Is(context.Cause(running), errNotServed)
	end()
	switch version := <-served; {
	case ctx.Err() != nil:
		return fmt.Errorf("rehearse: %w", ctx.Err())
	case version != "" && !strings.HasPrefix(version+".", minorOf(r.Version)+"."):
		return refuse(RehearsalFailed, "the image of %s holds etcd %s", r.Version, version)
	case version != "":
		return nil
	case late:
		return refuse(RehearsalFailed, "etcd has not served within %s%s", r.Limit, said.quote())
	}
	return refuse(RehearsalFailed, "etcd does not start (%s)%s", etcd.ProcessState, said.quote())
}

// serves waits until etcd is ready, and says of which version it is; empty if ctx ends before.
func (r Rehearsal) serves(ctx context.Context) string {
	tick := time.NewTicker(rehearsalInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ""
		case <-tick.C:
		}
		if _, err := read(ctx, r.URL+"/readyz"); err != nil {
			continue
		}
		var answer struct{ Etcdserver string }
		if text, err := read(ctx, r.URL+"/version"); err == nil && json.Unmarshal(text, &answer) == nil && answer.Etcdserver != "" {
			return answer.Etcdserver
		}
	}
}

// read is what a URL answers with 200.
func read(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask etcd: %s", answer.Status)
	}
	const most = 1 << 16
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return nil, fmt.Errorf("ask etcd: %w", err)
	}
	return text, nil
}

func minorOf(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return major + "." + minor
}

// words keeps of what etcd says the line that tells most of why it ended.
type words struct {
	line         []byte // that is not complete yet
	telling, end string
}

const (
	longestLine  = 1 << 16
	longestWords = 300
)

func (w *words) Write(p []byte) (int, error) {
	for _, part := range bytes.SplitAfter(p, []byte("\n")) {
		w.line = append(w.line, part[:min(len(part), longestLine-len(w.line))]...)
		if bytes.HasSuffix(part, []byte("\n")) {
			w.hear(strings.TrimSpace(string(w.line)))
			w.line = w.line[:0]
		}
	}
	return len(p), nil
}

// hear weighs a line. A flag that etcd does not know is followed by how etcd is used.
func (w *words) hear(line string) {
	var entry struct{ Level, Msg, Error string }
	switch {
	case line == "":
		return
	case strings.HasPrefix(line, "flag provided but not defined"), strings.HasPrefix(line, "invalid value "),
		strings.HasPrefix(line, "panic: "):
		w.telling = line
	case json.Unmarshal([]byte(line), &entry) == nil:
		line = entry.Msg
		if entry.Error != "" {
			line += ": " + entry.Error
		}
		if entry.Error != "" || entry.Level == "error" || entry.Level == "panic" || entry.Level == "fatal" {
			w.telling = line
		}
	}
	w.end = line
}

// quote is what to add to a message.
func (w *words) quote() string {
	w.hear(strings.TrimSpace(string(w.line)))
	said := w.telling
	if said == "" {
		said = w.end
	}
	switch {
	case said == "":
		return ", and says nothing"
	case len(said) > longestWords:
		said = strings.ToValidUTF8(said[:longestWords], "") + " ..."
	}
	return ": " + said
}

// Package progress prints one line per step of a long command, with a heartbeat while the step runs.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Interval is the time between two heartbeats.
const Interval = 10 * time.Second

// Printer numbers the steps of one command.
type Printer struct {
	mu    sync.Mutex
	out   io.Writer
	total int
	n     int
	start time.Time
}

// New returns a printer that writes to out.
func New(out io.Writer) *Printer { return &Printer{out: out, start: time.Now()} }

// Expect says how many steps come in all.
func (p *Printer) Expect(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += n
}

// Step is a running step.
type Step struct {
	p      *Printer
	label  string
	start  time.Time
	status func() string
	stop   chan struct{}
	done   sync.WaitGroup
}

// Step starts a step; status, which may be nil, tells how far it is.
func (p *Printer) Step(name string, status func() string) *Step {
	p.mu.Lock()
	p.n++
	label := fmt.Sprintf("[%d/%d] %s", p.n, max(p.total, p.n), name)
	p.mu.Unlock()
	s := &Step{p: p, label: label, start: time.Now(), status: status, stop: make(chan struct{})}
	s.done.Add(1)
	go s.beat()
	return s
}

func (s *Step) beat() {
	defer s.done.Done()
	t := time.NewTicker(Interval)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.p.print("%s ... %s%s", s.label, seconds(s.start), s.detail())
		}
	}
}

func (s *Step) detail() string {
	if s.status == nil {
		return ""
	}
	return ", " + s.status()
}

// Done ends the step; with an error it says that it failed.
func (s *Step) Done(err error) {
	close(s.stop)
	s.done.Wait()
	word := "done"
	if err != nil {
		word = "failed"
	}
	s.p.print("%s %s in %s", s.label, word, seconds(s.start))
}

// Say prints a line outside of the steps.
func (p *Printer) Say(format string, args ...any) { p.print(format, args...) }

// Elapsed returns the time since the command began.
func (p *Printer) Elapsed() time.Duration { return time.Since(p.start) }

func (p *Printer) print(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

func seconds(since time.Time) string {
	d := time.Since(since)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

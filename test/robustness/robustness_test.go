//go:build robustness

package robustness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"

	"github.com/cozystack/etcd-operator/test/robustness/report"
)

// TestRobustness breaks worlds, fault after fault, and demands after each that the world is whole, that nothing acknowledged is lost,
// and that no invariant was violated at any moment.
func TestRobustness(t *testing.T) {
	blocks, err := chosen()
	if !*flagCI {
		var kinds []fault
		if kinds, err = selection(*flagFaults); err == nil {
			blocks, err = deck(kinds, *flagSeed, *flagCount)
		}
	}
	must(t, err)
	h := newHarness(t)
	run := &sitting{t: t, h: h, began: time.Now(), commit: report.Commit()}
	queue := make(chan block)
	var workers sync.WaitGroup
	for range min(*flagWorlds, len(blocks)) {
		workers.Go(func() {
			for b := range queue {
				run.block(b)
			}
		})
	}
	for _, b := range blocks {
		queue <- b
	}
	close(queue)
	workers.Wait()
	run.sum()
}

// sitting is one run of this test.
type sitting struct {
	t      *testing.T
	h      *harness
	began  time.Time
	commit string

	mu      sync.Mutex
	results []result
	worlds  int
}

// block takes a world through its faults. After a failure the rest goes on in a new world.
func (run *sitting) block(b block) {
	for len(b.faults) > 0 {
		done := run.world(b)
		b.faults, b.first = b.faults[done:], b.first+uint64(done)
	}
}

// world says how many of the faults were dealt with.
func (run *sitting) world(b block) int {
	run.mu.Lock()
	run.worlds++
	ns := fmt.Sprintf("w%d", run.worlds)
	run.mu.Unlock()
	w, err := run.h.newWorld(ns, b.cfg, b.first)
	failed := err != nil
	defer func() {
		if w != nil {
			w.end(failed)
		}
	}()
	if err != nil {
		run.note(result{Seed: b.first, Fault: "create", World: b.cfg.String(), Error: err.Error()}, ns)
		return 1
	}
	for n, f := range b.faults {
		r := w.suffer(f, b.first+uint64(n), b.cfg)
		run.note(r, ns)
		if r.Error != "" {
			failed = true
			return n + 1
		}
	}
	return len(b.faults)
}

func (run *sitting) note(r result, ns string) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.results = append(run.results, r)
	if err := run.save(); err != nil {
		run.t.Error(err)
	}
	if r.Error == "" {
		if testing.Verbose() {
			fmt.Printf("%s %-5s seed %-6d %-22s %6.1f s, gap %4.1f s  %s %s\n", time.Now().Format("15:04:05"), ns, r.Seed, r.Fault,
				float64(r.RecoveryMS)/1000, float64(r.GapMS)/1000, r.World, r.Crash)
		}
		return
	}
	block := r.Seed - r.Seed%blockSize
	run.t.Errorf("seed %d, %s, %s, in %s:\n%s\nrepeat: make robustness %sSEED=%d N=1, or with what came before it SEED=%d N=%d; logs below %s",
		r.Seed, r.Fault, r.World, ns, r.Error, faultsArgument(r.Fault), r.Seed, block, r.Seed-block+1, keptLogs)
}

func faultsArgument(kind string) string {
	if *flagFaults == "" && !*flagCI {
		return ""
	}
	if *flagFaults != "" {
		kind = *flagFaults
	}
	return "FAULTS=" + kind + " "
}

// suffer is one fault, and everything that must be true after it.
func (w *world) suffer(f fault, seed uint64, cfg config) result {
	r := result{Seed: seed, Fault: f.name, World: cfg.String(), At: time.Now().UTC().Format(time.RFC3339)}
	s := &scene{w: w, ctx: w.ctx, rng: rand.New(rand.NewPCG(seed, 3)), began: time.Now()}
	var err error
	if s.ids, err = w.identities(w.ctx); err != nil {
		r.Error = "before the fault: " + err.Error()
		return r
	}
	w.load.gap()
	w.load.regs.begin(w.ctx)
	w.logf("fault: %s, seed %d", f.name, seed)
	err = f.inject(s)
	w.logf("fault: %s is over: %v", f.name, err)
	if err == nil {
		err = w.await(recoveryLimit, w.whole)
		r.RecoveryMS = time.Since(s.began).Milliseconds()
		w.logf("fault: %s: whole after %d ms: %v", f.name, r.RecoveryMS, err)
	}
	for _, undo := range s.after {
		err = errors.Join(err, undo())
	}
	r.Crash = s.crash
	r.GapMS = w.load.gap().Milliseconds()
	if err == nil {
		err = w.examine(s, &r)
	} else {
		err = errors.Join(err, w.salvage())
	}
	if err != nil {
		r.Error = err.Error()
		if c, e := w.cluster(w.ctx); e == nil {
			r.Error += "\n" + conditions(c)
			w.logf("%s", r.Error)
		}
	}
	return r
}

// examine holds a whole world to what was promised.
func (w *world) examine(s *scene, r *result) error {
	ctx, cancel := context.WithTimeout(w.ctx, time.Minute)
	defer cancel()
	err := errors.Join(w.sameData(ctx), s.identity(ctx))
	c, dialled := traffic.Dial(w.kubelet.endpoints()...)
	if dialled != nil {
		return errors.Join(err, dialled)
	}
	defer c.Close()
	err = errors.Join(err, w.load.verify(ctx, c), w.load.faults(), w.observer.verdict())
	history := w.load.regs.begin(ctx)
	acked := w.load.journal.Acks()
	r.Operations, r.Acked, w.load.counted = len(history), acked-w.load.counted, acked
	verdict := linear(history)
	r.Linear = string(verdict)
	if verdict == porcupine.Illegal {
		err = errors.Join(err, errors.New("NOT LINEARIZABLE: the history of the registers"))
		for _, o := range history {
			w.logf("history: %+v", o)
		}
	}
	return err
}

// salvage looks at what a world that did not heal has lost.
func (w *world) salvage() error {
	endpoints := w.kubelet.endpoints()
	if len(endpoints) == 0 {
		return nil
	}
	c, err := traffic.Dial(endpoints...)
	if err != nil {
		return err
	}
	defer c.Close()
	return errors.Join(w.load.verify(w.ctx, c), w.load.faults(), w.observer.verdict())
}

// identity checks who was replaced.
func (s *scene) identity(ctx context.Context) error {
	now, err := s.w.identities(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for name, id := range s.ids {
		switch is, there := now[name]; {
		case there && is != id:
			wrong = append(wrong, fmt.Sprintf("%s was %x and is %x", name, id, is))
		case there && slices.Contains(s.lost, name):
			wrong = append(wrong, name+" lost its data and was not replaced")
		case !there && s.keep:
			wrong = append(wrong, name+" was replaced, and need not have been")
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return errors.New("REPLACEMENT: " + strings.Join(wrong, "; "))
	}
	return nil
}

//go:build robustness

package robustness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

const (
	// journalled keys are written once and never deleted.
	journalled = "j/"
	// patience is how long a client waits for one answer.
	patience = time.Second
	// pace is how long the writer of the journal rests between two writes.
	pace = 70 * time.Millisecond
)

// load is what goes on in a world all the time. Its clients are outside the system under test.
type load struct {
	w       *world
	journal *traffic.Journal
	log     *watchLog
	regs    *registers
	lease   *leaseholder
	running sync.WaitGroup
	cancel  context.CancelFunc

	mu    sync.Mutex
	errs  []error
	last  time.Time // of the last acknowledgement
	worst time.Duration

	counted int // acknowledgements that are in results
}

// gap is the longest time without an acknowledgement since it was asked for last.
func (l *load) gap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	worst := max(l.worst, time.Since(l.last))
	l.worst = 0
	return worst
}

func (l *load) acknowledged(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() {
		l.worst = max(l.worst, at.Sub(l.last))
	}
	l.last = at
}

func (w *world) startLoad() error {
	j, err := traffic.NewJournal(w.dir + "/journal")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	l := &load{w: w, journal: j, log: &watchLog{}, regs: newRegisters(w), lease: &leaseholder{}, cancel: cancel, last: time.Now()}
	w.load = l
	for _, part := range []func(context.Context, *clientv3.Client){
		l.write, l.watchAll, l.watchSome, l.hold, l.regs.client(0), l.regs.client(1),
	} {
		c, err := w.dial(ctx)
		if err != nil {
			return err
		}
		l.running.Go(func() {
			defer c.Close()
			part(ctx, c)
		})
	}
	return nil
}

// dial makes a client that follows the members wherever they are.
func (w *world) dial(ctx context.Context) (*clientv3.Client, error) {
	endpoints := w.kubelet.endpoints()
	if len(endpoints) == 0 {
		return nil, errors.New("no member runs")
	}
	c, err := traffic.Dial(endpoints...)
	if err != nil {
		return nil, err
	}
	go func() {
		last := fmt.Sprint(endpoints)
		for ctx.Err() == nil {
			sleep(ctx, 200*time.Millisecond)
			if now := w.kubelet.endpoints(); len(now) > 0 && fmt.Sprint(now) != last {
				c.SetEndpoints(now...)
				last = fmt.Sprint(now)
			}
		}
	}()
	return c, nil
}

// endpoints are the members whose process runs.
func (k *kubelet) endpoints() (all []string) {
	for _, r := range k.all() {
		if r.isRunning() && r.address() != "" {
			all = append(all, "http://"+r.address()+":2379")
		}
	}
	return all
}

func (l *load) failed(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, fmt.Errorf(format, args...))
}

func (l *load) faults() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

func (l *load) stop() {
	l.cancel()
	l.running.Wait()
	_ = l.journal.Close()
}

// write writes keys that are used once. Each tenth is written together with a second one.
func (l *load) write(ctx context.Context, c *clientv3.Client) {
	for n := 0; ctx.Err() == nil; n++ {
		keys := []string{fmt.Sprintf("%s%07d", journalled, n)}
		if n%10 == 0 {
			keys = append(keys, keys[0]+"+")
		}
		var puts []clientv3.Op
		for _, k := range keys {
			if err := l.journal.Sending(k, "of "+k); err != nil {
				l.failed("%w", err)
				return
			}
			puts = append(puts, clientv3.OpPut(k, "of "+k))
		}
		limited, cancel := context.WithTimeout(ctx, patience)
		_, err := c.Txn(limited).Then(puts...).Commit()
		cancel()
		if err == nil {
			l.acknowledged(time.Now())
			for _, k := range keys {
				if err := l.journal.Acknowledged(k, time.Now()); err != nil {
					l.failed("%w", err)
					return
				}
			}
		}
		sleep(ctx, pace)
	}
}

// verify reads everything back.
func (l *load) verify(ctx context.Context, c *clientv3.Client) error {
	acked := l.journal.Acked()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := c.Get(ctx, journalled, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("read the journal back: %w", err)
	}
	stored, revisions := map[string]string{}, map[string]int64{}
	for _, kv := range got.Kvs {
		stored[string(kv.Key)], revisions[string(kv.Key)] = string(kv.Value), kv.ModRevision
	}
	if err := l.journal.Check(acked, stored); err != nil {
		return fmt.Errorf("LOST WRITE: %w", err)
	}
	return l.log.check(ctx, revisions, got.Header.Revision)
}

// leaseholder keeps a key alive.
type leaseholder struct {
	mu      sync.Mutex
	renewed int
}

const leaseSeconds = 15

// hold renews a lease and demands that its key is there for as long as was promised.
func (l *load) hold(ctx context.Context, c *clientv3.Client) {
	const key = "lease"
	var id clientv3.LeaseID
	var until time.Time // the key is promised to live so long
	for ; ctx.Err() == nil; sleep(ctx, 700*time.Millisecond) {
		limited, cancel := context.WithTimeout(ctx, patience)
		began := time.Now()
		if id == 0 {
			if granted, err := c.Grant(limited, leaseSeconds); err == nil {
				if _, err := c.Put(limited, key, fmt.Sprint(granted.ID), clientv3.WithLease(granted.ID)); err == nil {
					id, until = granted.ID, began.Add(leaseSeconds*time.Second)
				}
			}
		} else if kept, err := c.KeepAliveOnce(limited, id); err == nil && kept.TTL > 0 {
			until = began.Add(time.Duration(kept.TTL) * time.Second)
			l.lease.mu.Lock()
			l.lease.renewed++
			l.lease.mu.Unlock()
		}
		cancel()
		if id == 0 {
			continue
		}
		limited, cancel = context.WithTimeout(ctx, patience)
		got, err := c.Get(limited, key)
		cancel()
		switch {
		case err != nil || len(got.Kvs) > 0:
		case time.Now().Before(until):
			l.failed("LEASE: the key went %s before its time", time.Until(until))
			id = 0
		default:
			id = 0 // it was not renewed in time, and is granted anew
		}
	}
}

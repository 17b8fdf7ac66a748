//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// watched is one event as a watch told it.
type watched struct {
	key      string
	revision int64
}

// watchLog is what the watch from revision 1 has told.
type watchLog struct {
	mu     sync.Mutex
	events []watched
	keys   map[string]int64
	seen   int64 // everything up to this revision was told
}

// add takes the events of one answer, which must go on where the last one ended.
func (g *watchLog) add(answer clientv3.WatchResponse) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.keys == nil {
		g.keys = map[string]int64{}
	}
	last := g.seen
	for _, e := range answer.Events {
		key := string(e.Kv.Key)
		switch was, twice := g.keys[key]; {
		case e.Kv.ModRevision <= g.seen:
			return fmt.Errorf("WATCH: revision %d is told after %d, or in two pieces", e.Kv.ModRevision, g.seen)
		case e.Kv.ModRevision < last:
			return fmt.Errorf("WATCH: revision %d is told after %d", e.Kv.ModRevision, last)
		case twice:
			return fmt.Errorf("WATCH: key %s of revision %d is told again at %d", key, was, e.Kv.ModRevision)
		}
		last = e.Kv.ModRevision
		g.keys[key] = last
		g.events = append(g.events, watched{key, last})
	}
	g.seen = max(last, g.seen)
	return nil
}

func (g *watchLog) next() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen + 1
}

// check demands that every key that is stored was told, with its revision, and no other.
func (g *watchLog) check(ctx context.Context, stored map[string]int64, revision int64) error {
	newest := int64(0)
	for _, r := range stored {
		newest = max(newest, r)
	}
	for g.next() <= newest {
		if ctx.Err() != nil {
			return fmt.Errorf("WATCH: it stands at revision %d, and %d is stored", g.next()-1, newest)
		}
		sleep(ctx, 50*time.Millisecond)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, r := range stored {
		if g.keys[key] != r {
			return fmt.Errorf("WATCH: key %s has revision %d, told was %d", key, r, g.keys[key])
		}
	}
	for key, r := range g.keys {
		if stored[key] == 0 && r <= revision {
			return fmt.Errorf("WATCH: key %s was told at revision %d, and is not there at %d", key, r, revision)
		}
	}
	return nil
}

// watchAll follows all keys from revision 1, and goes on where it was whenever the stream ends.
func (l *load) watchAll(ctx context.Context, c *clientv3.Client) {
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		for answer := range c.Watch(inner, journalled, clientv3.WithPrefix(), clientv3.WithRev(l.log.next())) {
			if answer.Err() != nil {
				break
			}
			if err := l.log.add(answer); err != nil {
				l.failed("%w", err)
				cancel()
				return
			}
		}
		cancel()
		sleep(ctx, 100*time.Millisecond)
	}
}

// watchSome begins again and again somewhere in the past, and must be told the same as the other one.
func (l *load) watchSome(ctx context.Context, c *clientv3.Client) {
	for ; ctx.Err() == nil; sleep(ctx, 500*time.Millisecond) {
		top := l.log.next()
		from := max(1, top-rand.Int64N(200)-1)
		inner, cancel := context.WithTimeout(ctx, time.Duration(1+rand.IntN(4))*time.Second)
		var told []watched
		for answer := range c.Watch(inner, journalled, clientv3.WithPrefix(), clientv3.WithRev(from)) {
			for _, e := range answer.Events {
				told = append(told, watched{string(e.Kv.Key), e.Kv.ModRevision})
			}
		}
		cancel()
		if err := l.log.compare(from, told); err != nil {
			l.failed("%w", err)
			return
		}
	}
}

// compare holds what a watch from a revision told against the log, as far as both go.
func (g *watchLog) compare(from int64, told []watched) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := 0
	for _, e := range g.events {
		if e.revision < from {
			continue
		}
		if i == len(told) {
			return nil
		}
		if told[i] != e {
			return fmt.Errorf("WATCH: from revision %d event %d is %v, told before was %v", from, i, told[i], e)
		}
		i++
	}
	return nil
}

//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// number reads a whole number from the environment.
func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("read %s: %v", variable, err)
	}
	return n
}

// writer writes one key after another, to whichever member takes them.
type writer struct {
	end     context.CancelFunc
	ended   chan struct{}
	acks    atomic.Int64
	longest time.Duration
	err     error
}

// write starts a writer. It is at work when this returns.
func (p *patient) write() *writer { return p.writeAnd(func(context.Context, *clientv3.Client) {}) }

// writeAnd does something else besides, until the writer is stopped.
func (p *patient) writeAnd(besides func(context.Context, *clientv3.Client)) *writer {
	p.t.Helper()
	ctx, end := context.WithCancel(p.t.Context())
	w, begun := &writer{end: end, ended: make(chan struct{})}, make(chan struct{})
	etcd := p.dial()
	go func() {
		defer close(w.ended)
		defer etcd.Close()
		w.run(ctx, etcd, begun)
	}()
	go besides(ctx, etcd)
	select {
	case <-begun:
	case <-w.ended:
		p.t.Fatalf("no write was acknowledged: %v", w.err)
	}
	return w
}

// run measures from one acknowledgement to the next. A write that is not answered is given up, and another one sent.
func (w *writer) run(ctx context.Context, etcd *clientv3.Client, begun chan struct{}) {
	const patience = 250 * time.Millisecond
	const enough = 50 // acknowledged writes before the event
	var last time.Time
	for n, acknowledged := 0, 0; ctx.Err() == nil; n++ {
		once, cancel := context.WithTimeout(ctx, patience)
		_, err := etcd.Put(once, fmt.Sprintf("bench/%d", n%1000), "value")
		cancel()
		if err != nil {
			w.err = err
			continue
		}
		now := time.Now()
		w.acks.Add(1)
		if acknowledged++; acknowledged == enough {
			close(begun)
			last = now
		}
		if acknowledged > enough {
			w.longest = max(w.longest, now.Sub(last))
			last = now
		}
	}
}

// goOn waits until so many more writes are acknowledged.
func (w *writer) goOn(more int64) func() bool {
	enough := w.acks.Load() + more
	return func() bool { return w.acks.Load() >= enough }
}

// stop ends the writer and gives the longest gap.
func (w *writer) stop() (time.Duration, error) {
	w.end()
	<-w.ended
	if w.longest == 0 {
		return 0, fmt.Errorf("write: %w", w.err)
	}
	return w.longest, nil
}

// follow tells a client where members are whose Pods are made anew.
func (p *patient) follow(ctx context.Context, etcd *clientv3.Client) {
	for ctx.Err() == nil {
		if endpoints, err := p.endpoints(ctx); err == nil && len(endpoints) > 0 {
			etcd.SetEndpoints(endpoints...)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (p *patient) endpoints(ctx context.Context) (all []string, err error) {
	var pods corev1.PodList
	err = p.List(ctx, &pods, client.InNamespace(p.cluster.Namespace))
	for i := range pods.Items {
		if ip := pods.Items[i].Status.PodIP; ip != "" {
			all = append(all, net.JoinHostPort(ip, "2379"))
		}
	}
	return all, err
}

func (p *patient) dial() *clientv3.Client {
	p.t.Helper()
	endpoints, err := p.endpoints(p.t.Context())
	p.must(err)
	etcd, err := traffic.Dial(endpoints...)
	p.must(err)
	return etcd
}

// fill writes so many megabytes, and some entries that stay in the log of every member.
func (p *patient) fill(megabytes int) {
	p.t.Helper()
	etcd := p.dial()
	defer etcd.Close()
	value := strings.Repeat("x", 1<<20)
	for n := range megabytes {
		_, err := etcd.Put(p.t.Context(), fmt.Sprintf("fill/%d", n), value)
		p.must(err)
	}
	for n := range 200 {
		_, err := etcd.Put(p.t.Context(), fmt.Sprintf("bench/%d", n), "value")
		p.must(err)
	}
}

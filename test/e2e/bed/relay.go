package bed

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Relay passes connections on to a server of the testbed, and breaks them as asked. Pods reach it under the address of the host.
type Relay struct {
	Address string // host and port for Pods

	target   string
	listener net.Listener
	down     atomic.Bool
	held     atomic.Bool
	budget   atomic.Int64 // bytes towards the server until the connection is cut; negative: no limit
	rate     atomic.Int64 // bytes per second towards the server; 0: no limit
	mu       sync.Mutex
	open     map[net.Conn]bool
}

// host is the testbed's own address, where its S3 server listens too.
const host = "172.30.0.1"

// NewRelay starts a relay to target, a host and port. It ends with the test.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatalf("listen for Pods: %v", err)
	}
	r := &Relay{Address: l.Addr().String(), target: target, listener: l, open: map[net.Conn]bool{}}
	r.budget.Store(-1)
	t.Cleanup(func() {
		_ = l.Close()
		r.Hold(false)
		r.Down(true)
	})
	go r.serve()
	return r
}

// Down refuses connections and ends those that are open, or lets them pass again.
func (r *Relay) Down(down bool) {
	r.down.Store(down)
	if down {
		r.cut()
	}
}

// CutAfter ends all connections, once, when so many more bytes have passed towards the server.
func (r *Relay) CutAfter(bytes int64) { r.budget.Store(bytes) }

// Slow lets so many bytes per second pass towards the server; 0 is no limit.
func (r *Relay) Slow(bytesPerSecond int64) { r.rate.Store(bytesPerSecond) }

// Hold keeps all that is on its way where it is, or lets it pass again.
func (r *Relay) Hold(hold bool) { r.held.Store(hold) }

func (r *Relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		_ = c.Close()
	}
	clear(r.open)
}

func (r *Relay) keep(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = true
}

func (r *Relay) serve() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		if r.down.Load() {
			_ = in.Close()
			continue
		}
		out, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.keep(in)
		r.keep(out)
		go r.pass(out, in, true)
		go r.pass(in, out, false)
	}
}

// pass copies one direction until an end closes.
func (r *Relay) pass(to, from net.Conn, counted bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for r.held.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return
			}
			if counted && r.spend(int64(n)) {
				return
			}
		}
		if err != nil { // io.EOF too: the other direction ends with it
			return
		}
	}
}

// spend counts bytes that have passed, and says whether the connection has been cut for them.
func (r *Relay) spend(n int64) (cut bool) {
	if rate := r.rate.Load(); rate > 0 {
		time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
	}
	if r.budget.Load() < 0 {
		return false
	}
	if r.budget.Add(-n) >= 0 {
		return false
	}
	r.budget.Store(-1)
	r.cut()
	return true
}

package etcdtest_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// front passes the bytes between the clients of a member and the member, and can keep the member's back.
type front struct {
	listener net.Listener
	target   string
	muted    atomic.Bool

	mu    sync.Mutex
	conns []net.Conn
}

func listen(t *testing.T, target string) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: l, target: target}
	go f.serve()
	t.Cleanup(func() {
		_ = l.Close()
		f.closeAll()
	})
	return f
}

func (f *front) address() string { return f.listener.Addr().String() }

// mute loses the answers from now on, or closes the connections on which some were lost. What connects while it is on gets
// through to the first answer, so that requests are sent.
func (f *front) mute(on bool) {
	f.muted.Store(on)
	if !on {
		f.closeAll()
	}
}

func (f *front) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
}

func (f *front) serve() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		member, err := net.Dial("tcp", f.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		f.mu.Lock()
		f.conns = append(f.conns, client, member)
		f.mu.Unlock()
		go pass(member, client, func() bool { return false })
		go pass(client, member, f.muted.Load)
	}
}

// pass copies from one side to the other. While keep is true everything after the first bytes is kept back: those are HTTP/2's
// settings, without which a client does not send.
func pass(to, from net.Conn, keep func() bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for first := true; ; first = false {
		n, err := from.Read(buffer)
		if n > 0 && (first || !keep()) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

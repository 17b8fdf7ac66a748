package snapshot

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// wire is a network between an agent and a server, and what goes wrong on it.
type wire struct {
	url    string
	target string

	mu     sync.Mutex
	down   bool
	conns  map[net.Conn]bool
	passed [2]int64        // bytes, to the server and back
	meddle func(*meddling) // called for each piece, under the lock
}

// meddling is a piece of data on its way.
type meddling struct {
	back   bool  // from the server
	offset int64 // of the piece, in all that has gone this way
	data   []byte
	cut    bool
	delay  time.Duration
}

const to, back = 0, 1

func newWire(t *testing.T, target string) *wire {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "http://" + l.Addr().String(), target: u.Host, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); w.cutAll() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	return w
}

func (w *wire) serve(client net.Conn) {
	defer client.Close()
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return
	}
	server, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer server.Close()
	w.mu.Lock()
	w.conns[client], w.conns[server] = true, true
	w.mu.Unlock()
	done := make(chan struct{}, 2)
	go func() { w.pump(server, client, to); done <- struct{}{} }()
	go func() { w.pump(client, server, back); done <- struct{}{} }()
	<-done
}

func (w *wire) pump(dst, src net.Conn, way int) {
	piece := make([]byte, 32<<10)
	for {
		n, err := src.Read(piece)
		if n > 0 {
			w.mu.Lock()
			m := &meddling{back: way == back, offset: w.passed[way], data: piece[:n]}
			if w.meddle != nil {
				w.meddle(m)
			}
			w.passed[way] += int64(n)
			w.mu.Unlock()
			if m.cut {
				return
			}
			time.Sleep(m.delay)
			if _, err := dst.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// set changes what goes wrong from now on, and begins to count anew.
func (w *wire) set(meddle func(*meddling)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meddle, w.passed = meddle, [2]int64{}
}

// fail takes the server away, or gives it back.
func (w *wire) fail(down bool) {
	w.mu.Lock()
	w.down = down
	w.mu.Unlock()
	if down {
		w.cutAll()
	}
}

func (w *wire) cutAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = map[net.Conn]bool{}
}

func (w *wire) sent() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed[to]
}

// cutAt breaks a connection when that many bytes have gone one way: as often as that.
func cutAt(way int, offset int64, times int) func(*meddling) {
	return func(m *meddling) {
		if m.back == (way == back) && times > 0 && m.offset >= offset {
			m.cut = true
			times--
		}
	}
}

// flipAt turns one bit over.
func flipAt(way int, offset int64) func(*meddling) {
	done := false
	return func(m *meddling) {
		if at := offset - m.offset; !done && m.back == (way == back) && at >= 0 && at < int64(len(m.data)) {
			m.data[at] ^= 1
			done = true
		}
	}
}

// front is a server of HTTP before the real one.
func front(t *testing.T, target string, handle func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	next := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // it is signed
		},
	}
	l, err := net.Listen("tcp", freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, next) })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

// refuse answers as S3 does.
func refuse(w http.ResponseWriter, code int, name string) {
	w.WriteHeader(code)
	_, _ = io.WriteString(w, "<Error><Code>"+name+"</Code><Message>not here</Message></Error>")
}

package etcd

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Pool is a Dialer that shares connections: dialing an equal target again gives the same connection, and one with other
// credentials or TLS material another one. Closing a Client of
// a Pool gives the connection back; it is closed once nobody has used it for the idle time, so never under a call.
type Pool struct {
	dialer Dialer
	clock  clock.PassiveClock
	idle   time.Duration
	key    []byte

	mu    sync.Mutex
	conns map[string][]*pooled // by endpoint
}

var _ Dialer = (*Pool)(nil)

// NewPool shares the connections of dialer. Those that nobody uses for the idle time are closed by the next Dial.
func NewPool(dialer Dialer, clock clock.PassiveClock, idle time.Duration) *Pool {
	return &Pool{dialer: dialer, clock: clock, idle: idle, key: []byte(rand.Text()), conns: map[string][]*pooled{}}
}

// pooled is a shared connection. Its pool's lock guards users and since.
type pooled struct {
	Client
	fingerprint [sha256.Size]byte
	tls         *tls.Config
	users       int
	since       time.Time // when the last user left
}

// Dial implements Dialer.
func (p *Pool) Dial(t Target) (Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeIdle()
	fingerprint := p.fingerprint(t)
	at := slices.IndexFunc(p.conns[t.Endpoint], func(c *pooled) bool { return c.fingerprint == fingerprint && sameTLS(c.tls, t.TLS) })
	if at < 0 {
		c, err := p.dialer.Dial(t)
		if err != nil {
			return nil, err
		}
		at = len(p.conns[t.Endpoint])
		p.conns[t.Endpoint] = append(p.conns[t.Endpoint], &pooled{Client: c, fingerprint: fingerprint, tls: t.TLS})
	}
	conn := p.conns[t.Endpoint][at]
	conn.users++
	return &lease{Client: conn.Client, giveBack: sync.OnceFunc(func() { p.giveBack(conn) })}, nil
}

func (p *Pool) giveBack(conn *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.users--
	conn.since = p.clock.Now()
}

func (p *Pool) closeIdle() {
	for endpoint, conns := range p.conns {
		conns = slices.DeleteFunc(conns, func(c *pooled) bool {
			if c.users > 0 || p.clock.Since(c.since) < p.idle {
				return false
			}
			_ = c.Close()
			return true
		})
		if p.conns[endpoint] = conns; len(conns) == 0 {
			delete(p.conns, endpoint)
		}
	}
}

// lease is one user's hold on a connection.
type lease struct {
	Client
	giveBack func()
}

// Close gives the connection back to its pool.
func (l *lease) Close() error {
	l.giveBack()
	return nil
}

// fingerprint tells whom a target asks, and as whom, from any other. It can be neither read nor guessed from: the key is the
// pool's own.
func (p *Pool) fingerprint(t Target) [sha256.Size]byte {
	hash := hmac.New(sha256.New, p.key)
	for _, part := range append([]string{t.Endpoint, t.Username, t.Password.Reveal()}, t.LoginAt...) {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// sameTLS compares what a client proves and trusts. A configuration that decides in callbacks equals only itself.
func sameTLS(a, b *tls.Config) bool {
	if a == b || a == nil || b == nil || callsBack(a) || callsBack(b) {
		return a == b
	}
	return a.ServerName == b.ServerName && a.InsecureSkipVerify == b.InsecureSkipVerify && a.MinVersion == b.MinVersion &&
		a.RootCAs.Equal(b.RootCAs) &&
		slices.EqualFunc(a.Certificates, b.Certificates, func(x, y tls.Certificate) bool {
			return slices.EqualFunc(x.Certificate, y.Certificate, bytes.Equal)
		})
}

func callsBack(c *tls.Config) bool {
	return c.GetClientCertificate != nil || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil
}

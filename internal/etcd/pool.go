package etcd

import (
	"bytes"
	"crypto/tls"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Pool is a Dialer that shares connections: dialing an equal target again gives the same connection. Closing a Client of
// a Pool gives the connection back; it is closed once nobody has used it for the idle time, so never under a call.
type Pool struct {
	dialer Dialer
	clock  clock.PassiveClock
	idle   time.Duration

	mu    sync.Mutex
	conns map[string][]*pooled // by endpoint
}

var _ Dialer = (*Pool)(nil)

// NewPool shares the connections of dialer. Those that nobody uses for the idle time are closed by the next Dial.
func NewPool(dialer Dialer, clock clock.PassiveClock, idle time.Duration) *Pool {
	return &Pool{dialer: dialer, clock: clock, idle: idle, conns: map[string][]*pooled{}}
}

// pooled is a shared connection. Its pool's lock guards users and since.
type pooled struct {
	Client
	target Target
	users  int
	since  time.Time // when the last user left
}

// Dial implements Dialer.
func (p *Pool) Dial(t Target) (Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeIdle()
	at := slices.IndexFunc(p.conns[t.Endpoint], func(c *pooled) bool { return same(c.target, t) })
	if at < 0 {
		c, err := p.dialer.Dial(t)
		if err != nil {
			return nil, err
		}
		at = len(p.conns[t.Endpoint])
		p.conns[t.Endpoint] = append(p.conns[t.Endpoint], &pooled{Client: c, target: t})
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

// same reports whether two targets may share a connection: the same member, asked as the same user, with equal TLS material.
func same(a, b Target) bool {
	return a.Endpoint == b.Endpoint && a.Username == b.Username && a.Password == b.Password && sameTLS(a.TLS, b.TLS)
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

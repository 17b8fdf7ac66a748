package etcd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

const idle = time.Minute

// counting is a dialer that remembers what it dialled.
type counting struct {
	mu    sync.Mutex
	conns []*conn
	err   error
}

type conn struct {
	etcd.Client
	closed atomic.Bool
}

func (c *conn) Close() error {
	c.closed.Store(true)
	return nil
}

func (c *conn) Read(context.Context) error {
	if c.closed.Load() {
		return errors.New("closed")
	}
	return nil
}

func (d *counting) Dial(etcd.Target) (etcd.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	d.conns = append(d.conns, &conn{})
	return d.conns[len(d.conns)-1], nil
}

func newPool() (*etcd.Pool, *counting, *clocktesting.FakePassiveClock) {
	dialer, clock := &counting{}, clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	return etcd.NewPool(dialer, clock, idle), dialer, clock
}

func dial(t *testing.T, d etcd.Dialer, target etcd.Target) etcd.Client {
	t.Helper()
	c, err := d.Dial(target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPoolSharesAConnectionOnlyBetweenEqualTargets(t *testing.T) {
	roots := func(subject string) *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AddCert(&x509.Certificate{Raw: []byte(subject), RawSubject: []byte(subject)})
		return pool
	}
	material := func(ca, cert string) *tls.Config {
		leaf := tls.Certificate{Certificate: [][]byte{[]byte(cert)}}
		return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots(ca), Certificates: []tls.Certificate{leaf}}
	}
	base := func() etcd.Target {
		return etcd.Target{Endpoint: "https://a:2379", TLS: material("ca", "leaf"), Username: "root", Password: etcd.NewSecret("secret")}
	}
	for name, c := range map[string]struct {
		change func(*etcd.Target)
		shared bool
	}{
		"equal material read twice":  {func(*etcd.Target) {}, true},
		"another endpoint":           {func(t *etcd.Target) { t.Endpoint = "https://b:2379" }, false},
		"another user":               {func(t *etcd.Target) { t.Username = "reader" }, false},
		"another password":           {func(t *etcd.Target) { t.Password = etcd.NewSecret("changed") }, false},
		"other voters to log in at":  {func(t *etcd.Target) { t.LoginAt = []string{"https://b:2379"} }, false},
		"another client certificate": {func(t *etcd.Target) { t.TLS = material("ca", "renewed") }, false},
		"another CA":                 {func(t *etcd.Target) { t.TLS = material("rotated", "leaf") }, false},
		"another server name":        {func(t *etcd.Target) { t.TLS.ServerName = "c" }, false},
		"no verification":            {func(t *etcd.Target) { t.TLS.InsecureSkipVerify = true }, false},
		"the system's CAs":           {func(t *etcd.Target) { t.TLS.RootCAs = nil }, false},
		"no TLS":                     {func(t *etcd.Target) { t.TLS = nil }, false},
		"a certificate from a callback": {func(t *etcd.Target) {
			t.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, nil }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pool, dialer, _ := newPool()
			dial(t, pool, base())
			other := base()
			c.change(&other)
			dial(t, pool, other)
			if shared := len(dialer.conns) == 1; shared != c.shared {
				t.Errorf("shared is %t, want %t", shared, c.shared)
			}
		})
	}
}

func TestPoolClosesWhatNobodyUsedForTheIdleTime(t *testing.T) {
	target, other := etcd.Target{Endpoint: "http://a:2379"}, etcd.Target{Endpoint: "http://b:2379"}
	pool, dialer, clock := newPool()
	first, second := dial(t, pool, target), dial(t, pool, target)
	_ = first.Close()
	_ = first.Close() // a second time gives nothing back
	clock.SetTime(clock.Now().Add(2 * idle))
	dial(t, pool, other)
	if dialer.conns[0].closed.Load() {
		t.Fatal("closed while in use")
	}
	_ = second.Close()
	clock.SetTime(clock.Now().Add(idle - 1))
	_ = dial(t, pool, target).Close()
	clock.SetTime(clock.Now().Add(idle - 1))
	dial(t, pool, other)
	if dialer.conns[0].closed.Load() {
		t.Fatal("closed before the idle time was over")
	}
	clock.SetTime(clock.Now().Add(1))
	dial(t, pool, other)
	if !dialer.conns[0].closed.Load() {
		t.Fatal("not closed after the idle time")
	}
	if dial(t, pool, target); len(dialer.conns) != 3 {
		t.Fatalf("%d connections were made, want a third one for the target that was closed", len(dialer.conns))
	}
}

func TestPoolKeepsNothingOfAFailedDial(t *testing.T) {
	pool, dialer, _ := newPool()
	dialer.err = errors.New("bad endpoint")
	if _, err := pool.Dial(etcd.Target{Endpoint: "a"}); !errors.Is(err, dialer.err) {
		t.Fatalf("got %v, want the dialer's error", err)
	}
	dialer.err = nil
	wantRead(t, dial(t, pool, etcd.Target{Endpoint: "a"}))
}

func TestPoolNeverClosesUnderACall(t *testing.T) {
	pool, _, clock := newPool()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				c := dial(t, pool, etcd.Target{Endpoint: "http://a:2379"})
				wantRead(t, c)
				_ = c.Close()
				clock.SetTime(clock.Now().Add(idle))
			}
		})
	}
	wg.Wait()
}

func wantRead(t *testing.T, c etcd.Client) {
	t.Helper()
	if err := c.Read(t.Context()); err != nil {
		t.Error(err)
	}
}

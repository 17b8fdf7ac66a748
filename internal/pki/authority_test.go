package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func newAuthority(t *testing.T, generation int, life time.Duration) Authority {
	t.Helper()
	a, err := NewAuthority(AuthorityRequest{Cluster: "c", Generation: generation, Life: life, Now: noon, Random: rand.Reader})
	must(t, err)
	return a
}

func issue(t *testing.T, a Authority, r LeafRequest) Material {
	t.Helper()
	if r.Now.IsZero() {
		r.Now = noon
	}
	r.Random = rand.Reader
	m, err := a.Issue(r)
	must(t, err)
	return m
}

func TestAnAuthorityIsNamedAndLivesAsAskedFor(t *testing.T) {
	long := strings.Repeat("c", 56) // the longest name that a cluster may have
	for name, c := range map[string]struct {
		r    AuthorityRequest
		cn   string
		life time.Duration
	}{
		"by default ten years":  {AuthorityRequest{Cluster: "c", Generation: 1}, "c CA 1", DefaultAuthorityLife},
		"as long as asked for":  {AuthorityRequest{Cluster: "c", Generation: 7, Life: 6 * time.Minute}, "c CA 7", 6 * time.Minute},
		"a long name is cut":    {AuthorityRequest{Cluster: long + "cc", Generation: 12}, long + "cc CA 12", DefaultAuthorityLife},
		"the longest name fits": {AuthorityRequest{Cluster: long, Generation: 999}, long + " CA 999", DefaultAuthorityLife},
		"a longer one is cut":   {AuthorityRequest{Cluster: long + "cc", Generation: 9999}, long + " CA 9999", DefaultAuthorityLife},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.Now, c.r.Random = noon, rand.Reader
			a, err := NewAuthority(c.r)
			must(t, err)
			got := a.Certificate()
			if got.Subject.CommonName != c.cn || got.NotAfter.Sub(noon) != c.life || !got.IsCA || got.MaxPathLen != 0 ||
				got.NotBefore.After(noon) {
				t.Errorf("%s until %s", got.Subject, got.NotAfter)
			}
		})
	}
}

func TestAnAuthoritySurvivesItsSecret(t *testing.T) {
	a, old := newAuthority(t, 2, 0), newAuthority(t, 1, 0)
	data, err := a.Data(NewBundle(a.Certificate(), old.Certificate()))
	must(t, err)
	again, err := ParseAuthority(data)
	must(t, err)
	leaf := issue(t, again, LeafRequest{CommonName: "root", Usages: ClientUsages()})
	got := Vouchers(leaf.Chain, NewBundle(a.Certificate(), old.Certificate()), ClientUsages(), noon)
	if !slices.Equal(got, []string{Fingerprint(a.Certificate())}) {
		t.Error("the authority that was read issues certificates that do not verify against the one that was written")
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Count(text, "c CA 2") != 3 || strings.Contains(text, "D:") {
		t.Errorf("it prints as %s", text)
	}
}

func TestWhatIsNoAuthorityIsRefused(t *testing.T) {
	a, b := newAuthority(t, 1, 0), newAuthority(t, 2, 0)
	leaf := issue(t, a, LeafRequest{CommonName: "root", Usages: ClientUsages()})
	leafData, err := leaf.Data(leaf.Bundle)
	must(t, err)
	mixed, err := a.Data(Bundle{})
	must(t, err)
	other, err := b.Data(Bundle{})
	must(t, err)
	mixed[PrivateKey] = other[PrivateKey]
	for name, c := range map[string]struct {
		data map[string][]byte
		want error
	}{
		"a leaf":                     {leafData, ErrNotAuthority},
		"another authority's key":    {mixed, ErrKeyMismatch},
		"an empty Secret":            {nil, ErrMissing},
		"a Secret with another text": {map[string][]byte{ChainKey: []byte("x"), PrivateKey: other[PrivateKey]}, ErrUnparsable},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseAuthority(c.data); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestIncompleteRequestsAreRefused(t *testing.T) {
	a, ended := newAuthority(t, 1, 0), newAuthority(t, 1, time.Hour)
	fine := LeafRequest{CommonName: "root", Usages: ClientUsages(), Now: noon, Random: rand.Reader}
	for name, c := range map[string]struct {
		by     Authority
		change func(*LeafRequest)
		want   error
	}{
		"no usage":                {a, func(r *LeafRequest) { r.Usages = nil }, ErrRequest},
		"no name":                 {a, func(r *LeafRequest) { r.CommonName = "" }, ErrRequest},
		"a name that is too long": {a, func(r *LeafRequest) { r.CommonName = strings.Repeat("r", 65) }, ErrRequest},
		"a life below a second":   {a, func(r *LeafRequest) { r.Life = -time.Hour }, ErrRequest},
		"no randomness":           {a, func(r *LeafRequest) { r.Random = bytes.NewReader(nil) }, io.EOF},
		"after the CA's end":      {ended, func(r *LeafRequest) { r.Now = noon.Add(time.Hour) }, ErrTooLate},
		"before the CA's life":    {ended, func(r *LeafRequest) { r.Now = noon.Add(-time.Hour) }, ErrTooLate},
	} {
		t.Run(name, func(t *testing.T) {
			r := fine
			c.change(&r)
			if m, err := c.by.Issue(r); !errors.Is(err, c.want) {
				t.Errorf("got %v, %v, want %v", m, err, c.want)
			}
		})
	}
	if _, err := NewAuthority(AuthorityRequest{Now: noon, Random: rand.Reader}); !errors.Is(err, ErrRequest) {
		t.Errorf("a CA for no cluster: %v", err)
	}
}

func TestALeafNeverOutlivesItsAuthority(t *testing.T) {
	a := newAuthority(t, 1, 6*time.Minute)
	for _, c := range []struct{ after, life, want time.Duration }{
		{0, 2 * time.Minute, 2 * time.Minute},
		{3 * time.Minute, 2 * time.Minute, 5 * time.Minute},
		{5 * time.Minute, 2 * time.Minute, 6 * time.Minute},
		{0, 0, 6 * time.Minute}, // a year by default
	} {
		leaf := issue(t, a, LeafRequest{CommonName: "m", Usages: ClientUsages(), Life: c.life, Now: noon.Add(c.after)}).Leaf()
		if leaf.NotAfter.Sub(noon) != c.want || leaf.NotBefore.Before(a.Certificate().NotBefore) {
			t.Errorf("issued at %s for %s: from %s to %s", c.after, c.life, leaf.NotBefore.Sub(noon), leaf.NotAfter.Sub(noon))
		}
	}
	leaf := issue(t, newAuthority(t, 1, 0), LeafRequest{CommonName: "m", Usages: ClientUsages()}).Leaf()
	if got := leaf.NotAfter.Sub(noon); got != DefaultLeafLife {
		t.Errorf("lives %s by default", got)
	}
}

func TestRenewalIsDueAtTwoThirdsOfLifeAndUpToATwentiethEarlier(t *testing.T) {
	for _, life := range []time.Duration{2 * time.Minute, DefaultLeafLife, DefaultAuthorityLife} {
		c := &x509.Certificate{NotBefore: noon, NotAfter: noon.Add(life)}
		least, most, distinct := life, time.Duration(0), map[time.Time]bool{}
		for i := range 100 {
			member := fmt.Sprintf("c-%05d", i)
			at := RenewAt(c, member)
			if at != RenewAt(c, member) {
				t.Fatalf("%s has two times", member)
			}
			least, most, distinct[at] = min(least, at.Sub(noon)), max(most, at.Sub(noon)), true
		}
		if least < life/3*2-life/20 || most > life/3*2 || most-least < life/25 || len(distinct) < 100 {
			t.Errorf("a life of %s: %d times from %s to %s", life, len(distinct), least, most)
		}
	}
}

func TestSerialNumbersDoNotRepeat(t *testing.T) {
	a, seen := newAuthority(t, 1, 0), map[string]bool{}
	for range 100 {
		serial := Serial(issue(t, a, LeafRequest{CommonName: "m", Usages: ClientUsages()}).Leaf())
		if seen[serial] || len(serial) != 32 {
			t.Fatalf("serial %s", serial)
		}
		seen[serial] = true
	}
}

// TestHandshake shakes hands as etcd does: both sides present a certificate and verify the other's.
func TestHandshake(t *testing.T) {
	old, next := newAuthority(t, 1, 0), newAuthority(t, 2, 0)
	oldOnly, nextOnly := NewBundle(old.Certificate()), NewBundle(next.Certificate())
	host := "c-aaaaa.c.ns.svc"
	peer := func(a Authority) Material {
		return issue(t, a, LeafRequest{
			CommonName: "c-aaaaa", DNSNames: []string{"*.c.ns.svc"}, IPs: []net.IP{{127, 0, 0, 1}}, Usages: PeerUsages(),
		})
	}
	server := issue(t, old, LeafRequest{CommonName: "c-aaaaa", DNSNames: []string{host}, Usages: ServerUsages(false)})
	client := issue(t, old, LeafRequest{CommonName: "root", Usages: ClientUsages()})
	oldPeer, nextPeer := peer(old), peer(next)
	type side struct {
		m     Material
		trust Bundle
	}
	for name, c := range map[string]struct {
		server, client side
		host           string
		refusal        string
	}{
		"two peers":                            {side{oldPeer, oldOnly}, side{oldPeer, oldOnly}, host, ""},
		"a client and a server":                {side{server, oldOnly}, side{client, oldOnly}, host, ""},
		"by address":                           {side{oldPeer, oldOnly}, side{client, oldOnly}, "127.0.0.1", ""},
		"old and new under the bundle of both": {side{oldPeer, oldOnly.With(nextOnly)}, side{nextPeer, nextOnly.With(oldOnly)}, host, ""},
		"a new leaf, an old bundle":            {side{oldPeer, oldOnly}, side{nextPeer, oldOnly}, host, "unknown authority"},
		"a new bundle, an old leaf":            {side{oldPeer, oldOnly}, side{oldPeer, nextOnly}, host, "unknown authority"},
		"a client as server":                   {side{client, oldOnly}, side{oldPeer, oldOnly}, host, "not valid for any names"},
		"a server as client":                   {side{server, oldOnly}, side{server, oldOnly}, host, "incompatible key usage"},
		"another host":                         {side{oldPeer, oldOnly}, side{oldPeer, oldOnly}, "d.ns.svc", "not d.ns.svc"},
	} {
		t.Run(name, func(t *testing.T) {
			offered := c.client.m.TLS() // as etcd does, whatever the server accepts
			err := shakeHands(t,
				&tls.Config{
					Certificates: []tls.Certificate{c.server.m.TLS()}, ClientCAs: c.server.trust.Pool(),
					ClientAuth: tls.RequireAndVerifyClientCert, Time: func() time.Time { return noon }, MinVersion: tls.VersionTLS12,
				},
				&tls.Config{
					GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &offered, nil },
					RootCAs:              c.client.trust.Pool(), ServerName: c.host,
					Time: func() time.Time { return noon }, MinVersion: tls.VersionTLS12,
				}, Serial(c.server.m.Leaf()))
			if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("got %v, want %q", err, c.refusal)
			}
		})
	}
}

// shakeHands says what both sides think, and whether the client saw the serial. Over loopback: a pipe without a buffer would
// let two sides that refuse each other wait for each other.
func shakeHands(t *testing.T, server, client *tls.Config, serial string) error {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	done := make(chan error, 1)
	go func() {
		there, err := listener.Accept()
		if err == nil {
			conn := tls.Server(there, server)
			err = conn.Handshake()
			conn.Close()
		}
		done <- err
	}()
	here, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	defer here.Close()
	conn := tls.Client(here, client)
	err = conn.Handshake()
	if seen := conn.ConnectionState().PeerCertificates; err == nil && Serial(seen[0]) != serial {
		err = fmt.Errorf("saw serial %s, want %s", Serial(seen[0]), serial)
	}
	if err != nil {
		here.Close()
	}
	return errors.Join(err, <-done)
}

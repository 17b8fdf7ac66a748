package etcdtest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/utils/clock"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(raw)
	must(t, err)
	return authority{certificate, key}
}

// issue makes a certificate for a name, at this host and for these uses.
func (a authority) issue(t *testing.T, name string, host net.IP, uses ...x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: uses,
	}
	if host != nil {
		template.IPAddresses = []net.IP{host}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// client is the configuration of a client that trusts a, and proves what own says, if anything.
func (a authority) client(own ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: own}
}

// flags writes what a server needs into dir, and gives the flags that name it. Its clients must prove who they are.
func (a authority) flags(t *testing.T, dir string, own tls.Certificate) []string {
	t.Helper()
	key, err := x509.MarshalECPrivateKey(own.PrivateKey.(*ecdsa.PrivateKey))
	must(t, err)
	flags := []string{"--client-cert-auth"}
	for flag, block := range map[string]*pem.Block{
		"cert-file":       {Type: "CERTIFICATE", Bytes: own.Certificate[0]},
		"key-file":        {Type: "EC PRIVATE KEY", Bytes: key},
		"trusted-ca-file": {Type: "CERTIFICATE", Bytes: a.certificate.Raw},
	} {
		path := filepath.Join(dir, flag)
		must(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
		flags = append(flags, "--"+flag+"="+path)
	}
	return flags
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secured is a member of one that speaks TLS on its client port.
type secured struct {
	*processes
	ca       authority
	endpoint string
}

func secure(t *testing.T, version string, host net.IP) secured {
	t.Helper()
	ca, dir := newAuthority(t), t.TempDir()
	server := ca.issue(t, "server", host, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	r := &processes{
		binary: binaryOf(t, version), version: version, dir: dir, t: t, members: map[string]*process{}, metrics: etcd.NewMetrics(nil),
		files: ca.flags(t, dir, server),
	}
	peerURL, clientURL := r.Address("a")
	r.Start(t, etcdfake.Args{
		Name: "a", PeerURL: peerURL, ClientURL: clientURL, InitialCluster: "a=" + peerURL, Token: "tls", Volume: "a", Version: version,
	})
	for range 100 { // the metrics port speaks no TLS
		if _, err := r.metrics.ConnectedPeers(t.Context(), r.MetricsAddress("a")); err == nil {
			return secured{r, ca, clientURL}
		}
		r.Pass(100 * time.Millisecond)
	}
	t.Fatal("it does not answer on its metrics port")
	return secured{}
}

// named is a client that proves to be name.
func (s secured) named(t *testing.T, name string) *tls.Config {
	t.Helper()
	return s.ca.client(s.ca.issue(t, name, nil, x509.ExtKeyUsageClientAuth))
}

func (s secured) dial(t *testing.T, d etcd.Dialer, target etcd.Target) etcd.Client {
	t.Helper()
	if target.Endpoint == "" {
		target.Endpoint = s.endpoint
	}
	c, err := d.Dial(target)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func onEachVersion(t *testing.T, run func(t *testing.T, version string)) {
	t.Helper()
	if os.Getenv(realVariable) != "1" {
		t.Skipf("NOT RUN: it needs real etcd; set %s=1", realVariable)
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			run(t, version)
		})
	}
}

func TestRealMembersAnswerOverTLSOnlyWhomTheyTrust(t *testing.T) {
	onEachVersion(t, func(t *testing.T, version string) {
		s := secure(t, version, net.IPv4(127, 0, 0, 1))
		mine, foreign := s.named(t, "anybody"), newAuthority(t)
		if err := s.dial(t, etcd.Adapter{}, etcd.Target{TLS: mine}).Read(within(t, 5*time.Second)); err != nil {
			t.Errorf("with a certificate of its CA: %v", err)
		}
		for name, target := range map[string]etcd.Target{
			"without TLS":                      {Endpoint: "http://" + s.members["a"].front.address()},
			"without a certificate":            {TLS: s.ca.client()},
			"with a foreign certificate":       {TLS: s.ca.client(foreign.issue(t, "root", nil, x509.ExtKeyUsageClientAuth))},
			"with one that is not for clients": {TLS: s.ca.client(s.ca.issue(t, "root", nil, x509.ExtKeyUsageServerAuth))},
			"who trusts another CA":            {TLS: foreign.client(mine.Certificates...)},
		} {
			_, err := s.dial(t, etcd.Adapter{}, target).Status(within(t, 5*time.Second))
			if !errors.Is(err, etcd.ErrUnreachable) {
				t.Errorf("%s: got %v, want %v", name, err, etcd.ErrUnreachable)
			}
		}
		elsewhere := secure(t, version, net.IPv4(127, 0, 0, 9))
		_, err := elsewhere.dial(t, etcd.Adapter{}, etcd.Target{TLS: elsewhere.named(t, "anybody")}).Status(within(t, 5*time.Second))
		if !errors.Is(err, etcd.ErrUnreachable) {
			t.Errorf("a member whose certificate is for another host: got %v, want %v", err, etcd.ErrUnreachable)
		}
	})
}

// A renewed certificate is in use at once; connections stay.
func TestRealMembersRenewTheirCertificateWithoutARestart(t *testing.T) {
	onEachVersion(t, func(t *testing.T, version string) {
		host := net.IPv4(127, 0, 0, 1)
		s, ctx := secure(t, version, host), within(t, 20*time.Second)
		mine := s.named(t, "anybody")
		before := s.dial(t, etcd.Adapter{}, etcd.Target{TLS: mine})
		must(t, before.Read(ctx))
		old, err := etcd.Adapter{}.Certificate(ctx, s.endpoint, s.ca.client())
		must(t, err)
		renewed := s.ca.issue(t, "server", host, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
		s.ca.flags(t, s.dir, renewed)
		shown, err := etcd.Adapter{}.Certificate(ctx, s.endpoint, s.ca.client())
		if err != nil || shown.Equal(old) || !bytes.Equal(shown.Raw, renewed.Certificate[0]) {
			t.Errorf("it shows %v, %v, want the renewed one", shown, err)
		}
		if err := before.Read(ctx); err != nil {
			t.Errorf("read over the old connection: %v", err)
		}
		if err := s.dial(t, etcd.Adapter{}, etcd.Target{TLS: mine}).Read(ctx); err != nil {
			t.Errorf("read over a new connection: %v", err)
		}
	})
}

func TestRealMembersTakeTheNameInACertificateForTheUser(t *testing.T) {
	onEachVersion(t, func(t *testing.T, version string) {
		s, password := secure(t, version, net.IPv4(127, 0, 0, 1)), etcd.NewSecret("root's own")
		pool := etcd.NewPool(etcd.Adapter{}, clock.RealClock{}, time.Minute)
		root := s.dial(t, pool, etcd.Target{TLS: s.named(t, "root")})
		ctx := within(t, 20*time.Second)
		must(t, root.AddUser(ctx, etcd.Root, password))
		must(t, root.GrantRole(ctx, etcd.Root, etcd.Root)) // the role need not be there
		must(t, root.AddUser(ctx, "app", password))
		must(t, root.EnableAuth(ctx))
		if _, err := root.Users(ctx); err != nil {
			t.Errorf("root by its certificate: %v", err)
		}
		for name, want := range map[string]error{"app": etcd.ErrPermission, "stranger": etcd.ErrUserNotFound} {
			own := s.named(t, name)
			other := s.dial(t, pool, etcd.Target{TLS: own})
			if _, err := other.Users(ctx); !errors.Is(err, want) {
				t.Errorf("%s by its certificate: got %v, want %v", name, err, want)
			}
			if _, err := other.Status(ctx); err != nil {
				t.Errorf("status for %s by its certificate: %v", name, err)
			}
			both := s.dial(t, pool, etcd.Target{TLS: own, Username: etcd.Root, Password: password})
			if err := both.LogIn(ctx); err != nil {
				t.Errorf("log in as root: %v", err)
			}
			if _, err := both.Users(ctx); err != nil {
				t.Errorf("%s by its certificate, and root by its password: %v", name, err)
			}
		}
	})
}

// What the port does not offer takes root as well: streaming a snapshot, and defragmenting.
func TestRealMembersGiveSnapshotsOnlyToRoot(t *testing.T) {
	onEachVersion(t, func(t *testing.T, version string) {
		s, ctx := secure(t, version, net.IPv4(127, 0, 0, 1)), within(t, 20*time.Second)
		root := s.dial(t, etcd.Adapter{}, etcd.Target{TLS: s.named(t, "root")})
		must(t, root.AddUser(ctx, etcd.Root, etcd.NewSecret("root's own")))
		must(t, root.GrantRole(ctx, etcd.Root, etcd.Root))
		must(t, root.AddUser(ctx, "app", etcd.NewSecret("app's own")))
		must(t, root.EnableAuth(ctx))
		for name, allowed := range map[string]bool{"root": true, "app": false} {
			c, err := clientv3.New(clientv3.Config{Endpoints: []string{s.endpoint}, TLS: s.named(t, name), Logger: zap.NewNop()})
			must(t, err)
			defer c.Close()
			if err := download(ctx, c); (err == nil) != allowed {
				t.Errorf("snapshot for %s: %v", name, err)
			}
			if _, err := c.Defragment(ctx, s.endpoint); (err == nil) != allowed {
				t.Errorf("defragment for %s: %v", name, err)
			}
		}
	})
}

func download(ctx context.Context, c *clientv3.Client) error {
	snapshot, err := c.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("ask for a snapshot: %w", err)
	}
	defer snapshot.Close()
	_, err = io.Copy(io.Discard, snapshot)
	return err
}

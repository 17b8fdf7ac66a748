package etcd_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

func TestAHandshakeShowsTheCertificateThatIsInUse(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	for name, c := range map[string]struct {
		endpoint string
		roots    *x509.CertPool
		want     error
		shown    bool
	}{
		"it is trusted":              {server.URL, roots, nil, true},
		"it is of another CA":        {server.URL, x509.NewCertPool(), etcd.ErrHandshake, true},
		"it is for another host":     {"https://localhost:" + port, roots, etcd.ErrHandshake, true},
		"nothing listens":            {"https://" + closedPort(t), roots, etcd.ErrUnreachable, false},
		"what listens speaks no TLS": {"https://" + answering(nil).serve(t, "127.0.0.1:0"), roots, etcd.ErrHandshake, false},
		"what listens says nothing":  {"https://" + silent.Addr().String(), roots, etcd.ErrHandshake, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.roots}
			shown, err := etcd.Adapter{}.Certificate(within(t, time.Second), c.endpoint, config)
			if !errors.Is(err, c.want) || (err == nil) != (c.shown && c.want == nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if (shown != nil) != c.shown || c.shown && !shown.Equal(server.Certificate()) {
				t.Errorf("it shows %v, want that of the server: %t", shown, c.shown)
			}
			if config.ServerName != "" {
				t.Error("what was passed in has changed")
			}
		})
	}
}

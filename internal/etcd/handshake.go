package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// ErrHandshake: what listens there speaks no TLS, or is not trusted, or does not trust us.
var ErrHandshake = errors.New("handshake failed")

// Greeter looks which certificates are in use.
type Greeter interface {
	// Certificate is what is presented at a URL, be it of a client port or a peer port, to one who connects just now. One that is
	// not trusted is given along with ErrHandshake. Nobody has to prove who he is to see it.
	Certificate(ctx context.Context, endpoint string, config *tls.Config) (*x509.Certificate, error)
}

var _ Greeter = Adapter{}

// Certificate implements Greeter.
func (a Adapter) Certificate(ctx context.Context, endpoint string, config *tls.Config) (*x509.Certificate, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout+keepaliveTimeout)
	defer cancel()
	plain, err := a.connect(ctx, u.Host)
	if err != nil {
		return nil, fmt.Errorf("connect: %w: %w", ErrUnreachable, err)
	}
	defer plain.Close()
	secured := tls.Client(plain, forHost(config, u.Hostname()))
	if err := secured.HandshakeContext(ctx); err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0 {
			return untrusted.UnverifiedCertificates[0], fmt.Errorf("%w: %w", ErrHandshake, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return secured.ConnectionState().PeerCertificates[0], nil
}

func (a Adapter) connect(ctx context.Context, address string) (net.Conn, error) {
	if a.Connect != nil {
		return a.Connect(ctx, address)
	}
	return (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", address)
}

// forHost is config for a host, unless config names one.
func forHost(config *tls.Config, host string) *tls.Config {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	if config.ServerName == "" {
		config.ServerName = host
	}
	return config
}

package etcdfake

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// Present is the certificate that a member uses at its client or peer URL from now on; nil if it speaks no TLS there.
func (w *World) Present(endpoint string, certificate *x509.Certificate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.presented[endpoint] = certificate
}

// Greeter shakes hands with the members.
func (w *World) Greeter() etcd.Greeter { return greeter{w} }

type greeter struct{ world *World }

// Certificate implements etcd.Greeter.
func (g greeter) Certificate(ctx context.Context, endpoint string, _ *tls.Config) (*x509.Certificate, error) {
	g.world.mu.Lock()
	defer g.world.mu.Unlock()
	p := g.world.find(func(p *Process) bool { return p.args.ClientURL == endpoint || p.args.PeerURL == endpoint })
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", etcd.ErrUnreachable, ctx.Err())
	case p == nil:
		return nil, fmt.Errorf("%w: connection refused", etcd.ErrUnreachable)
	case g.world.presented[endpoint] == nil, g.world.hidden[p.args.ClientURL]:
		return nil, fmt.Errorf("%w: no certificate", etcd.ErrHandshake)
	}
	return g.world.presented[endpoint], nil
}

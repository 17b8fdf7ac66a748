package etcdfake

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// Peers asks the members on their metrics port, whatever its number: the host is that of the client URL.
func (w *World) Peers() etcd.PeerReader { return peerReader{w} }

type peerReader struct{ world *World }

// ConnectedPeers implements etcd.PeerReader: of the leader, those that follow it and are not stalled.
func (r peerReader) ConnectedPeers(ctx context.Context, metricsURL string) ([]uint64, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", etcd.ErrUnreachable, err)
	}
	host, err := hostOf(metricsURL)
	if err != nil {
		return nil, fmt.Errorf("parse metrics URL: %w", err)
	}
	r.world.mu.Lock()
	defer r.world.mu.Unlock()
	p := r.world.find(func(p *Process) bool {
		own, err := hostOf(p.args.ClientURL)
		return err == nil && own == host
	})
	if err := r.world.answers(p); err != nil {
		return nil, fmt.Errorf("%w: %w", etcd.ErrUnreachable, err)
	}
	var heard []uint64
	for id, q := range p.peers {
		if !p.leads() || !r.world.stalled[q.process.args.PeerURL] {
			heard = append(heard, id)
		}
	}
	slices.Sort(heard)
	return heard, nil
}

func hostOf(address string) (string, error) {
	if err := checkURL(address); err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	return u.Hostname(), nil
}

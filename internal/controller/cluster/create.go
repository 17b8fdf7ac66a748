package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

func (r *Reconciler) create(ctx context.Context, s *observe.Scene, step plan.Step) error {
	if founder, forms := step.(plan.CreateFounder); forms {
		return r.createFounder(ctx, s, founder.Name)
	}
	return r.createMember(ctx, s, resource.MemberIntent{Ordinal: s.LastOrdinal + 1})
}

func (r *Reconciler) createFounder(ctx context.Context, s *observe.Scene, name string) error {
	intent := resource.MemberIntent{Founder: true, Restore: s.Restore}
	if resource.RestoreOf(s.Cluster) != nil && intent.Restore == nil {
		return fmt.Errorf("create founder %s: %w", name, errNoSnapshot)
	}
	peers := make([]resource.Peer, len(s.Cluster.Status.InitialMembers))
	for i, founder := range s.Cluster.Status.InitialMembers {
		peers[i] = resource.Peer{Name: founder, URL: resource.WantedPeerURL(s.Cluster, founder)}
	}
	intent.InitialCluster = resource.InitialCluster(peers...)
	for n := s.Cluster.Status.LastOrdinal; n > 0; n-- {
		if resource.MemberName(s.Cluster.Name, s.Cluster.UID, n) == name {
			intent.Ordinal = n
		}
	}
	if intent.Ordinal == 0 {
		return fmt.Errorf("create founder %s: status.lastOrdinal %d does not cover it", name, s.Cluster.Status.LastOrdinal)
	}
	return r.createMember(ctx, s, intent)
}

func (r *Reconciler) createMember(ctx context.Context, s *observe.Scene, intent resource.MemberIntent) error {
	m := resource.Member(s.Target(), intent)
	if err := r.Client.Create(ctx, m); err != nil {
		return fmt.Errorf("create EtcdMember %s: %w", m.Name, err)
	}
	return nil
}

// errNoSnapshot: a cluster that starts from a snapshot is never founded without it.
var errNoSnapshot = errors.New("it is not known which snapshot it starts from")

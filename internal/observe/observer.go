package observe

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Observer looks at clusters.
type Observer struct {
	// Cached may be behind; Live must not be. Without a cache both are the same.
	Cached, Live client.Reader
	Dialer       etcd.Dialer
	// Peers asks members whom they are connected to; nil if nobody can be asked.
	Peers etcd.PeerReader
	// ClientURL says where a member is reached.
	ClientURL func(*v1alpha2.EtcdMember) string
	Now       func() time.Time
	// Patience is how long a member may take to answer; zero is the operator's own, which is near.
	Patience time.Duration
}

// Look looks at the cluster through the cache. A cluster that does not exist is an error that apierrors.IsNotFound knows.
func (o *Observer) Look(ctx context.Context, key types.NamespacedName) (*Scene, plan.Cluster, error) {
	return o.look(ctx, o.Cached, key)
}

// LookAgain looks past the cache, for those who are about to write.
func (o *Observer) LookAgain(ctx context.Context, key types.NamespacedName) (*Scene, plan.Cluster, error) {
	return o.look(ctx, o.Live, key)
}

func (o *Observer) look(ctx context.Context, from client.Reader, key types.NamespacedName) (*Scene, plan.Cluster, error) {
	s, err := kubernetes(ctx, from, o.Live, key)
	if err != nil {
		return nil, plan.Cluster{}, err
	}
	s.coverLost(o.Now())
	if err := o.findSnapshot(ctx, from, s); err != nil {
		return nil, plan.Cluster{}, err
	}
	o.readClasses(ctx, s)
	o.secure(ctx, from, s)
	o.identify(ctx, from, s)
	o.ask(ctx, s)
	return s, Join(s, o.Now()), nil
}

func clientURL(m *v1alpha2.EtcdMember) string {
	return resource.ClientURL(m.Name, m.Spec.ClusterName, m.Namespace, speaksTLS(m))
}

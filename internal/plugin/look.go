package plugin

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// warmUp is how long the first connection to a member may take, from afar and through the API server. Once it stands, a
// look has the operator's own patience.
const warmUp = 5 * time.Second

// looker looks at clusters the way the operator does.
type looker struct {
	reader  client.Reader
	dialer  etcd.Dialer
	failure func(pod string) error // why a Pod could not be reached through the API server; nil if it could
	now     func() time.Time

	mu   sync.Mutex
	warm map[string]bool // members that were connected to, or tried
}

// observation is what one look at a cluster has shown.
type observation struct {
	at      time.Time
	cluster *v1alpha2.EtcdCluster

	// blind is why the members could not be asked at all. Then only cluster, and scene if it is there, tell anything.
	blind error
	scene *observe.Scene // nil if its objects may not be read

	seen     plan.Cluster
	decision plan.Decision
	unread   []string         // kinds that may not be read, and are taken for what they should be
	failures map[string]error // by member: why it could not be reached through the API server
}

// look looks at a cluster. What may not be read makes the picture smaller, never an error.
func (l *looker) look(ctx context.Context, key types.NamespacedName) (*observation, error) {
	o := &observation{at: l.now(), cluster: &v1alpha2.EtcdCluster{}, failures: map[string]error{}}
	if err := l.reader.Get(ctx, key, o.cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, noSuchCluster(ctx, l.reader, key)
		}
		return nil, fmt.Errorf("get EtcdCluster: %w", err)
	}
	lenient := &lenientReader{Reader: l.reader}
	observer := &observe.Observer{
		Cached: lenient, Live: lenient, Dialer: l.dialer, ClientURL: observe.ClientURL, Now: l.now, Patience: l.patience(ctx, key),
	}
	scene, seen, err := observer.Look(ctx, key)
	switch {
	case apierrors.IsForbidden(err):
		o.blind = err
		return o, nil
	case apierrors.IsNotFound(err):
		return nil, noSuchCluster(ctx, l.reader, key)
	case err != nil:
		return nil, fmt.Errorf("look at %s: %w", key.Name, err)
	}
	lenient.amend(&seen)
	o.cluster, o.scene, o.seen, o.unread = scene.Cluster, scene, seen, lenient.unread
	o.decision = plan.Next(seen)
	o.blind = l.blindness(o)
	return o, nil
}

// blindness is why no member at all could be asked, although some should answer: not for what etcd does, but because the
// way to them is barred.
func (l *looker) blindness(o *observation) error {
	barred := o.scene.Unsecured()
	if apierrors.IsForbidden(barred) {
		barred = fmt.Errorf("they speak TLS, and you may not read what it takes: %w", barred)
	}
	reached := false
	for i, m := range o.scene.Members {
		if m.Answer.Client == nil { // not running
			continue
		}
		err := l.failure(m.Object.Name)
		if denied := o.scene.Unidentified(); denied != nil && o.seen.Members[i].Barred {
			barred = fmt.Errorf("they ask who calls, and you may not read what it takes: %w", denied)
			continue
		}
		if o.seen.Members[i].Answered || err == nil {
			reached = true
			continue
		}
		o.failures[m.Object.Name], barred = err, err
	}
	if reached {
		return nil
	}
	return barred
}

// patience is longer while there is a member that was not connected to before.
func (l *looker) patience(ctx context.Context, key types.NamespacedName) (longer time.Duration) {
	var members v1alpha2.EtcdMemberList
	err := l.reader.List(ctx, &members, client.InNamespace(key.Namespace), client.MatchingLabels{v1alpha2.LabelCluster: key.Name})
	if err != nil {
		return 0 // the look that follows meets the same error
	}
	for i := range members.Items {
		if m := &members.Items[i]; !m.Spec.Dormant && l.first(m.Name) {
			longer = warmUp
		}
	}
	return longer
}

func (l *looker) first(member string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.warm[member]
	l.warm[member] = true
	return !was
}

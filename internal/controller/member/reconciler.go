package member

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Reconciler takes one step for one member per pass; a crash between two passes is only a pass not yet taken.
type Reconciler struct {
	Client   client.Client
	Live     client.Reader // reads past the cache
	Recorder events.EventRecorder
	Now      func() time.Time

	OperatorImage  string // holds the launcher as /etcd-launcher
	EtcdRepository string // image of etcd without its tag
	WatchNodes     bool   // Nodes may be watched; else they are read one at a time, if that is allowed
	// Progress asks what fetches a snapshot at this IP address how far it is.
	Progress func(ctx context.Context, ip string) (*v1alpha2.SnapshotProgress, error)

	stillborn stillborn
	blind     sync.Once // has said that Nodes cannot be read
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/finalizers;etcdmembers/finalizers,verbs=update
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=pods;persistentvolumeclaims,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumes,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile observes, decides, takes at most one step, and reports when there is none to take. Nothing is done and no failure
// is reported on the word of the cache alone: it may be behind, and it does not show what lacks the operator's labels.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	seen, next, err := r.decide(ctx, r.Client, req)
	if err == nil && (next.Step != plan.Rest || next.Failure != "" || seen.outlook.troubled()) {
		seen, next, err = r.decide(ctx, r.Live, req)
	}
	if apierrors.IsNotFound(err) {
		r.stillborn.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	acted := r.act(ctx, seen, next)
	if next.Step != plan.Rest {
		log.FromContext(ctx).Info(next.Message, "step", next.Step, "error", acted)
	}
	if next.Step == plan.Rest || acted != nil || seen.refused != "" {
		r.follow(ctx, seen)
		acted = errors.Join(acted, r.publish(ctx, seen, next, acted))
	}
	return settle(acted, next.Recheck)
}

func (r *Reconciler) decide(ctx context.Context, from client.Reader, req reconcile.Request) (*scene, plan.Realization, error) {
	s, err := look(ctx, from, req.NamespacedName)
	if err != nil {
		return nil, plan.Realization{}, fmt.Errorf("observe: %w", err)
	}
	if err := r.lookAround(ctx, from, s); err != nil {
		return nil, plan.Realization{}, fmt.Errorf("observe: %w", err)
	}
	if err := s.lookForStore(ctx, r.Live); err != nil {
		return nil, plan.Realization{}, fmt.Errorf("observe: %w", err)
	}
	neverStarted := s.grantUsed() && (r.stillborn.knows(req.NamespacedName, s.member.Status.Grant.PodUID) || s.neverRan())
	return s, plan.Realize(s.part(neverStarted)), nil
}

// settle takes a write that came second for what it is: not an error, but a reason to look again.
func settle(err error, recheck time.Duration) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: recheck}, nil
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Meter counts what is done. All methods are safe for concurrent use.
type Meter interface {
	// Step counts a step that was taken and how long it took; err is what it ended with.
	Step(rule, step string, took time.Duration, err error)
	// Refused counts a decision to wait because an invariant forbids the next step.
	Refused(rule, invariant string)
	// Seen sets the gauges of a cluster.
	Seen(key types.NamespacedName, c plan.Cluster)
	// RolledOut sets how many members have what the spec asks for, and whether one has failed with it.
	RolledOut(key types.NamespacedName, updated int, failed bool)
	// Forget drops the gauges of a cluster that is gone.
	Forget(key types.NamespacedName)
}

// Reconciler takes one step per pass; a crash between two passes is only a pass not yet taken.
type Reconciler struct {
	Client   client.Client
	Observer *observe.Observer
	Recorder events.EventRecorder
	Meter    Meter
	Now      func() time.Time

	OperatorImage, EtcdRepository string // that etcd is tried out with
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshots,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers/status,verbs=get;patch
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=get
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile observes, decides, takes at most one step, and says so.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	scene, seen, err := r.Observer.Look(ctx, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.Meter.Forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observe: %w", err)
	}
	defer scene.Close()
	if !scene.Cluster.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil // owner references take everything down
	}
	next := plan.Next(seen)
	if _, nothing := next.Step.(plan.Nothing); nothing {
		return r.conclude(ctx, scene, seen, next, nil)
	}
	return r.confirm(ctx, req, next)
}

// confirm looks past the cache before a step is taken. If the step is another one now, nothing is done.
func (r *Reconciler) confirm(ctx context.Context, req reconcile.Request, next plan.Decision) (reconcile.Result, error) {
	scene, seen, err := r.Observer.LookAgain(ctx, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observe again: %w", err)
	}
	defer scene.Close()
	if confirmed := plan.Next(seen); confirmed.Step != next.Step || !scene.Cluster.DeletionTimestamp.IsZero() {
		log.FromContext(ctx).V(1).Info("the cache was behind", "cached", next.Step, "live", confirmed.Step)
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	return r.take(ctx, scene, seen, next)
}

// take carries out the step, which was seen to be right past the cache.
func (r *Reconciler) take(ctx context.Context, scene *observe.Scene, seen plan.Cluster, next plan.Decision) (reconcile.Result, error) {
	started := r.Now()
	err := r.act(ctx, scene, next.Step)
	r.Meter.Step(next.Rule, stepName(next.Step), r.Now().Sub(started), err)
	log.FromContext(ctx).Info(next.Message, "rule", next.Rule, "step", stepName(next.Step), "error", err)
	return r.conclude(ctx, scene, seen, next, err)
}

// conclude publishes status and events, and says when to look again. That etcd refuses a step for a while is no error.
func (r *Reconciler) conclude(
	ctx context.Context, scene *observe.Scene, seen plan.Cluster, next plan.Decision, acted error,
) (reconcile.Result, error) {
	if why := refusal(acted); why != "" {
		next = plan.Refused(next, why)
		acted = nil
	}
	if !next.Refusal.None() {
		r.Meter.Refused(next.Rule, next.Refusal.Invariant)
	}
	r.Meter.Seen(client.ObjectKeyFromObject(scene.Cluster), seen)
	published := r.publish(ctx, scene, seen, next, acted)
	st := &scene.Cluster.Status
	r.Meter.RolledOut(client.ObjectKeyFromObject(scene.Cluster), int(st.UpdatedMembers), st.Rollout != nil && st.Rollout.Failed != nil)
	if err := errors.Join(acted, published); err != nil {
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: plan.Settle}, nil // somebody wrote in between: look again
		}
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: max(next.Recheck, plan.Settle)}, nil
}

func stepName(s plan.Step) string { return fmt.Sprintf("%T", s)[len("plan."):] }

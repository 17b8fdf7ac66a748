package snapshot

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Meter is told what tries come to. All methods are safe for concurrent use.
type Meter interface {
	// Tried counts a try to save that ended: Complete, or the reason why it failed.
	Tried(cluster types.NamespacedName, result string)
	// Saved sets when the newest snapshot of a cluster was complete, and what it is.
	Saved(cluster types.NamespacedName, at time.Time, bytes, revision int64, took time.Duration)
	// Verified sets when the newest snapshot was complete that a drill has restored.
	Verified(cluster types.NamespacedName, at time.Time)
	// ForgetSnapshots drops what is known of a cluster's snapshots.
	ForgetSnapshots(cluster types.NamespacedName)
}

// Reconciler carries an EtcdSnapshot to its end, one step per pass.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache; it also reads what the cache does not hold: Pods of agents, Secrets and claims of people.
	Live     client.Reader
	Recorder events.EventRecorder
	Meter    Meter
	Now      func() time.Time
	// Progress asks the agent at this IP address how far it is.
	Progress func(ctx context.Context, ip string) (*v1alpha2.SnapshotProgress, error)

	OperatorImage, EtcdRepository string
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshots,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshots/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=pods;persistentvolumeclaims,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks, and takes a step if there is one to take.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	recheck, err := r.pass(ctx, req.NamespacedName)
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: plan.Settle}, nil // somebody wrote in between: look again
	case err != nil:
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	return reconcile.Result{RequeueAfter: recheck}, nil
}

// pass decides by the cache whether there is anything to do, and by a look past it what.
func (r *Reconciler) pass(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	s, err := r.look(ctx, r.Client, key)
	if err != nil {
		return 0, err
	}
	d := plan.NextSnapshot(s.known)
	s.progress = r.poll(ctx, s)
	if _, rests := d.Step.(plan.Nothing); rests && s.familiar(d) {
		return d.Recheck, r.publish(ctx, s, d)
	}
	progress := s.progress
	if s, err = r.look(ctx, r.Live, key); err != nil {
		return 0, err
	}
	s.progress = progress
	d, err = r.act(ctx, s, plan.NextSnapshot(s.known))
	if err != nil || s.gone(d) {
		return d.Recheck, err
	}
	return d.Recheck, r.publish(ctx, s, d)
}

// gone says that the step was the last that an EtcdSnapshot saw.
func (s *scene) gone(d plan.SnapshotDecision) bool {
	_, released := d.Step.(plan.ReleaseSnapshot)
	return released && s.known.Deleting
}

// poll asks a running agent how far it is. What it does not say is nobody's trouble.
func (r *Reconciler) poll(ctx context.Context, s *scene) *v1alpha2.SnapshotProgress {
	if s.address == "" || r.Progress == nil {
		return nil
	}
	progress, err := r.Progress(ctx, s.address)
	if err != nil {
		log.FromContext(ctx).V(1).Info("the agent does not tell how far it is", "error", err)
		return s.snapshot.Status.Progress
	}
	return progress
}

// act takes the step. It gives the decision back as it turned out.
func (r *Reconciler) act(ctx context.Context, s *scene, d plan.SnapshotDecision) (plan.SnapshotDecision, error) {
	var err error
	switch step := d.Step.(type) {
	case plan.Nothing:
		return d, nil
	case plan.HoldSnapshot:
		err = r.hold(ctx, s.snapshot, true)
	case plan.ReleaseSnapshot:
		if err = r.hold(ctx, s.snapshot, false); err == nil {
			r.tellRelease(s, d)
		}
	case plan.DropJob:
		err = r.drop(ctx, s, step.Job)
	case plan.RunAgent:
		d, err = r.run(ctx, s, d, step)
	}
	log.FromContext(ctx).Info(describe(d), "rule", d.Rule, "error", err)
	return d, err
}

func describe(d plan.SnapshotDecision) string {
	if d.Message != "" {
		return d.Message
	}
	return fmt.Sprintf("%T%+v", d.Step, d.Step)
}

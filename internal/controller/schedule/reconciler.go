package schedule

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Reconciler keeps to the schedules of snapshots, one write per pass.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache.
	Live     client.Reader
	Recorder events.EventRecorder
	Meter    *metrics.Meter
	Now      func() time.Time
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshots,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshotschedules,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshotschedules/status,verbs=get;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes the step that is next, decided on what is seen past the cache.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	now := r.Now()
	s, err := r.look(ctx, r.Client, req.NamespacedName, now)
	if apierrors.IsNotFound(err) {
		r.Meter.ForgetSchedule(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	d := plan.NextSchedule(s.plan)
	if d.Step != plan.ScheduleStep(plan.Nothing{}) {
		if s, err = r.look(ctx, r.Live, req.NamespacedName, now); err != nil {
			return reconcile.Result{}, client.IgnoreNotFound(err)
		}
		d = plan.NextSchedule(s.plan)
	}
	err = r.act(ctx, s, d)
	if err == nil {
		err = r.publish(ctx, s, d)
	}
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: plan.Settle}, nil // somebody wrote in between: look again
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return reconcile.Result{}, nil // all of it goes
	}
	return reconcile.Result{RequeueAfter: max(d.Recheck, plan.Settle)}, client.IgnoreNotFound(err)
}

// act takes a step. What is only recorded is part of what is published.
func (r *Reconciler) act(ctx context.Context, s *scene, d plan.ScheduleDecision) (err error) {
	var about client.Object
	switch step := d.Step.(type) {
	case plan.Nothing, plan.LeaveOut, plan.StartOver:
		return nil
	case plan.TakeSnapshot:
		return r.take(ctx, s, step)
	case plan.Condemn:
		about, err = s.snapshots[step.Snapshot], r.condemn(ctx, s.snapshots[step.Snapshot])
	case plan.DropSnapshot:
		about, err = s.snapshots[step.Snapshot], r.drop(ctx, s.snapshots[step.Snapshot])
	case plan.AskForDrill:
		about, err = s.snapshots[step.Snapshot], r.ask(ctx, s, s.snapshots[step.Snapshot])
	case plan.Hold, plan.Release:
		about, err = s.schedule, r.hold(ctx, s.schedule, step == plan.ScheduleStep(plan.Hold{}))
	}
	if err != nil {
		return fmt.Errorf("%s (%s): %w", d.Message, about.GetName(), err)
	}
	log.FromContext(ctx).Info(d.Message, "rule", d.Rule, "object", about.GetName())
	return nil
}

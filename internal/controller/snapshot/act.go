package snapshot

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const eraseWithin = 10 * time.Minute // for one try

// hold puts the finalizer on an EtcdSnapshot, or takes it off.
func (r *Reconciler) hold(ctx context.Context, s *v1alpha2.EtcdSnapshot, held bool) error {
	before := s.DeepCopy()
	change := controllerutil.RemoveFinalizer
	if held {
		change = controllerutil.AddFinalizer
	}
	change(s, v1alpha2.FinalizerSnapshot)
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, s, lock); err != nil {
		return fmt.Errorf("change the finalizer: %w", err)
	}
	return nil
}

// drop deletes a Job. It stays until its Pods have ended, so that what comes after is not disturbed by them.
func (r *Reconciler) drop(ctx context.Context, s *scene, name string) error {
	job := s.jobs[name]
	if job == nil {
		return nil
	}
	err := r.Client.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationForeground),
		client.Preconditions{UID: ptr.To(job.UID)})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Job %s: %w", name, err)
	}
	return nil
}

// run makes the Job of a try.
func (r *Reconciler) run(ctx context.Context, s *scene, d plan.SnapshotDecision, step plan.RunAgent) (plan.SnapshotDecision, error) {
	job, err := r.job(s, step)
	if err != nil {
		return d, err
	}
	err = r.Client.Create(ctx, job)
	switch {
	case err == nil:
		return d, nil
	case apierrors.IsAlreadyExists(err):
		return r.met(ctx, s, d, job)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return s.instead("", ""), nil
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		return s.instead(v1alpha2.ReasonJobRefused, fmt.Sprintf("Job %s cannot be made: %s", job.Name, err)), nil
	}
	return d, fmt.Errorf("create Job %s: %w", job.Name, err)
}

func (r *Reconciler) job(s *scene, step plan.RunAgent) (*batchv1.Job, error) {
	in := s.intent(task.Kind(step.Kind))
	in.Number, in.Request = step.Number, step.Request
	in.OperatorImage, in.EtcdRepository = r.OperatorImage, r.EtcdRepository
	job, err := resource.AgentJob(s.snapshot, in)
	if err != nil {
		return nil, fmt.Errorf("build the Job of try %d: %w", step.Number, err)
	}
	return job, nil
}

// met decides what to do about a Job that is there already: one of ours was made before a crash, or the look before was behind.
func (r *Reconciler) met(ctx context.Context, s *scene, d plan.SnapshotDecision, job *batchv1.Job) (plan.SnapshotDecision, error) {
	there := &batchv1.Job{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(job), there); err != nil {
		return d, fmt.Errorf("get Job %s: %w", job.Name, err)
	}
	if resource.ControlledBy(there, s.snapshot.UID) {
		return s.instead("", ""), nil
	}
	return s.instead(v1alpha2.ReasonNameTaken, fmt.Sprintf("Job %s is there and does not belong to this EtcdSnapshot: "+
		"delete the Job, or take a snapshot under another name", job.Name)), nil
}

// readEnd finds out whether the namespace is ending: then no Job can be made in it any more, and the Secrets that one needs may be gone.
func (r *Reconciler) readEnd(ctx context.Context, s *scene, last *plan.Try) error {
	next := plan.RunAgent{Kind: plan.DeleteAgent, Number: 1}
	if last != nil {
		next.Number = last.Number + 1
	}
	job, err := r.job(s, next)
	if err != nil {
		return err
	}
	err = r.Client.Create(ctx, job, client.DryRunAll)
	s.known.Ending = apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	return nil
}

// instead is the decision to wait, with the record as it was.
func (s *scene) instead(reason, message string) plan.SnapshotDecision {
	d := plan.SnapshotDecision{
		Step: plan.Nothing{}, Record: s.known.Record, Outlook: plan.Waiting, Reason: reason, Message: message, Recheck: plan.SnapshotAgain,
	}
	if d.Record.Phase == "" {
		d.Record.Phase = plan.SnapshotPending
	}
	return d
}

package schedule

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// take creates the EtcdSnapshot of a run. Its name follows from the run, so that it cannot be made twice.
func (r *Reconciler) take(ctx context.Context, s *scene, step plan.TakeSnapshot) error {
	snapshot := snapshotOf(s.schedule, step.Due)
	err := r.Client.Create(ctx, snapshot)
	switch {
	case apierrors.IsAlreadyExists(err):
		r.Recorder.Eventf(s.schedule, nil, corev1.EventTypeWarning, v1alpha2.ReasonNameTaken, "Schedule",
			"EtcdSnapshot %s is there already, of an earlier time or of somebody else: the run is left out", snapshot.Name)
		return nil
	case err != nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		r.Recorder.Eventf(s.schedule, nil, corev1.EventTypeWarning, "SnapshotNotCreated", "Schedule",
			"EtcdSnapshot %s cannot be created: %s", snapshot.Name, err)
	}
	if err != nil {
		return fmt.Errorf("create EtcdSnapshot %s: %w", snapshot.Name, err)
	}
	s.plan.Snapshots = append(s.plan.Snapshots, plan.ScheduledSnapshot{Name: snapshot.Name, Due: step.Due, Created: s.plan.Now})
	log.FromContext(ctx).Info("created EtcdSnapshot", "snapshot", snapshot.Name)
	return nil
}

func snapshotOf(schedule *v1alpha2.EtcdSnapshotSchedule, due time.Time) *v1alpha2.EtcdSnapshot {
	spec := schedule.Spec.DeepCopy()
	return &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   schedule.Namespace,
			Name:        schedule.Name + "-" + due.UTC().Format("20060102-150405"),
			Labels:      map[string]string{v1alpha2.LabelSchedule: schedule.Name},
			Annotations: map[string]string{v1alpha2.AnnotationScheduledAt: due.UTC().Format(time.RFC3339)},
		},
		Spec: v1alpha2.EtcdSnapshotSpec{
			ClusterRef:            spec.ClusterRef,
			Destination:           spec.Destination,
			Compression:           spec.Compression,
			DeletionPolicy:        v1alpha2.SnapshotRetain, // retention changes it when it is the snapshot's turn
			ActiveDeadlineSeconds: spec.ActiveDeadlineSeconds,
		},
	}
}

// condemn puts the finalizer on together with the policy, or the EtcdSnapshot could go before its controller has seen what it is to delete.
func (r *Reconciler) condemn(ctx context.Context, snapshot *v1alpha2.EtcdSnapshot) error {
	return r.patch(ctx, snapshot, func() {
		snapshot.Spec.DeletionPolicy = v1alpha2.SnapshotDelete
		if snapshot.DeletionTimestamp.IsZero() {
			controllerutil.AddFinalizer(snapshot, v1alpha2.FinalizerSnapshot)
		}
	})
}

func (r *Reconciler) drop(ctx context.Context, snapshot *v1alpha2.EtcdSnapshot) error {
	seen := client.Preconditions{UID: ptr.To(snapshot.UID), ResourceVersion: ptr.To(snapshot.ResourceVersion)}
	return client.IgnoreNotFound(r.Client.Delete(ctx, snapshot, seen))
}

func (r *Reconciler) ask(ctx context.Context, s *scene, snapshot *v1alpha2.EtcdSnapshot) error {
	return r.patch(ctx, snapshot, func() {
		metav1.SetMetaDataAnnotation(&snapshot.ObjectMeta, v1alpha2.AnnotationVerify, s.plan.Now.UTC().Format(time.RFC3339))
	})
}

func (r *Reconciler) hold(ctx context.Context, schedule *v1alpha2.EtcdSnapshotSchedule, hold bool) error {
	return r.patch(ctx, schedule, func() {
		if hold {
			controllerutil.AddFinalizer(schedule, v1alpha2.FinalizerSchedule)
		} else {
			controllerutil.RemoveFinalizer(schedule, v1alpha2.FinalizerSchedule)
		}
	})
}

// patch changes an object if it is still as it was seen.
func (r *Reconciler) patch(ctx context.Context, o client.Object, change func()) error {
	before, _ := o.DeepCopyObject().(client.Object)
	change()
	return r.Client.Patch(ctx, o, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

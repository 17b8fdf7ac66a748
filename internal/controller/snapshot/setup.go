package snapshot

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
)

// SetupWithManager watches EtcdSnapshots and their Jobs.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("snapshot").
		For(&v1alpha2.EtcdSnapshot{}).
		Owns(&batchv1.Job{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up snapshot controller: %w", err)
	}
	return nil
}

// SetupWithManager watches EtcdClusters and the EtcdSnapshots of them.
func (r *Recorder) SetupWithManager(mgr ctrl.Manager, workers int) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("last-snapshot").
		For(&v1alpha2.EtcdCluster{}).
		Watches(&v1alpha2.EtcdSnapshot{}, handler.EnqueueRequestsFromMapFunc(clusterOf)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up controller of last snapshots: %w", err)
	}
	return nil
}

func clusterOf(_ context.Context, o client.Object) []reconcile.Request {
	s, ok := o.(*v1alpha2.EtcdSnapshot)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: clusterKey(s)}}
}

func clusterKey(s *v1alpha2.EtcdSnapshot) types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Spec.ClusterRef.Name}
}

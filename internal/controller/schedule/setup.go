package schedule

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// SetupWithManager watches schedules, their snapshots, and whether their clusters come, pause and go.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("schedule").
		For(&v1alpha2.EtcdSnapshotSchedule{}).
		Watches(&v1alpha2.EtcdSnapshot{}, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelSchedule))).
		Watches(&v1alpha2.EtcdCluster{}, handler.EnqueueRequestsFromMapFunc(r.schedulesOf),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up schedule controller: %w", err)
	}
	return nil
}

// schedulesOf are those of a cluster.
func (r *Reconciler) schedulesOf(ctx context.Context, cluster client.Object) (requests []reconcile.Request) {
	var schedules v1alpha2.EtcdSnapshotScheduleList
	if r.Client.List(ctx, &schedules, client.InNamespace(cluster.GetNamespace()), client.UnsafeDisableDeepCopy) != nil {
		return nil // the cache is not there yet: it will show every schedule anyway
	}
	for i := range schedules.Items {
		if schedules.Items[i].Spec.ClusterRef.Name == cluster.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&schedules.Items[i])})
		}
	}
	return requests
}

package consistency

import (
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// patience bounds a comparison: databases may be large. workers clusters are compared side by side.
const patience = 10 * time.Minute

// SetupWithManager watches what tells that a comparison is due.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("consistency").
		For(&v1alpha2.EtcdCluster{}).
		Watches(&v1alpha2.EtcdMember{}, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster))).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter(), ReconciliationTimeout: patience}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up consistency controller: %w", err)
	}
	return nil
}

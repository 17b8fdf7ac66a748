package connection

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// SetupWithManager watches what the ConfigMap is made of, and the ConfigMap itself.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	err := ctrl.NewControllerManagedBy(mgr).
		Named("connection").
		For(&v1alpha2.EtcdCluster{}).
		Watches(&v1alpha2.EtcdMember{}, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster))).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster))).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up connection controller: %w", err)
	}
	return nil
}

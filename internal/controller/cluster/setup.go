package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// SetupWithManager watches EtcdClusters and everything that carries their label. workers clusters are looked at side by
// side, so that one that hangs does not hold up the others.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("cluster").
		For(&v1alpha2.EtcdCluster{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()})
	for _, o := range []client.Object{
		&v1alpha2.EtcdMember{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{}, &corev1.Service{}, &policyv1.PodDisruptionBudget{},
	} {
		b = b.Watches(o, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster)))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up cluster controller: %w", err)
	}
	return nil
}

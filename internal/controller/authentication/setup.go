package authentication

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// SetupWithManager watches EtcdClusters, whose status tells when members are healthy, the operator's own Secrets, and, of those that
// specs name, the metadata in a cache of strangers.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int, strangers cache.Cache) error {
	secrets := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := ctrl.NewControllerManagedBy(mgr).
		Named("authentication").
		For(&v1alpha2.EtcdCluster{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster))).
		WatchesRawSource(source.Kind(strangers, secrets, handler.TypedEnqueueRequestsFromMapFunc(r.clustersNaming))).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up authentication controller: %w", err)
	}
	return nil
}

// clustersNaming are those whose spec names a Secret.
func (r *Reconciler) clustersNaming(ctx context.Context, secret *metav1.PartialObjectMetadata) (requests []reconcile.Request) {
	return wake.Naming(ctx, r.Client, secret, namedSecrets)
}

// namedSecrets are the names of all Secrets with passwords that a spec names.
func namedSecrets(c *v1alpha2.EtcdCluster) (names []string) {
	if c.Spec.Auth == nil {
		return nil
	}
	if ref := c.Spec.Auth.RootCredentialsSecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	for i := range c.Spec.Auth.Users {
		names = append(names, c.Spec.Auth.Users[i].PasswordSecretRef.Name)
	}
	return names
}

package certificate

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

// SetupWithManager watches everything that carries a cluster's label, and the Secrets that specs name: of those only the metadata, in
// a cache of their own, because the one of the manager holds nothing of others.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int, strangers cache.Cache) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("certificate").
		For(&v1alpha2.EtcdCluster{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()}).
		WatchesRawSource(source.Kind(strangers, SecretMetadata(), handler.TypedEnqueueRequestsFromMapFunc(r.clustersNaming)))
	for _, o := range []client.Object{&v1alpha2.EtcdMember{}, &corev1.Pod{}, &corev1.Secret{}, &corev1.ConfigMap{}} {
		b = b.Watches(o, handler.EnqueueRequestsFromMapFunc(wake.Labelled(v1alpha2.LabelCluster)))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up certificate controller: %w", err)
	}
	return nil
}

// SecretMetadata is the kind of which strangers are watched.
func SecretMetadata() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
}

// clustersNaming are those whose spec names a Secret, and the one that the Secret itself names.
func (r *Reconciler) clustersNaming(ctx context.Context, secret *metav1.PartialObjectMetadata) (requests []reconcile.Request) {
	if name := secret.Labels[v1alpha2.LabelClientCertificateOf]; name != "" {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: secret.Namespace, Name: name}})
	}
	return append(requests, wake.Naming(ctx, r.Client, secret, namedSecrets)...)
}

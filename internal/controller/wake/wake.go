// Package wake says which objects have to be looked at again when another one has changed.
package wake

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Labelled wakes the object that a label of the changed one names, in the same namespace; nobody if it has no such label.
func Labelled(label string) handler.MapFunc {
	return func(_ context.Context, o client.Object) []reconcile.Request {
		name := o.GetLabels()[label]
		if name == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: name}}}
	}
}

// Naming wakes the EtcdClusters in the namespace of the changed object whose spec names it: names lists what a spec names. While the
// cache of clusters is not there yet nobody is woken: it will show every cluster anyway.
func Naming(
	ctx context.Context, c client.Reader, o client.Object, names func(*v1alpha2.EtcdCluster) []string,
) (requests []reconcile.Request) {
	var clusters v1alpha2.EtcdClusterList
	if c.List(ctx, &clusters, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy) != nil {
		return nil
	}
	for i := range clusters.Items {
		if slices.Contains(names(&clusters.Items[i]), o.GetName()) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&clusters.Items[i])})
		}
	}
	return requests
}

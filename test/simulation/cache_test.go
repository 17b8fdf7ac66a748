package simulation

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// lists are all kinds that the operator reads.
func lists() []client.ObjectList {
	return []client.ObjectList{
		&v1alpha2.EtcdClusterList{}, &v1alpha2.EtcdMemberList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{},
		&corev1.ServiceList{}, &policyv1.PodDisruptionBudgetList{}, &corev1.NodeList{},
		&v1alpha2.EtcdSnapshotList{}, &v1alpha2.EtcdSnapshotScheduleList{},
	}
}

// cache shows the store as it was at the last sync.
type cache struct {
	store  client.Reader
	behind bool // the store has changed since
	seen   map[reflect.Type][]client.Object
}

func (c *cache) sync(t *testing.T) {
	t.Helper()
	if !c.behind && c.seen != nil {
		return
	}
	c.behind, c.seen = false, map[reflect.Type][]client.Object{}
	for _, list := range lists() {
		if err := c.store.List(context.Background(), list); err != nil {
			t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(o runtime.Object) error {
			c.seen[reflect.TypeOf(o)] = append(c.seen[reflect.TypeOf(o)], o.(client.Object))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// Get implements client.Reader.
func (c *cache) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	for _, o := range c.seen[reflect.TypeOf(into)] {
		if client.ObjectKeyFromObject(o) == key {
			reflect.ValueOf(into).Elem().Set(reflect.ValueOf(o.DeepCopyObject()).Elem())
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, key.Name)
}

// List implements client.Reader.
func (c *cache) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	if o.LabelSelector == nil {
		o.LabelSelector = labels.Everything()
	}
	items, err := meta.GetItemsPtr(into)
	if err != nil {
		return err
	}
	var found []runtime.Object
	for _, item := range c.seen[reflect.PointerTo(reflect.TypeOf(items).Elem().Elem())] {
		if (o.Namespace == "" || o.Namespace == item.GetNamespace()) && o.LabelSelector.Matches(labels.Set(item.GetLabels())) {
			found = append(found, item.DeepCopyObject())
		}
	}
	return meta.SetList(into, found)
}

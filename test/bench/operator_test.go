//go:build bench

package bench

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// etcdVersion is the one that both sides run.
const etcdVersion = "3.6.16"

func measureOperator(t *testing.T, b *bed.Bed, all timings) {
	c := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace(t), Name: "bench"},
		Spec:       v1alpha2.EtcdClusterSpec{Version: etcdVersion, Storage: v1alpha2.StorageSpec{Size: resource.MustParse("64Mi")}},
	}
	ctx, key := t.Context(), client.ObjectKeyFromObject(c)
	ready := func(n int32) func() bool {
		return func() bool {
			if err := b.Get(ctx, key, c); err != nil {
				t.Fatal(err)
			}
			is := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady)
			return is != nil && is.Status == metav1.ConditionTrue && is.ObservedGeneration == c.Generation && c.Status.ReadyMembers == n
		}
	}
	scale := func(n int) func() error {
		return func() error {
			return b.Patch(ctx, c, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)))
		}
	}
	all.time(t, create, func() error { return b.Create(ctx, c) }, ready(3))

	var pods corev1.PodList
	if err := b.List(ctx, &pods, client.InNamespace(c.Namespace)); err != nil {
		t.Fatal(err)
	}
	pod := &pods.Items[0]
	if pod.Name == c.Status.Leader { // the loss of a leader costs an election on both sides: not what is compared
		pod = &pods.Items[1]
	}
	all.time(t, restart, func() error { return b.Delete(ctx, pod) }, func() bool { return isNew(ctx, b, pod) && ready(3)() })
	all.time(t, grow, scale(5), ready(5))
	all.time(t, shrink, scale(3), ready(3))
	all.time(t, pause, scale(0), ready(0))
	all.time(t, resume, scale(3), ready(3))
}

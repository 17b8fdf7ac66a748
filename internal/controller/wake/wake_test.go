package wake_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
)

func TestALabelWakesWhomItNames(t *testing.T) {
	t.Parallel()
	of := wake.Labelled(v1alpha2.LabelCluster)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a-1", Labels: map[string]string{v1alpha2.LabelCluster: "a"}}}
	if got := of(t.Context(), pod); len(got) != 1 || got[0].String() != "ns/a" {
		t.Errorf("a Pod of a wakes %v", got)
	}
	pod.Labels = nil
	if got := of(t.Context(), pod); len(got) != 0 {
		t.Errorf("a Pod of nobody wakes %v", got)
	}
}

func TestOnlyClustersOfTheNamespaceThatNameItAreWoken(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha2.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	named := func(namespace, name, version string) *v1alpha2.EtcdCluster {
		c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		c.Spec.Version = version
		return c
	}
	c := fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(named("ns", "a", "it"), named("ns", "b", "other"), named("elsewhere", "c", "it")).Build()
	it := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "it"}}
	got := wake.Naming(t.Context(), c, it, func(c *v1alpha2.EtcdCluster) []string { return []string{"x", c.Spec.Version} })
	if !slices.Equal([]string{"ns/a"}, func() (s []string) {
		for _, r := range got {
			s = append(s, r.String())
		}
		return s
	}()) {
		t.Errorf("wakes %v", got)
	}
}

package cluster

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
)

func TestAClusterThatStartsFromASnapshotIsNeverFoundedWithoutIt(t *testing.T) {
	c := &v1alpha2.EtcdCluster{}
	c.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{SnapshotRef: &corev1.LocalObjectReference{Name: "now"}}}
	c.Status.InitialMembers = []string{"a"}
	if err := (&Reconciler{}).createFounder(t.Context(), &observe.Scene{Cluster: c}, "a"); !errors.Is(err, errNoSnapshot) {
		t.Errorf("got %v", err)
	}
}

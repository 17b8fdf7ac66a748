package resource

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Safeguard is the EtcdSnapshot of c that is taken at a time, before its version changes. spec says where to. It is kept whatever becomes
// of c: nobody but people deletes it.
func Safeguard(c *v1alpha2.EtcdCluster, spec v1alpha2.EtcdSnapshotSpec, at metav1.Time) *v1alpha2.EtcdSnapshot {
	spec.ClusterRef = corev1.LocalObjectReference{Name: c.Name}
	spec.DeletionPolicy = v1alpha2.SnapshotRetain
	return &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace,
			Name:      c.Name + "-before-" + c.Spec.Version + "-" + strconv.FormatInt(at.Unix(), 36),
			Labels:    map[string]string{v1alpha2.LabelCluster: c.Name, v1alpha2.LabelBeforeVersion: c.Spec.Version},
		},
		Spec: spec,
	}
}

package resource

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Labels that Kubernetes recommends.
const (
	labelName      = "app.kubernetes.io/name"
	labelInstance  = "app.kubernetes.io/instance"
	labelComponent = "app.kubernetes.io/component"
	labelManagedBy = "app.kubernetes.io/managed-by"

	componentMember    = "member"
	componentCluster   = "cluster"
	componentRehearsal = "rehearsal"
)

// Labels are on every object of a cluster.
func Labels(clusterName string, clusterUID types.UID, component string) map[string]string {
	return map[string]string{
		labelName:                "etcd",
		labelInstance:            clusterName,
		labelComponent:           component,
		labelManagedBy:           "etcd-operator",
		v1alpha2.LabelCluster:    clusterName,
		v1alpha2.LabelClusterUID: string(clusterUID),
	}
}

// MemberPodLabels match exactly the member Pods of a cluster: Pods of Jobs have its UID too, but are another component.
func MemberPodLabels(clusterUID types.UID) map[string]string {
	return map[string]string{labelComponent: componentMember, v1alpha2.LabelClusterUID: string(clusterUID)}
}

// Selector matches exactly the member Pods of a cluster, for its scale subresource.
func Selector(c *v1alpha2.EtcdCluster) string { return labels.Set(MemberPodLabels(c.UID)).String() }

// MemberSelector matches exactly the Pod of a member, for its scale subresource.
func MemberSelector(m *v1alpha2.EtcdMember) string {
	match := MemberPodLabels(ClusterUID(m))
	match[v1alpha2.LabelMember] = m.Name
	return labels.Set(match).String()
}

// ClusterUID is the UID of the EtcdCluster that controls m, empty if none does.
func ClusterUID(m *v1alpha2.EtcdMember) types.UID {
	if owner := metav1.GetControllerOf(m); owner != nil && owner.Kind == "EtcdCluster" {
		return owner.UID
	}
	return ""
}

// ControlledBy says whether the object with this UID controls obj.
func ControlledBy(obj metav1.Object, uid types.UID) bool {
	owner := metav1.GetControllerOf(obj)
	return owner != nil && owner.UID == uid
}

// memberLabels are on the EtcdMember, the Pod and the claim of one member. The ordinal is on all of them, so that a number
// is not given out again as long as anything of its member is left.
func memberLabels(clusterName string, clusterUID types.UID, member, ordinal string) map[string]string {
	all := Labels(clusterName, clusterUID, componentMember)
	all[v1alpha2.LabelMember] = member
	all[v1alpha2.LabelOrdinal] = ordinal
	return all
}

// labelsOf are the labels of what belongs to m.
func labelsOf(m *v1alpha2.EtcdMember) map[string]string {
	return memberLabels(m.Spec.ClusterName, ClusterUID(m), m.Name, m.Labels[v1alpha2.LabelOrdinal])
}

// objectMeta is metadata with what the user adds; the operator's own keys win.
func objectMeta(namespace, name string, own map[string]string, add *v1alpha2.AdditionalMetadata) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: own}
	if add != nil {
		meta.Labels = maps.Clone(add.Labels)
		if meta.Labels == nil {
			meta.Labels = map[string]string{}
		}
		maps.Copy(meta.Labels, own)
		meta.Annotations = maps.Clone(add.Annotations)
	}
	return meta
}

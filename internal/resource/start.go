package resource

import (
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Adapt gives m what its cluster asks for in fields of the class Live, and wears what was added to the cluster's metadata itself.
func Adapt(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) {
	before, own := m.Spec.AdditionalMetadata, labelsOf(m)
	take(c, m, Live)
	was, is := ptr.Deref(before, v1alpha2.AdditionalMetadata{}), ptr.Deref(m.Spec.AdditionalMetadata, v1alpha2.AdditionalMetadata{})
	m.Labels = adorn(m.Labels, was.Labels, is.Labels)
	m.Annotations = adorn(m.Annotations, was.Annotations, is.Annotations)
	maps.Copy(m.Labels, own)
}

// adorn takes away what was added before, and adds what is to be added now, unless somebody else has put something there.
func adorn(have, was, is map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range have {
		if added, ok := was[key]; !ok || added != value {
			out[key] = value
		}
	}
	for key, value := range is {
		if _, taken := out[key]; !taken {
			out[key] = value
		}
	}
	return out
}

// ByHand says whether people are to delete the Pod of an earlier start.
func ByHand(m *v1alpha2.EtcdMember) bool {
	return m.Spec.UpdateStrategy != nil && m.Spec.UpdateStrategy.Type == v1alpha2.UpdateOnDelete
}

// Update gives m what its cluster asks for in fields of the class Restart, and the peer URL that etcd lists it under, and lets it start
// anew: at once, or by hand when people delete its Pod.
func Update(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember, peerURL string, byHand bool) {
	take(c, m, Restart)
	m.Spec.UpdateStrategy = nil
	if byHand {
		m.Spec.UpdateStrategy = &v1alpha2.UpdateStrategy{Type: v1alpha2.UpdateOnDelete}
	}
	m.Spec.PeerURL = peerURL
	m.Spec.Start++
}

func take(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember, class Class) {
	for _, field := range MemberFields {
		if field.Class == class {
			field.take(m, c)
		}
	}
}

// Stale says whether a member's Pod was made before the member was last let start anew.
func Stale(m *v1alpha2.EtcdMember, pod *corev1.Pod) bool {
	made, err := strconv.ParseInt(pod.Annotations[v1alpha2.AnnotationStart], 10, 64)
	return m.Spec.Start > 0 && (err != nil || made < m.Spec.Start)
}

// tellStart writes on a Pod which start of the member it was made for, and which restart was asked for last.
func tellStart(m *v1alpha2.EtcdMember, pod *corev1.Pod) {
	if m.Spec.Start > 0 {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationStart, strconv.FormatInt(m.Spec.Start, 10))
	}
	if m.Spec.RestartedAt != "" {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationRestartedAt, m.Spec.RestartedAt)
	}
}

func tellCertificates(pod *corev1.Pod, serials string) {
	if serials != "" {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationCertificates, serials)
	}
}

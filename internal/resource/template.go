package resource

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// restartFields are the template fields that only another Pod takes over.
var restartFields = []string{"tls", "resources", "affinity", "topologySpreadConstraints", "options", "imagePullSecrets"}

// Differences are the template fields in which m differs from what its cluster asks for: those that another Pod takes over, and those
// that only a new member can have.
func Differences(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) (restart, renewal []string) {
	for _, name := range Outdated(c, m) {
		if slices.Contains(restartFields, name) {
			restart = append(restart, name)
			continue
		}
		renewal = append(renewal, name)
	}
	return restart, renewal
}

// Update gives m what its cluster asks for in those fields, and the peer URL that etcd lists it under, and lets it start anew.
func Update(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember, peerURL string) {
	for _, field := range templateFields {
		if slices.Contains(restartFields, field.name) {
			field.take(m, c)
		}
	}
	m.Spec.PeerURL = peerURL
	m.Spec.Start++
}

// Stale says whether a member's Pod was made before the member was last let start anew.
func Stale(m *v1alpha2.EtcdMember, pod *corev1.Pod) bool {
	made, err := strconv.ParseInt(pod.Annotations[v1alpha2.AnnotationStart], 10, 64)
	return m.Spec.Start > 0 && (err != nil || made < m.Spec.Start)
}

// tellStart writes on a Pod which start of the member it was made for.
func tellStart(m *v1alpha2.EtcdMember, pod *corev1.Pod) {
	if m.Spec.Start == 0 {
		return
	}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationStart, strconv.FormatInt(m.Spec.Start, 10))
}

func tellCertificates(pod *corev1.Pod, serials string) {
	if serials != "" {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationCertificates, serials)
	}
}

package resource

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Claim is the PersistentVolumeClaim of a member. The EtcdCluster owns it, not the EtcdMember: an EtcdMember that is
// deleted by accident does not take its data along.
func Claim(m *v1alpha2.EtcdMember) *corev1.PersistentVolumeClaim {
	own := labelsOf(m)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: objectMeta(m.Namespace, ClaimName(m.Name), own, m.Spec.AdditionalMetadata),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: m.Spec.Storage.StorageClassName,
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: m.Spec.Storage.Size},
			},
		},
	}
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, v1alpha2.AnnotationMemberUID, string(m.UID))
	if owner := metav1.GetControllerOf(m); owner != nil {
		claim.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	return claim
}

// MarkClaim sets on the claim of m what must be on it: its labels, and whose vote it holds, which outlives the EtcdMember. Its
// other annotations stay: they say whom it was made for.
func MarkClaim(m *v1alpha2.EtcdMember, claim *corev1.PersistentVolumeClaim) {
	Relabel(Claim(m), claim)
	if in := m.Status.Incarnation; in != nil && m.Status.IsVoter && in.VolumeUID == string(claim.UID) {
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, v1alpha2.AnnotationMemberID, in.MemberID)
	}
}

// IsMarked says whether MarkClaim would change nothing.
func IsMarked(m *v1alpha2.EtcdMember, claim *corev1.PersistentVolumeClaim) bool {
	marked := claim.DeepCopy()
	MarkClaim(m, marked)
	return equality.Semantic.DeepEqual(marked, claim)
}

package resource

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/quorum"
)

// DisruptionBudget keeps a quorum of the voters there are, or of those wanted if they are more, from being evicted. While
// the cluster is paused (want 0) the voters alone count.
func DisruptionBudget(c *v1alpha2.EtcdCluster, voters, want int32) *policyv1.PodDisruptionBudget {
	need := intstr.FromInt32(int32(quorum.Size(int(max(voters, want)))))
	// Without a quorum no member is Ready, though each is needed to get it back: AlwaysAllow would let a drain turn a
	// stall into a loss. IfHealthyBudget lets a broken member go as long as the others are a quorum.
	policy := policyv1.IfHealthyBudget
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: objectMeta(c.Namespace, DisruptionBudgetName(c.Name), Labels(c.Name, c.UID, componentCluster), c.Spec.AdditionalMetadata),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable:               &need,
			Selector:                   &metav1.LabelSelector{MatchLabels: MemberPodLabels(c.UID)},
			UnhealthyPodEvictionPolicy: &policy,
		},
	}
	b.OwnerReferences = clusterOwner(c)
	return b
}

package resource

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// VolumeSize is how a volume that is in use stands to the size that is wanted.
type VolumeSize struct{ Wanted, Asked, Has resource.Quantity }

// SizeOf compares a claim with the size that is wanted. There is nothing to say of one without a volume, or whose size nobody has told.
func SizeOf(claim *corev1.PersistentVolumeClaim, wanted resource.Quantity) VolumeSize {
	if claim == nil || claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil {
		return VolumeSize{}
	}
	has, told := claim.Status.Capacity[corev1.ResourceStorage]
	if !told {
		return VolumeSize{}
	}
	return VolumeSize{Wanted: wanted, Asked: claim.Spec.Resources.Requests[corev1.ResourceStorage], Has: has}
}

// Short volumes have less than is wanted. One that has more, whatever its claim asks for, is large enough.
func (s VolumeSize) Short() bool { return s.Has.Cmp(s.Wanted) < 0 }

// Unasked says whether the claim has to ask for another size: for more, or for less after it asked for what nobody could give.
func (s VolumeSize) Unasked() bool { return s.Short() && s.Asked.Cmp(s.Wanted) != 0 }

// Expand makes a claim ask for the size that m asks for.
func Expand(m *v1alpha2.EtcdMember, claim *corev1.PersistentVolumeClaim) {
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: m.Spec.Storage.Size}
}

// Expansion tells how far the storage and the node are with a claim that asks for more than it has: the reason of the member's
// condition, and what they say.
func Expansion(claim *corev1.PersistentVolumeClaim) (reason, message string) {
	for _, step := range []struct{ kind, reason string }{
		{string(corev1.PersistentVolumeClaimControllerResizeError), v1alpha2.ReasonExpansionFailed},
		{string(corev1.PersistentVolumeClaimNodeResizeError), v1alpha2.ReasonExpansionFailed},
		{string(corev1.PersistentVolumeClaimFileSystemResizePending), v1alpha2.ReasonExpansionPendingOnNode},
		{string(corev1.PersistentVolumeClaimResizing), v1alpha2.ReasonExpansionResizing},
	} {
		if c := claimCondition(claim, step.kind); c != nil {
			return step.reason, c.Message
		}
	}
	switch claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		return v1alpha2.ReasonExpansionFailed, "the storage refuses the size"
	case corev1.PersistentVolumeClaimControllerResizeInProgress:
		return v1alpha2.ReasonExpansionResizing, ""
	case corev1.PersistentVolumeClaimNodeResizePending, corev1.PersistentVolumeClaimNodeResizeInProgress:
		return v1alpha2.ReasonExpansionPendingOnNode, ""
	}
	return v1alpha2.ReasonExpansionRequested, "the storage has not answered: a driver that can expand volumes has to run in this Kubernetes"
}

// Infeasible says whether the storage has refused for good to give a claim what it asks for.
func Infeasible(claim *corev1.PersistentVolumeClaim) bool {
	return slices.Contains([]corev1.ClaimResourceStatus{
		corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible,
	}, claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage])
}

// PendingOnNode is since when a claim's file system waits to be made larger by its node; false if it does not.
func PendingOnNode(claim *corev1.PersistentVolumeClaim) (metav1.Time, bool) {
	c := claimCondition(claim, string(corev1.PersistentVolumeClaimFileSystemResizePending))
	if c == nil {
		return metav1.Time{}, false
	}
	return c.LastTransitionTime, true
}

func claimCondition(claim *corev1.PersistentVolumeClaim, kind string) *corev1.PersistentVolumeClaimCondition {
	for i := range claim.Status.Conditions {
		if c := &claim.Status.Conditions[i]; string(c.Type) == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// OwnedClaim says whether a claim is of the cluster with this UID: a retained one has no owner, and its labels say it.
func OwnedClaim(claim *corev1.PersistentVolumeClaim, cluster types.UID) bool {
	if owner := metav1.GetControllerOf(claim); owner != nil {
		return owner.UID == cluster
	}
	return claim.Labels[v1alpha2.LabelClusterUID] == string(cluster)
}

// IsRetained says whether a claim stays when its cluster goes.
func IsRetained(claim metav1.Object) bool { return metav1.GetControllerOf(claim) == nil }

// Retains says whether the cluster wants a claim to stay when it goes. What was set aside for another reason than scaling down
// is of no use to anybody.
func Retains(c *v1alpha2.EtcdCluster, claim metav1.Object) bool {
	policy := c.Spec.Storage.PersistentVolumeClaimRetentionPolicy
	useful := !IsAside(claim) || claim.GetLabels()[v1alpha2.LabelSetAside] == v1alpha2.SetAsideScaledDown
	return policy != nil && policy.WhenDeleted == v1alpha2.VolumeRetain && useful
}

// Retain gives a claim the owner that the cluster wants it to have, if any. Other owners stay.
func Retain(c *v1alpha2.EtcdCluster, claim metav1.Object) {
	owners := slices.DeleteFunc(slices.Clone(claim.GetOwnerReferences()), func(o metav1.OwnerReference) bool { return o.UID == c.UID })
	if !Retains(c, claim) {
		owners = append(owners, clusterOwner(c)...)
	}
	claim.SetOwnerReferences(owners)
}

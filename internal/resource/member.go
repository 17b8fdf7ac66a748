package resource

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// MemberIntent is what an EtcdMember has of its own; the rest comes from the EtcdCluster.
type MemberIntent struct {
	// Ordinal is the number of the member, from 1.
	Ordinal int64
	// Founder is true for a member that forms the cluster.
	Founder bool
	// InitialCluster is etcd's --initial-cluster; empty for a joining member that etcd does not list yet.
	InitialCluster string
	// Restore is the snapshot that its first data are made from, nil if there is none.
	Restore *v1alpha2.MemberRestore
}

// Member is the EtcdMember of one more member.
func Member(c *v1alpha2.EtcdCluster, in MemberIntent) *v1alpha2.EtcdMember {
	name := MemberName(c.Name, c.UID, in.Ordinal)
	own := memberLabels(c.Name, c.UID, name, strconv.FormatInt(in.Ordinal, 10))

	m := &v1alpha2.EtcdMember{
		ObjectMeta: objectMeta(c.Namespace, name, own, c.Spec.AdditionalMetadata),
		Spec: v1alpha2.EtcdMemberSpec{
			ClusterName:    c.Name,
			Bootstrap:      in.Founder,
			InitialCluster: in.InitialCluster,
			ClusterToken:   tokenOf(c),
			PeerURL:        WantedPeerURL(c, name),
			Replicas:       new(int32(1)),
			Restore:        in.Restore,
		},
	}
	m.OwnerReferences = clusterOwner(c)
	for _, field := range MemberFields {
		field.take(m, c)
	}
	return m
}

// IsAdopted says whether m was created again for the volume of a member that was there before. Who joins knows at least one
// other member.
func IsAdopted(m *v1alpha2.EtcdMember) bool {
	return !m.Spec.Bootstrap && m.Spec.InitialCluster != "" && !strings.Contains(m.Spec.InitialCluster, ",")
}

// clusterOwner lets an object go with its cluster.
func clusterOwner(c *v1alpha2.EtcdCluster) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(c, v1alpha2.GroupVersion.WithKind("EtcdCluster"))}
}

package resource

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
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
	for _, field := range templateFields {
		field.take(m, c)
	}
	return m
}

// IsAdopted says whether m was created again for the volume of a member that was there before. Who joins knows at least one
// other member.
func IsAdopted(m *v1alpha2.EtcdMember) bool {
	return !m.Spec.Bootstrap && m.Spec.InitialCluster != "" && !strings.Contains(m.Spec.InitialCluster, ",")
}

// Outdated lists the fields in which m differs from what its cluster's spec asks for, in the order of the API; none if it
// is as wanted.
func Outdated(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) []string {
	var differing []string
	for _, field := range templateFields {
		wanted := m.DeepCopy()
		field.take(wanted, c)
		if !equality.Semantic.DeepEqual(wanted.Spec, m.Spec) {
			differing = append(differing, field.name)
		}
	}
	return differing
}

// templateFields are the fields that a member takes over from its cluster.
var templateFields = []struct {
	name string
	take func(*v1alpha2.EtcdMember, *v1alpha2.EtcdCluster)
}{
	{"version", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Version = c.Spec.Version }},
	{"storage", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		aside := m.Spec.Storage.ReplacedVolumeTTLSeconds // read from the cluster
		m.Spec.Storage = *c.Spec.Storage.DeepCopy()
		m.Spec.Storage.ReplacedVolumeTTLSeconds = aside
	}},
	{"tls", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.TLS = memberTLS(c, m.Name) }},
	{"resources", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Resources = *c.Spec.Resources.DeepCopy() }},
	{"additionalMetadata", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.AdditionalMetadata = c.Spec.AdditionalMetadata.DeepCopy()
	}},
	{"affinity", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Affinity = c.Spec.Affinity.DeepCopy() }},
	{"topologySpreadConstraints", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.TopologySpreadConstraints = c.Spec.DeepCopy().TopologySpreadConstraints
	}},
	{"options", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) { m.Spec.Options = c.Spec.Options.DeepCopy() }},
	{"imagePullSecrets", func(m *v1alpha2.EtcdMember, c *v1alpha2.EtcdCluster) {
		m.Spec.ImagePullSecrets = c.Spec.DeepCopy().ImagePullSecrets
	}},
}

// clusterOwner lets an object go with its cluster.
func clusterOwner(c *v1alpha2.EtcdCluster) []metav1.OwnerReference {
	return []metav1.OwnerReference{*metav1.NewControllerRef(c, v1alpha2.GroupVersion.WithKind("EtcdCluster"))}
}

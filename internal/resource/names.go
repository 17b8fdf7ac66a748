package resource

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Ports of a member.
const (
	ClientPort  = 2379
	PeerPort    = 2380
	MetricsPort = 2381 // metrics and probes, plain HTTP whatever the other planes do
)

// suffixDigits are the characters that Kubernetes itself uses for generated names: no vowels, so no words.
const (
	suffixDigits = "bcdfghjklmnpqrstvwxz2456789"
	suffixLength = 5
	suffixes     = 27 * 27 * 27 * 27 * 27
)

// MemberName is the name of the member with this ordinal: of its EtcdMember, its Pod, and in etcd. The suffix is a bijection
// of the ordinal keyed by the cluster's UID, so the first 14 million members of a cluster have different names, and a
// cluster that is created again under the same name has other ones.
func MemberName(clusterName string, clusterUID types.UID, ordinal int64) string {
	key := sha256.Sum256([]byte(clusterUID))
	factor := binary.BigEndian.Uint64(key[:8]) % suffixes
	if factor%3 == 0 {
		factor++ // coprime to 3^15, or the map would not be a bijection
	}
	offset := binary.BigEndian.Uint64(key[8:16]) % suffixes
	n := (factor*(uint64(ordinal)%suffixes) + offset) % suffixes

	suffix := make([]byte, suffixLength)
	for i := range suffix {
		suffix[i] = suffixDigits[n%27]
		n /= 27
	}
	return clusterName + "-" + string(suffix)
}

// ClaimName is the name of a member's PersistentVolumeClaim.
func ClaimName(member string) string { return "data-" + member }

// HeadlessServiceName is the Service that gives every member its DNS name.
func HeadlessServiceName(cluster string) string { return cluster }

// ClientServiceName is the Service that clients connect to.
func ClientServiceName(cluster string) string { return cluster + "-client" }

// DisruptionBudgetName is the PodDisruptionBudget over the members.
func DisruptionBudgetName(cluster string) string { return cluster }

// Host is the DNS name of a member. It goes without the cluster's domain: certificates that users bring along do too.
func Host(member, cluster, namespace string) string {
	return fmt.Sprintf("%s.%s.%s.svc", member, HeadlessServiceName(cluster), namespace)
}

// PeerURL is the address under which the other members reach a member.
func PeerURL(member, cluster, namespace string, tls bool) string {
	return fmt.Sprintf("%s://%s:%d", scheme(tls), Host(member, cluster, namespace), PeerPort)
}

// ClientURL is the address under which clients, the operator among them, reach a member.
func ClientURL(member, cluster, namespace string, tls bool) string {
	return fmt.Sprintf("%s://%s:%d", scheme(tls), Host(member, cluster, namespace), ClientPort)
}

// MetricsURL is the address of a member's metrics port: always plain HTTP.
func MetricsURL(member, cluster, namespace string) string {
	return fmt.Sprintf("http://%s:%d", Host(member, cluster, namespace), MetricsPort)
}

func scheme(tls bool) string {
	if tls {
		return "https"
	}
	return "http"
}

// ClusterToken is etcd's initial cluster token. The UID keeps a cluster apart from an earlier one of the same name.
func ClusterToken(namespace, name string, uid types.UID) string {
	return fmt.Sprintf("%s-%s-%s", namespace, name, uid)
}

// Peer is an entry of an initial cluster.
type Peer struct {
	Name string
	URL  string
}

// InitialCluster is etcd's --initial-cluster for these peers, in their order.
func InitialCluster(peers ...Peer) string {
	entries := make([]string, len(peers))
	for i, p := range peers {
		entries[i] = p.Name + "=" + p.URL
	}
	return strings.Join(entries, ",")
}

// tokenOf is the recorded token of a cluster, or the one that it will have.
func tokenOf(c *v1alpha2.EtcdCluster) string {
	if c.Status.ClusterToken != "" {
		return c.Status.ClusterToken
	}
	return ClusterToken(c.Namespace, c.Name, c.UID)
}

package resource

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Keys of the ConfigMap that tells clients how to reach a cluster.
const (
	// ConnectionEndpoints are the URLs of all voters, separated by commas.
	ConnectionEndpoints = "endpoints"
	// ConnectionService is one URL that stays while members come and go.
	ConnectionService = "service"
	// ConnectionTrust are the CAs to trust, as PEM. It is there while members speak TLS to clients.
	ConnectionTrust = trustFile
)

// ConnectionName is the ConfigMap that tells clients how to reach a cluster.
func ConnectionName(cluster string) string { return cluster + "-connection" }

// Connection tells clients where the members are and whom to trust.
func Connection(c *v1alpha2.EtcdCluster, members []v1alpha2.EtcdMember, trust string) *corev1.ConfigMap {
	var voters []v1alpha2.EtcdMember
	for _, m := range members {
		if m.Status.IsVoter && m.Spec.Removal == nil {
			voters = append(voters, m)
		}
	}
	slices.SortFunc(voters, func(a, b v1alpha2.EtcdMember) int { return cmp.Compare(a.Name, b.Name) })
	endpoints, tls := make([]string, len(voters)), len(voters) > 0
	for i := range voters {
		_, secured := StartsWith(&voters[i], ClientPlane)
		endpoints[i] = ClientURL(voters[i].Name, c.Name, c.Namespace, secured)
		tls = tls && secured
	}
	m := &corev1.ConfigMap{
		ObjectMeta: objectMeta(c.Namespace, ConnectionName(c.Name), Labels(c.Name, c.UID, componentCluster), c.Spec.AdditionalMetadata),
		Data: map[string]string{
			ConnectionEndpoints: strings.Join(endpoints, ","),
			ConnectionService:   ServiceURL(c, tls),
		},
	}
	if trust != "" {
		m.Data[ConnectionTrust] = trust
	}
	m.OwnerReferences = clusterOwner(c)
	return m
}

// ServiceURL is the one URL for clients. It names a Service whose name members can prove to be theirs: certificates that people bring
// along need not cover the one of ready voters.
func ServiceURL(c *v1alpha2.EtcdCluster, tls bool) string {
	service := ClientServiceName(c.Name)
	if source := c.Spec.TLS; source != nil && source.Client != nil && source.Client.ServerSecretRef != nil {
		service = HeadlessServiceName(c.Name)
	}
	return fmt.Sprintf("%s://%s.%s.svc:%d", scheme(tls), service, c.Namespace, ClientPort)
}

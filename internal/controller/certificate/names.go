package certificate

import (
	"net"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// names are those that a certificate of our own covers: on both planes the member's, first, because etcd looks up a peer's names in
// their order; for clients also those of the Services.
func (p *plane) names(member string) (dns []string, ips []net.IP) {
	host := resource.Host(member, p.cluster.Name, p.cluster.Namespace)
	dns = []string{host, host + "." + p.domain}
	if p.kind == resource.ClientPlane {
		for _, service := range []string{resource.HeadlessServiceName(p.cluster.Name), resource.ClientServiceName(p.cluster.Name)} {
			long := service + "." + p.cluster.Namespace
			dns = append(dns, service, long, long+".svc", long+".svc."+p.domain)
		}
		every := resource.Host("*", p.cluster.Name, p.cluster.Namespace)
		dns = append(dns, every, every+"."+p.domain)
	}
	return append(dns, "localhost"), []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

// namesForAll are those that a certificate must cover that all members share. The wildcard is for members to come. Peers look each
// other up, and a wildcard does not count there unless the address resolves to a name that it matches: so the one of the Service.
func namesForAll(c *v1alpha2.EtcdCluster) []string {
	return []string{
		resource.HeadlessServiceName(c.Name) + "." + c.Namespace + ".svc", resource.Host("*", c.Name, c.Namespace),
	}
}

package certificate

import (
	"net"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// names are those that a certificate of our own covers: on both planes the member's, first, because etcd looks up a peer's names in
// their order; for clients also those of the Services.
func (p *plane) names(member string) (dns []string, ips []net.IP) {
	dns = p.longAndShort(resource.Host(member, p.cluster.Name, p.cluster.Namespace))
	if p.kind == resource.ClientPlane {
		dns = append(dns, p.namesForClients()...)
	}
	return append(dns, "localhost"), []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

// namesOfAll are those for which a certificate is ordered that all members share: namesForAll and what a certificate of our own has.
func (p *plane) namesOfAll() (dns []string, ips []net.IP) {
	if p.kind == resource.ClientPlane {
		dns = p.namesForClients()
	} else {
		for _, host := range namesForAll(p.cluster) {
			dns = append(dns, p.longAndShort(host)...)
		}
	}
	return append(dns, "localhost"), []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
}

func (p *plane) namesForClients() (dns []string) {
	for _, service := range []string{resource.HeadlessServiceName(p.cluster.Name), resource.ClientServiceName(p.cluster.Name)} {
		long := service + "." + p.cluster.Namespace
		dns = append(dns, service, long)
		dns = append(dns, p.longAndShort(long+".svc")...)
	}
	return append(dns, p.longAndShort(resource.Host("*", p.cluster.Name, p.cluster.Namespace))...)
}

func (p *plane) longAndShort(host string) []string { return []string{host, host + "." + p.domain} }

// namesForAll are those that a certificate must cover that all members share. The wildcard is for members to come. Peers look each
// other up, and a wildcard does not count there unless the address resolves to a name that it matches: so the one of the Service.
func namesForAll(c *v1alpha2.EtcdCluster) []string {
	return []string{
		resource.HeadlessServiceName(c.Name) + "." + c.Namespace + ".svc", resource.Host("*", c.Name, c.Namespace),
	}
}

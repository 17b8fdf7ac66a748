package network

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesFitTogether(t *testing.T) {
	nodes, pods := netip.MustParsePrefix(NodeNet), netip.MustParsePrefix(PodNet)
	services := netip.MustParsePrefix(ServiceNet)
	if !nodes.Contains(netip.MustParseAddr(HostIP)) || !services.Contains(netip.MustParseAddr(APIServiceIP)) {
		t.Error("the host or the API service is outside of its network")
	}
	if nodes.Overlaps(pods) || pods.Overlaps(services) || nodes.Overlaps(services) {
		t.Error("two networks overlap")
	}
	seen := map[string]bool{HostIP: true}
	for n := 1; n <= MaxNodes; n++ {
		ip, own := NodeIP(n), netip.MustParsePrefix(NodePodNet(n))
		if seen[ip] || !nodes.Contains(netip.MustParseAddr(ip)) {
			t.Errorf("node %d has the address %s", n, ip)
		}
		seen[ip] = true
		if !pods.Overlaps(own) {
			t.Errorf("the Pods of node %d are in %s", n, own)
		}
		// The kernel takes at most 15 characters.
		if len(veth(n)) > 15 {
			t.Errorf("%s is too long a name", veth(n))
		}
	}
}

func TestPartitionRules(t *testing.T) {
	for fromHost, want := range map[bool]string{false: `oifname "eth0" drop`, true: "ip daddr " + HostIP + " drop"} {
		rules := partitionRules(fromHost)
		if !strings.Contains(rules, want) || strings.Contains(rules, "%!") || strings.Count(rules, partitionTable) != 3 {
			t.Errorf("rules are\n%s", rules)
		}
	}
}

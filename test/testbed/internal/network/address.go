package network

import "fmt"

// Addresses of the testbed.
const (
	Bridge        = "kt0"
	HostIP        = "172.30.0.1"
	NodeNet       = "172.30.0.0/24"
	PodNet        = "10.244.0.0/16"
	ServiceNet    = "10.96.0.0/16"
	APIServiceIP  = "10.96.0.1"
	APIPort       = 6443
	ClusterDomain = "cluster.local"
)

// APIServer is the address of the API server.
var APIServer = fmt.Sprintf("https://%s:%d", HostIP, APIPort)

// MaxNodes is how many nodes the addresses are good for.
const MaxNodes = 9

// NodeIP returns the address of node n.
func NodeIP(n int) string { return fmt.Sprintf("172.30.0.1%d", n) }

// NodePodNet returns the pod addresses of node n.
func NodePodNet(n int) string { return fmt.Sprintf("10.244.%d.0/24", n) }

// veth returns the host's end of the cable of node n.
func veth(n int) string { return fmt.Sprintf("kt0-node%d", n) }

package launcher

import (
	"context"
	"net"
	"slices"
	"time"
)

// How long to wait for the member's own name, and how often to ask. The name appears within a second of the Pod's address. etcd
// itself does not need it, the other members do; so a DNS server that is down delays a start and does not prevent it.
const (
	awaitLimit    = 5 * time.Second
	awaitInterval = 100 * time.Millisecond
)

// Resolver looks up the addresses of a host; *net.Resolver is one.
type Resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// AwaitHost waits until host resolves to one of this machine's addresses, and says whether it came to that. An address that
// an earlier Pod of this name had does not count.
func AwaitHost(ctx context.Context, r Resolver, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, awaitLimit)
	defer cancel()
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	for {
		if found, err := r.LookupHost(ctx, host); err == nil && slices.ContainsFunc(found, isOwn) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func isOwn(address string) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true // cannot tell: do not wait for nothing
	}
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(net.ParseIP(address))
	})
}

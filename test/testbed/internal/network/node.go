package network

import (
	"context"
	"fmt"
	"os"
	"time"
)

// ConfigureNode is run inside a node: it waits for the cable and sets addresses, routes and forwarding.
func ConfigureNode(ctx context.Context, n int) error {
	for !linkExists("eth0") {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for eth0: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	steps := [][]string{
		{"link", "set", "lo", "up"},
		{"addr", "replace", NodeIP(n) + "/24", "dev", "eth0"},
		{"link", "set", "eth0", "up"},
		{"route", "replace", "default", "via", HostIP},
	}
	for m := 1; m <= MaxNodes; m++ {
		if m != n {
			steps = append(steps, []string{"route", "replace", NodePodNet(m), "via", NodeIP(m)})
		}
	}
	for _, s := range steps {
		if err := ip(ctx, s...); err != nil {
			return fmt.Errorf("configure network: %w", err)
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("switch forwarding on: %w", err)
	}
	// Pods of one node reach each other's Service addresses over the bridge only with this; the file is
	// missing when the kernel has no br_netfilter, and then bridged packets skip the rules.
	_ = os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("1"), 0o644)
	return nil
}

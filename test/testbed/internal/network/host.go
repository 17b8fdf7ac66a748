package network

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// ip runs an ip command and puts what it said into the error.
func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func linkExists(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// Up makes the host bridge; it is a no-op when it is there.
func Up(ctx context.Context) error {
	if !linkExists(Bridge) {
		if err := ip(ctx, "link", "add", Bridge, "type", "bridge"); err != nil {
			return fmt.Errorf("create bridge: %w", err)
		}
	}
	if err := ip(ctx, "addr", "replace", HostIP+"/24", "dev", Bridge); err != nil {
		return fmt.Errorf("give the bridge its address: %w", err)
	}
	if err := ip(ctx, "link", "set", Bridge, "up"); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	// Whatever else this machine forwards: what comes from the nodes stays here.
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+Bridge+"/forwarding", []byte("0"), 0o644); err != nil {
		return fmt.Errorf("switch forwarding off: %w", err)
	}
	return nil
}

// Exists says whether the host bridge is there.
func Exists() bool { return linkExists(Bridge) }

// Down removes the bridge, the nodes' cables and with them all routes.
func Down(ctx context.Context) error {
	for n := 1; n <= MaxNodes; n++ {
		if err := Disconnect(ctx, n); err != nil {
			return err
		}
	}
	if !linkExists(Bridge) {
		return nil
	}
	if err := ip(ctx, "link", "del", Bridge); err != nil {
		return fmt.Errorf("remove bridge: %w", err)
	}
	return nil
}

// Connect plugs the node whose PID 1 is pid into the bridge. The node itself waits for its eth0 and configures it.
func Connect(ctx context.Context, n, pid int) error {
	if err := Disconnect(ctx, n); err != nil {
		return err
	}
	steps := [][]string{
		{"link", "add", veth(n), "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(pid)},
		{"link", "set", veth(n), "master", Bridge, "up"},
		{"route", "replace", NodePodNet(n), "via", NodeIP(n)},
	}
	for _, s := range steps {
		if err := ip(ctx, s...); err != nil {
			return fmt.Errorf("connect node %d: %w", n, err)
		}
	}
	return nil
}

// Disconnect pulls the cable of a node; the kernel drops the node's addresses and routes with it.
func Disconnect(ctx context.Context, n int) error {
	if !linkExists(veth(n)) {
		return nil
	}
	if err := ip(ctx, "link", "del", veth(n)); err != nil && linkExists(veth(n)) {
		return fmt.Errorf("disconnect node %d: %w", n, err)
	}
	return nil
}

// RouteServices sends the host's traffic to Service addresses through a node: its kube-proxy translates it.
func RouteServices(ctx context.Context, n int) error {
	if err := ip(ctx, "route", "replace", ServiceNet, "via", NodeIP(n)); err != nil {
		return fmt.Errorf("route Services through node %d: %w", n, err)
	}
	return nil
}

package network

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

const partitionTable = "testbed-partition"

// Packets are dropped silently in both directions, as by a broken switch: nobody gets an error back.
// priority -400 is before connection tracking, so open connections are cut too.
const (
	cutAll = `add table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	chain in { type filter hook prerouting priority -400; iifname "eth0" drop; }
	chain out { type filter hook postrouting priority 400; oifname "eth0" drop; }
}
`
	cutHost = `add table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	chain in { type filter hook prerouting priority -400; ip saddr %[2]s drop; }
	chain out { type filter hook postrouting priority 400; ip daddr %[2]s drop; }
}
`
)

// Partition cuts the node whose PID 1 is pid off from everything, or only from the host and its control plane.
func Partition(ctx context.Context, pid int, fromHost bool) error {
	if err := nft(ctx, pid, partitionRules(fromHost)); err != nil {
		return fmt.Errorf("cut the node off: %w", err)
	}
	return nil
}

func partitionRules(fromHost bool) string {
	if fromHost {
		return fmt.Sprintf(cutHost, partitionTable, HostIP)
	}
	return fmt.Sprintf(cutAll, partitionTable)
}

// Heal undoes Partition; it is a no-op for a node that is not cut off.
func Heal(ctx context.Context, pid int) error {
	rules := fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", partitionTable)
	if err := nft(ctx, pid, rules); err != nil {
		return fmt.Errorf("connect the node again: %w", err)
	}
	return nil
}

// Partitioned says whether a node is cut off.
func Partitioned(ctx context.Context, pid int) bool {
	return inNode(ctx, pid, "nft", "list", "table", "inet", partitionTable).Run() == nil
}

func nft(ctx context.Context, pid int, rules string) error {
	cmd := inNode(ctx, pid, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("load rules: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// inNode enters only the network namespace: ip netns would also remount /sys and hide the cgroups.
func inNode(ctx context.Context, pid int, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"-t", strconv.Itoa(pid), "--net", "--"}, args...)...)
}

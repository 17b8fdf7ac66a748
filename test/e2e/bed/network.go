package bed

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const (
	cutTable = "e2e-cut"
	podNet   = "10.244.0.0/16"
	hostIP   = "172.30.0.1"
	peerPort = 2380
)

// The rules stand in the Pod's own network namespace, before connection tracking: what is open is cut too, nobody gets an
// error back, and Pods on the same node are cut as others are.
const cutRules = `add table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
	chain in { type filter hook prerouting priority -400; %[2]s }
	chain out { type filter hook postrouting priority 400; %[3]s }
}
`

// CutPeers drops what a member and its peers send to each other. Clients, the operator and the kubelet still reach it.
func CutPeers(ctx context.Context, pod *corev1.Pod) error {
	port := strconv.Itoa(peerPort)
	both := "iifname != \"lo\" tcp dport " + port + " drop; iifname != \"lo\" tcp sport " + port + " drop;"
	return cut(ctx, pod, both, strings.ReplaceAll(both, "iifname", "oifname"))
}

// CutPods drops what a Pod and all other Pods send to each other, but those of some addresses. The kubelet and this program
// still reach it.
func CutPods(ctx context.Context, pod *corev1.Pod, keep ...string) error {
	address, err := netip.ParseAddr(pod.Status.PodIP)
	if err != nil {
		return fmt.Errorf("cut %s off: %w", pod.Name, err)
	}
	own, err := address.Prefix(24)
	if err != nil {
		return fmt.Errorf("cut %s off: %w", pod.Name, err)
	}
	keep = append(keep, pod.Status.PodIP, own.Masked().Addr().Next().String()) // the bridge of the node, for the kubelet
	set := "{ " + strings.Join(keep, ", ") + " }"
	return cut(ctx, pod, "ip saddr "+podNet+" ip saddr != "+set+" drop;", "ip daddr "+podNet+" ip daddr != "+set+" drop;")
}

// CutAll drops everything but what the kubelet says, and what the Pod says to itself.
func CutAll(ctx context.Context, pod *corev1.Pod) error {
	if err := CutPods(ctx, pod); err != nil {
		return err
	}
	rules := fmt.Sprintf("add rule inet %[1]s in ip saddr %[2]s drop\nadd rule inet %[1]s out ip daddr %[2]s drop\n", cutTable, hostIP)
	return nft(ctx, pod, rules)
}

// Heal undoes every cut of a Pod. A Pod that is made anew is not cut.
func Heal(ctx context.Context, pod *corev1.Pod) error {
	return nft(ctx, pod, fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", cutTable))
}

func cut(ctx context.Context, pod *corev1.Pod, in, out string) error {
	return nft(ctx, pod, fmt.Sprintf(cutRules, cutTable, in, out))
}

func nft(ctx context.Context, pod *corev1.Pod, rules string) error {
	pid, err := sandbox(pod)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(pid), "--net", "--", "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("change the network of Pod %s: %w: %s", pod.Name, err, out.String())
	}
	return nil
}

// sandbox is the process that holds the namespaces of a Pod for as long as it lives.
func sandbox(pod *corev1.Pod) (int, error) {
	pids, err := Processes(pod, "pause")
	if err != nil || len(pids) == 0 {
		return 0, fmt.Errorf("find the sandbox of Pod %s: it has %d: %w", pod.Name, len(pids), err)
	}
	return pids[0], nil
}

package bed

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// testbed runs the testbed's own program.
func (b *Bed) testbed(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(b.home, "bin", "testbed"), append([]string{"--dir=" + b.home}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("testbed %q: %w: %s", args, err, out)
	}
	return nil
}

// KillNode ends a node at once, as a power loss does.
func (b *Bed) KillNode(ctx context.Context, node string) error {
	return b.testbed(ctx, "kill-node", node)
}

// RestoreNode gives a killed node its power back. Its disks are as they were.
func (b *Bed) RestoreNode(ctx context.Context, node string) error {
	return b.testbed(ctx, "restore-node", node)
}

// CutNode cuts a node's network; what runs on it goes on.
func (b *Bed) CutNode(ctx context.Context, node string) error {
	return b.testbed(ctx, "partition", node)
}

// CutNodeFromHost cuts a node from the control plane, the DNS and this program, but not from other nodes.
func (b *Bed) CutNodeFromHost(ctx context.Context, node string) error {
	return b.testbed(ctx, "partition", node, "--from-host")
}

// HealNode undoes CutNode and CutNodeFromHost.
func (b *Bed) HealNode(ctx context.Context, node string) error { return b.testbed(ctx, "heal", node) }

// StopComponent kills a program of the control plane, for example kube-apiserver, or an add-on.
func (b *Bed) StopComponent(ctx context.Context, name string) error {
	return b.testbed(ctx, "stop", name)
}

// WipeAddOn kills an add-on of the testbed and removes what it has brought: of cert-manager all Certificates and their kinds.
func (b *Bed) WipeAddOn(ctx context.Context, name string) error {
	return b.testbed(ctx, "stop", name, "--wipe")
}

// StartComponent starts it again, or an add-on also for the first time.
func (b *Bed) StartComponent(ctx context.Context, name string) error {
	return b.testbed(ctx, "start", name)
}

// OnNode runs a shell script on a node, where all volumes have the same paths as on this machine.
func (b *Bed) OnNode(ctx context.Context, node, script string, args ...string) error {
	return b.testbed(ctx, append([]string{"node-exec", node, "--", "sh", "-euc", script, "sh"}, args...)...)
}

// RestoreImage gives a node an image again that was removed from it. The name is that of the archive in the testbed's images.
func (b *Bed) RestoreImage(ctx context.Context, node, name string) error {
	return b.OnNode(ctx, node, `ctr -n k8s.io images import "$1"`, filepath.Join(b.home, "images", name+".tar"))
}

// NodeReady says whether Kubernetes holds a node to be ready; one that is not there is not.
func (b *Bed) NodeReady(ctx context.Context, node string) (bool, error) {
	n := &corev1.Node{}
	if err := b.Get(ctx, client.ObjectKey{Name: node}, n); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	}), nil
}

// NodeFree says whether Pods may be scheduled on a node: its taints go a little after it is ready.
func (b *Bed) NodeFree(ctx context.Context, node string) (bool, error) {
	n := &corev1.Node{}
	if err := b.Get(ctx, client.ObjectKey{Name: node}, n); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return len(n.Spec.Taints) == 0, nil
}

// DeleteNode deletes the Node object. A kubelet that runs would make it anew.
func (b *Bed) DeleteNode(ctx context.Context, node string) error {
	return client.IgnoreNotFound(b.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}))
}

// TaintOutOfService says for people that a node is off and will write nothing any more.
func (b *Bed) TaintOutOfService(ctx context.Context, node string) error {
	return b.changeNode(ctx, node, func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{
			Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute,
		})
	})
}

// UntaintOutOfService takes it back.
func (b *Bed) UntaintOutOfService(ctx context.Context, node string) error {
	return b.changeNode(ctx, node, func(n *corev1.Node) {
		n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
	})
}

// changeNode patches the whole list of taints, with the version it was read at: others taint nodes too.
func (b *Bed) changeNode(ctx context.Context, node string, change func(*corev1.Node)) error {
	for {
		n := &corev1.Node{}
		if err := b.Get(ctx, client.ObjectKey{Name: node}, n); err != nil {
			return client.IgnoreNotFound(err)
		}
		before := client.MergeFromWithOptions(n.DeepCopy(), client.MergeFromWithOptimisticLock{})
		change(n)
		err := b.Patch(ctx, n, before)
		if err == nil || ctx.Err() != nil || !conflict(err) {
			return err
		}
	}
}

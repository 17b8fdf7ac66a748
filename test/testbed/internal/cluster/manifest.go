package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
)

// applyManifests creates the objects that every cluster gets, unless this state has them already.
func (c *Cluster) applyManifests(ctx context.Context, client *controlplane.Client) error {
	sum := sha256.Sum256(controlplane.Manifests)
	mark, file := hex.EncodeToString(sum[:]), c.Layout.Run("manifests.applied")
	if have, err := os.ReadFile(file); err == nil && string(have) == mark &&
		client.Exists(ctx, "/apis/storage.k8s.io/v1/storageclasses/standard") {
		return nil
	}
	if err := c.apply(ctx, controlplane.Manifests, "-"); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(mark), 0o644); err != nil {
		return fmt.Errorf("remember the cluster's objects: %w", err)
	}
	return nil
}

// apply creates or repairs the objects of a file or folder, or of the content if the file is "-".
func (c *Cluster) apply(ctx context.Context, content []byte, file string) error {
	if err := c.kubectl(ctx, content, "apply", "--server-side", "--force-conflicts", "--validate=false", "-f", file); err != nil {
		return fmt.Errorf("create the cluster's objects: %w", err)
	}
	return nil
}

// kubectl puts what it said into the error.
func (c *Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) error {
	cmd := exec.CommandContext(ctx, c.Layout.Bin("kubectl"), append([]string{"--kubeconfig=" + c.Layout.Kubeconfig()}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run kubectl %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

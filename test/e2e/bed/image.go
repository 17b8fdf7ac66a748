//go:build e2e

package bed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// EtcdImage is the name of an image of etcd on the nodes.
func EtcdImage(version string) string { return "localhost/etcd:v" + version }

// Retag gives every node an image of etcd that is called another version than it is, until the test ends.
func (b *Bed) Retag(t testing.TB, version, as string) error {
	t.Helper()
	b.forget(t, as)
	return b.onEveryNode(t.Context(), `ctr -n k8s.io images tag --force "$1" "$2"`, EtcdImage(version), EtcdImage(as))
}

// Break gives every node an image of etcd that works on no data and ends whenever there are some, until the test ends. It calls itself
// as, which has to be as long as version: the name is changed in the program of that version.
func (b *Bed) Break(t testing.TB, version, as string) error {
	t.Helper()
	dir := t.TempDir()
	program, err := os.ReadFile(filepath.Join(b.home, "bin", "etcd-v"+version, "etcd"))
	if err != nil {
		return fmt.Errorf("read etcd %s: %w", version, err)
	}
	program = bytes.ReplaceAll(program, []byte(version), []byte(as))
	whole, broken, archive := filepath.Join(dir, "real"), filepath.Join(dir, "broken"), filepath.Join(dir, "image.tar")
	if err := os.WriteFile(whole, program, 0o755); err != nil {
		return err
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", broken, "./bed/broken")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build a broken etcd: %w: %s", err, out)
	}
	const bin = "=/usr/local/bin/"
	if err := b.testbed(t.Context(), "image", "--tag="+EtcdImage(as), "--out="+archive, broken+bin+"etcd", whole+bin+"etcd.real"); err != nil {
		return err
	}
	b.forget(t, as)
	return b.testbed(t.Context(), "load-image", archive)
}

// forget removes an image of etcd when the test ends.
func (b *Bed) forget(t testing.TB, version string) {
	t.Cleanup(func() {
		if err := b.onEveryNode(context.Background(), `ctr -n k8s.io images rm "$1"`, EtcdImage(version)); err != nil {
			t.Log(err)
		}
	})
}

func (b *Bed) onEveryNode(ctx context.Context, script string, args ...string) error {
	for _, node := range []string{"node1", "node2", "node3"} {
		if err := b.OnNode(ctx, node, script, args...); err != nil {
			return err
		}
	}
	return nil
}

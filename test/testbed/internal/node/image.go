package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

// importArgs is the command that puts an archive into the node's containerd, in the namespace of Kubernetes.
func (n Node) importArgs(file string) []string {
	return []string{n.Tools.Ctr, "--namespace", "k8s.io", "images", "import", file}
}

// importImages imports every archive that the node does not have yet; PID 1 calls it.
func (n Node) importImages(s *supervisor) error {
	files, err := filepath.Glob(n.Layout.Images("*.tar"))
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	for _, f := range files {
		if n.HasImage(f) {
			continue
		}
		mark, err := fileMark(f)
		if err != nil {
			return err
		}
		// A broken archive must not keep the whole node down.
		if err := retry(20, func() error { return s.run(n.log("images"), n.importArgs(f)...) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		if err := n.markImage(f, mark); err != nil {
			return err
		}
	}
	return nil
}

// retry repeats an action: containerd listens a moment before all its services answer.
func retry(times int, action func() error) error {
	var err error
	for range times {
		if err = action(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// ImportImage imports an archive into the running node from outside.
func (n Node) ImportImage(ctx context.Context, id process.Identity, file string) error {
	mark, err := fileMark(file)
	if err != nil {
		return err
	}
	args := append([]string{"-t", strconv.Itoa(id.PID), "--mount", "--"}, n.importArgs(file)...)
	err = retry(3, func() error {
		out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("import %s into %s: %w: %s", filepath.Base(file), n.Name(), err, strings.TrimSpace(string(out)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return n.markImage(file, mark)
}

// HasImage says whether the node has the archive in its present form.
func (n Node) HasImage(file string) bool {
	mark, err := fileMark(file)
	if err != nil {
		return false
	}
	have, err := os.ReadFile(n.Dir("imported", filepath.Base(file)))
	return err == nil && string(have) == mark
}

func (n Node) markImage(file, mark string) error {
	if err := os.WriteFile(n.Dir("imported", filepath.Base(file)), []byte(mark), 0o644); err != nil {
		return fmt.Errorf("remember image: %w", err)
	}
	return nil
}

func fileMark(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("look at image: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("look at image " + file + ": it is not a file")
	}
	return fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano()), nil
}

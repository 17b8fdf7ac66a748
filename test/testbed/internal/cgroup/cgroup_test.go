package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, content string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw))
}

func TestMakeV1(t *testing.T) {
	root := t.TempDir()
	put(t, "", root, "memory", "tasks")
	put(t, "0-1", root, "cpuset", "cpuset.cpus")
	put(t, "0", root, "cpuset", "cpuset.mems")
	// The kernel makes these files in each new group, empty.
	for _, dir := range []string{"etcd-operator-testbed", "etcd-operator-testbed/node1"} {
		put(t, "\n", root, "cpuset", dir, "cpuset.cpus")
		put(t, "\n", root, "cpuset", dir, "cpuset.mems")
	}
	tree := Tree{Root: root}
	if tree.V2() {
		t.Error("taken for v2")
	}
	if err := tree.Make("node1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "memory", Path("node1"))); err != nil {
		t.Error(err)
	}
	if got := get(t, root, "cpuset", Path("node1"), "cpuset.cpus"); got != "0-1" {
		t.Errorf("the node's processors are %q", got)
	}
}

func TestMakeV2EnablesControllersAllTheWay(t *testing.T) {
	root := t.TempDir()
	dirs := []string{"", "etcd-operator-testbed", "etcd-operator-testbed/node1"}
	for _, dir := range dirs {
		put(t, "cpu memory pids", root, dir, "cgroup.controllers")
		put(t, "cpu", root, dir, "cgroup.subtree_control")
	}
	put(t, "", root, "etcd-operator-testbed", "cpuset.cpus")
	tree := Tree{Root: root}
	if !tree.V2() {
		t.Error("taken for v1")
	}
	if err := tree.Make("node1"); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		// A plain file keeps only the last of what is written; the kernel adds them up.
		if got := get(t, root, dir, "cgroup.subtree_control"); got != "+pids" {
			t.Errorf("%q enables %q", dir, got)
		}
	}
	if got := get(t, root, "etcd-operator-testbed", "cpuset.cpus"); got != "" {
		t.Errorf("the processors were set to %q: in v2 empty means those of the parent", got)
	}
}

func TestRemove(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"cpu", "memory"} {
		if err := os.MkdirAll(filepath.Join(root, dir, Path("node1"), "kubepods", "pod1"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tree := Tree{Root: root}
	if err := tree.Remove("node1"); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove("node2"); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	if err := tree.RemoveAll(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

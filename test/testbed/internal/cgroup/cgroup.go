package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Mount is where the cgroup file systems are mounted.
const Mount = "/sys/fs/cgroup"

// parent holds the cgroups of all nodes.
const parent = "etcd-operator-testbed"

// Tree is the machine's cgroup file system.
type Tree struct {
	// Root is the mount point; another folder in tests.
	Root string
}

// Path returns the cgroup of a node as the kubelet wants it.
func Path(node string) string { return "/" + parent + "/" + node }

// V2 says whether the machine has only the unified hierarchy.
func (t Tree) V2() bool {
	_, err := os.Stat(filepath.Join(t.Root, "cgroup.controllers"))
	return err == nil
}

// hierarchies lists the roots to make cgroups in.
func (t Tree) hierarchies() ([]string, error) {
	if t.V2() {
		return []string{t.Root}, nil
	}
	entries, err := os.ReadDir(t.Root)
	if err != nil {
		return nil, fmt.Errorf("list cgroup hierarchies: %w", err)
	}
	var roots []string
	for _, e := range entries {
		// Links such as cpu,cpuacct point to a hierarchy that has its own entry.
		if e.IsDir() {
			roots = append(roots, filepath.Join(t.Root, e.Name()))
		}
	}
	if len(roots) == 0 {
		return nil, fmt.Errorf("find cgroup hierarchies in %s: none is mounted", t.Root)
	}
	return roots, nil
}

// Make makes the cgroup of a node in every hierarchy.
func (t Tree) Make(node string) error {
	roots, err := t.hierarchies()
	if err != nil {
		return err
	}
	for _, root := range roots {
		dir := root
		for _, part := range []string{parent, node} {
			if err := t.delegate(dir); err != nil {
				return fmt.Errorf("make cgroup of %s: %w", node, err)
			}
			dir = filepath.Join(dir, part)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make cgroup of %s: %w", node, err)
			}
			if err := inheritCPUSet(dir); err != nil {
				return fmt.Errorf("make cgroup of %s: %w", node, err)
			}
		}
		if err := t.delegate(dir); err != nil {
			return fmt.Errorf("make cgroup of %s: %w", node, err)
		}
	}
	return nil
}

// delegate lets the children of a v2 cgroup use all its controllers.
func (t Tree) delegate(dir string) error {
	if !t.V2() {
		return nil
	}
	raw, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read controllers: %w", err)
	}
	enabled, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if err != nil {
		return fmt.Errorf("read enabled controllers: %w", err)
	}
	have := strings.Fields(string(enabled))
	for _, c := range strings.Fields(string(raw)) {
		if slices.Contains(have, c) {
			continue
		}
		// One at a time: some, such as cpu with real-time tasks about, are refused, and the rest is enough.
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		if err != nil && (c == "memory" || c == "pids") {
			return fmt.Errorf("enable %s for the children of %s: %w", c, dir, err)
		}
	}
	return nil
}

// inheritCPUSet copies the processors of the parent: a v1 cpuset starts empty and takes no process so.
func inheritCPUSet(dir string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		file := filepath.Join(dir, f)
		own, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(own)) != "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			continue
		}
		above, err := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
		if err != nil {
			return fmt.Errorf("read processors: %w", err)
		}
		if err := os.WriteFile(file, above, 0o644); err != nil {
			return fmt.Errorf("set processors: %w", err)
		}
	}
	return nil
}

// Remove removes the cgroups of a node; its processes must have ended.
func (t Tree) Remove(node string) error {
	return t.remove(filepath.Join(parent, node))
}

// RemoveAll removes the cgroups of all nodes.
func (t Tree) RemoveAll() error { return t.remove(parent) }

func (t Tree) remove(sub string) error {
	roots, err := t.hierarchies()
	if err != nil {
		return err
	}
	// The kernel may need a moment to take the last process out of its group.
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var left error
		for _, root := range roots {
			if err := removeTree(filepath.Join(root, sub)); err != nil {
				left = err
			}
		}
		if left == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("remove cgroup %s: %w", sub, left)
		}
	}
}

// removeTree removes folders from the leaves up; the files in them are the kernel's and go with them.
func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list cgroups: %w", err)
	}
	var last error
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := os.Remove(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			last = err
		}
	}
	return last
}

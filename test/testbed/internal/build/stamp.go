package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// stamp hashes everything the programs of a target are made from, except the modules that go.sum pins.
func (t Target) stamp(source, goVersion string) (string, error) {
	h := sha256.New()
	_, _ = fmt.Fprintln(h, goVersion, runtime.GOARCH, t.LDFlags, t.Packages, t.Programs, buildFlags)
	if t.Folder.To != "" {
		_, _ = fmt.Fprintln(h, t.Folder)
	}
	root := filepath.Join(source, t.Module)
	for _, dir := range t.inputs(root) {
		if err := hashFolder(h, root, dir); err != nil {
			return "", fmt.Errorf("hash the inputs of %s: %w", t.Name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// inputs lists the folders to hash: the module's own files, and the folders of its local packages.
func (t Target) inputs(root string) []string {
	dirs := []string{root}
	for _, p := range t.Packages {
		if strings.HasPrefix(p, "./") {
			dirs = append(dirs, filepath.Join(root, p))
		}
	}
	return dirs
}

// hashFolder hashes go.mod and go.sum of the root, and all Go files of other folders.
func hashFolder(h hash.Hash, root, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	for _, e := range entries {
		if !isInput(e, dir == root) {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read source: %w", err)
		}
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			return fmt.Errorf("name source: %w", err)
		}
		// A hash never fails to take more.
		_, _ = fmt.Fprintf(h, "%s/%s %d\n%s", rel, e.Name(), len(raw), raw)
	}
	return nil
}

func isInput(e fs.DirEntry, atRoot bool) bool {
	if e.IsDir() {
		return false
	}
	if atRoot {
		return e.Name() == "go.mod" || e.Name() == "go.sum"
	}
	return strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go")
}

// fresh says whether the programs in bin were made from the inputs that have this stamp.
func (t Target) fresh(bin, stamp string) bool {
	raw, err := os.ReadFile(t.stampFile(bin))
	if err != nil || strings.TrimSpace(string(raw)) != stamp {
		return false
	}
	for _, p := range t.Programs {
		if _, err := os.Stat(filepath.Join(bin, t.Out, p)); err != nil {
			return false
		}
	}
	for link := range t.Links {
		if _, err := os.Stat(filepath.Join(bin, link)); err != nil {
			return false
		}
	}
	if t.Folder.To != "" {
		_, err = os.Stat(filepath.Join(bin, t.Folder.To))
	}
	return err == nil
}

func (t Target) stampFile(bin string) string { return filepath.Join(bin, ".stamps", t.Name) }

func (t Target) writeStamp(bin, stamp string) error {
	f := t.stampFile(bin)
	if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
		return fmt.Errorf("create folder of stamps: %w", err)
	}
	if err := os.WriteFile(f, []byte(stamp+"\n"), 0o644); err != nil {
		return fmt.Errorf("write stamp: %w", err)
	}
	return nil
}

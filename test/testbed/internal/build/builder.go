package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cozystack/etcd-operator/test/testbed/internal/progress"
)

// buildFlags are the same for every target: static programs without this machine's paths in them.
var buildFlags = []string{"-trimpath", "-buildvcs=false"}

// Builder compiles targets.
type Builder struct {
	// Source is the folder of the testbed's sources.
	Source string
	// Bin gets the programs, Logs what the compiler said.
	Bin, Logs string
	// Out shows the progress.
	Out *progress.Printer
}

// Stale returns those of the targets that have to be built, with their stamps.
func (b Builder) Stale(ctx context.Context, targets []Target) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("ask the go command for its version: %w", err)
	}
	stale := map[string]string{}
	for _, t := range targets {
		stamp, err := t.stamp(b.Source, strings.TrimSpace(string(out)))
		if err != nil {
			return nil, err
		}
		if !t.fresh(b.Bin, stamp) {
			stale[t.Name] = stamp
		}
	}
	return stale, nil
}

// Build compiles a target and puts its programs, links and stamp in place.
func (b Builder) Build(ctx context.Context, t Target, stamp string) error {
	for _, d := range []string{b.Bin, b.Logs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("create build folder: %w", err)
		}
	}
	tmp, err := os.MkdirTemp(b.Bin, ".build-")
	if err != nil {
		return fmt.Errorf("create build folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := b.compile(ctx, t, tmp); err != nil {
		return err
	}
	if err := b.install(t, tmp); err != nil {
		return fmt.Errorf("install %s: %w", t.Name, err)
	}
	return t.writeStamp(b.Bin, stamp)
}

// install renames what was made into place, so that a running program keeps its old file.
func (b Builder) install(t Target, tmp string) error {
	dir := filepath.Join(b.Bin, t.Out)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	for made, name := range t.Programs {
		if err := os.Rename(filepath.Join(tmp, made), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("move program: %w", err)
		}
	}
	if t.Folder.To != "" {
		to := filepath.Join(b.Bin, t.Folder.To)
		if err := os.RemoveAll(to); err != nil {
			return fmt.Errorf("remove old folder: %w", err)
		}
		if err := os.Rename(filepath.Join(tmp, t.Folder.To), to); err != nil {
			return fmt.Errorf("move folder: %w", err)
		}
	}
	for link, target := range t.Links {
		f := filepath.Join(b.Bin, link)
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove old link: %w", err)
		}
		if err := os.Symlink(target, f); err != nil {
			return fmt.Errorf("link program: %w", err)
		}
	}
	return nil
}

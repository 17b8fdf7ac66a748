package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cozystack/etcd-operator/test/testbed/internal/build"
	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/image"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
)

// provide builds what a cluster needs: the control plane with the default etcd, the wanted etcd images and add-ons.
func (c *Cluster) provide(ctx context.Context, o UpOptions) error {
	wanted := []string{"kube", "pause", "etcd-" + build.DefaultEtcd}
	for _, v := range o.Etcd {
		if v = strings.TrimPrefix(v, "v"); v != build.DefaultEtcd {
			wanted = append(wanted, "etcd-"+v)
		}
	}
	for _, name := range c.addOns(o.With...) {
		if _, err := controlplane.FindAddOn(c.Layout, name); err != nil {
			return err
		}
		wanted = append(wanted, name)
	}
	if err := c.Layout.Make(); err != nil {
		return err
	}
	return c.Build(ctx, wanted)
}

// Build builds targets by name, each unless it is there already, and the images made from them.
func (c *Cluster) Build(ctx context.Context, wanted []string) error {
	targets := make([]build.Target, 0, len(wanted))
	for _, name := range wanted {
		t, err := build.Lookup(name)
		if err != nil {
			return err
		}
		targets = append(targets, t)
	}
	release, err := machine.Lock(ctx, c.Layout.Bin(".lock"), func() { c.Out.Say("waiting for another build") })
	if err != nil {
		return err
	}
	defer release()
	source, err := c.Layout.Source()
	if err != nil {
		return err
	}
	b := build.Builder{Source: source, Bin: c.Layout.Bin(), Logs: c.Layout.Logs(), Out: c.Out}
	stale, err := b.Stale(ctx, targets)
	if err != nil {
		return err
	}
	c.Out.Expect(len(stale))
	for _, t := range targets {
		if stamp, ok := stale[t.Name]; ok {
			if err := b.Build(ctx, t, stamp); err != nil {
				return err
			}
		}
		if err := c.writeImage(t); err != nil {
			return err
		}
	}
	return nil
}

// writeImage makes the image of a target if the target has one and a program is newer than it.
func (c *Cluster) writeImage(t build.Target) error {
	i, ok := c.imageOf(t)
	if !ok {
		return nil
	}
	file := c.Layout.Images(image.FileName(i.Tag))
	if newer(file, i.Files) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("create image folder: %w", err)
	}
	return i.Write(file)
}

// imageOf describes the image of a target.
func (c *Cluster) imageOf(t build.Target) (image.Image, bool) {
	version, isEtcd := strings.CutPrefix(t.Name, "etcd-")
	switch {
	case t.Name == "pause":
		files := []image.File{{Source: c.Layout.Bin("pause"), Path: "/pause"}}
		return image.Image{Tag: "localhost/pause:1", Entrypoint: []string{"/pause"}, Files: files}, true
	case isEtcd:
		i := image.Image{Tag: "localhost/etcd:v" + version, Entrypoint: []string{"/usr/local/bin/etcd"}}
		for _, p := range t.Programs {
			i.Files = append(i.Files, image.File{Source: c.Layout.Bin(t.Out, p), Path: "/usr/local/bin/" + p})
		}
		return i, true
	}
	return image.Image{}, false
}

// newer says whether a file is newer than all the sources of an image.
func newer(file string, sources []image.File) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	for _, s := range sources {
		src, err := os.Stat(s.Source)
		if err != nil || src.ModTime().After(info.ModTime()) {
			return false
		}
	}
	return true
}

// LoadImages keeps copies of image archives for nodes that start later, and imports them into those that run.
func (c *Cluster) LoadImages(ctx context.Context, files []string) error {
	if err := os.MkdirAll(c.Layout.Images(), 0o755); err != nil {
		return fmt.Errorf("create image folder: %w", err)
	}
	kept := make([]string, 0, len(files))
	for _, f := range files {
		tag, err := image.Tag(f)
		if err != nil {
			return err
		}
		to := c.Layout.Images(image.FileName(tag))
		if err := copyFile(f, to); err != nil {
			return fmt.Errorf("keep image %s: %w", tag, err)
		}
		kept = append(kept, to)
	}
	if !c.owned() {
		c.Out.Say("the testbed is not running: its nodes get the images when they start")
		return nil
	}
	return c.distribute(ctx, kept)
}

// distribute imports archives into all running nodes that lack them, all nodes at once.
func (c *Cluster) distribute(ctx context.Context, files []string) error {
	var wg sync.WaitGroup
	errs := make([]error, network.MaxNodes)
	for number := 1; number <= network.MaxNodes; number++ {
		if !c.table().Running(node.Name(number)) {
			continue
		}
		id, _ := c.table().Get(node.Name(number))
		wg.Go(func() {
			n := c.node(number)
			for _, f := range files {
				if n.HasImage(f) {
					continue
				}
				if err := n.ImportImage(ctx, id, f); err != nil {
					errs[number-1] = err
					return
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	a, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("look at file: %w", err)
	}
	if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = src.Close() }()
	tmp := to + ".tmp"
	dst, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("create copy: %w", err)
	}
	_, err = dst.ReadFrom(src)
	if cerr := dst.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, to)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("write copy: %w", err)
	}
	return nil
}

package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/image"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/progress"
)

func stopped(t *testing.T) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c := &Cluster{
		Layout: layout.Layout{Root: filepath.Join(dir, layout.DirName)},
		State:  machine.State{Dir: filepath.Join(dir, "state")},
		Out:    progress.New(&bytes.Buffer{}),
	}
	if err := c.Layout.Make(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSettingsAreKept(t *testing.T) {
	c := stopped(t)
	if c.nodes() != 0 {
		t.Error("nodes without a state")
	}
	if err := c.remember(5, []string{"cert-manager"}); err != nil || c.nodes() != 5 {
		t.Errorf("%d nodes, %v", c.nodes(), err)
	}
}

func TestAddOnsAreKeptUntilTheyAreStopped(t *testing.T) {
	c := stopped(t)
	if err := c.State.SetOwner(c.Layout.Root); err != nil {
		t.Fatal(err)
	}
	if err := c.remember(2, c.addOns("cert-manager", "cert-manager")); err != nil {
		t.Fatal(err)
	}
	if got := c.addOns("cert-manager"); !slices.Equal(got, []string{"cert-manager"}) {
		t.Errorf("add-ons are %v", got)
	}
	s, err := c.Status(t.Context())
	if err != nil || len(s.Components) != 7 {
		t.Errorf("status is %+v, %v", s, err)
	}
	// With wipe: an add-on that was never built has brought nothing.
	for range 2 {
		if err := c.StopComponent(t.Context(), "cert-manager", true); err != nil {
			t.Fatal(err)
		}
	}
	if c.nodes() != 2 || len(c.addOns()) != 0 {
		t.Errorf("left are %d nodes and %v", c.nodes(), c.addOns())
	}
}

func TestWhatIsNoAddOnIsRefused(t *testing.T) {
	c := stopped(t)
	if err := c.State.SetOwner(c.Layout.Root); err != nil {
		t.Fatal(err)
	}
	// The context has ended: should the name pass, nothing of this machine is touched.
	ended, end := context.WithCancel(t.Context())
	end()
	if err := c.provide(ended, UpOptions{With: []string{"kube"}}); !errors.Is(err, controlplane.ErrNoAddOn) {
		t.Errorf("up with a program of the control plane: %v", err)
	}
	if err := c.StopComponent(t.Context(), "etcd", true); err == nil {
		t.Error("the store is wiped")
	}
}

func TestStatusOfAStoppedCluster(t *testing.T) {
	c := stopped(t)
	if err := c.remember(2, nil); err != nil {
		t.Fatal(err)
	}
	s, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Up || len(s.Nodes) != 2 || len(s.Components) != 6 {
		t.Errorf("status is %+v", s)
	}
	if err := c.State.SetOwner("/other/.testbed"); err != nil {
		t.Fatal(err)
	}
	if s, err = c.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kube-apiserver", "node2", "the testbed of /other/.testbed runs", "not up"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestFaultsNeedThisTestbed(t *testing.T) {
	c := stopped(t)
	if err := c.remember(3, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.KillNode(t.Context(), "node1"); err == nil {
		t.Error("kills nodes of nobody")
	}
	if err := c.State.SetOwner(c.Layout.Root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"node4", "other"} {
		if err := c.KillNode(t.Context(), name); err == nil {
			t.Errorf("kills %s of 3 nodes", name)
		}
	}
	if err := c.Heal(t.Context(), "node1"); err == nil {
		t.Error("heals a stopped node")
	}
}

func TestLoadImagesKeepsACopy(t *testing.T) {
	c := stopped(t)
	program := filepath.Join(t.TempDir(), "program")
	for _, content := range []string{"one", "two"} {
		if err := os.WriteFile(program, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
		archive := filepath.Join(t.TempDir(), "x.tar")
		i := image.Image{Tag: "localhost/x:dev", Files: []image.File{{Source: program, Path: "/program"}}}
		if err := i.Write(archive); err != nil {
			t.Fatal(err)
		}
		if err := c.LoadImages(t.Context(), []string{archive}); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(c.Layout.Images("x_dev.tar"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the copy differs: %v", err)
		}
	}
	kept := c.Layout.Images("x_dev.tar")
	if err := c.LoadImages(t.Context(), []string{kept}); err != nil {
		t.Errorf("loading the copy itself: %v", err)
	}
}

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	file, source := filepath.Join(dir, "image"), filepath.Join(dir, "program")
	sources := []image.File{{Source: source}}
	for _, f := range []string{source, file} {
		if newer(file, sources) {
			t.Errorf("newer before %s is there", f)
		}
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !newer(file, sources) {
		t.Error("not newer than its source")
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(source, later, later); err != nil {
		t.Fatal(err)
	}
	if newer(file, sources) {
		t.Error("newer than a later source")
	}
}

package build

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/test/testbed/internal/progress"
)

func put(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func module(t *testing.T) (Target, string) {
	t.Helper()
	source := t.TempDir()
	put(t, filepath.Join(source, "m", "go.mod"), "module m")
	put(t, filepath.Join(source, "m", "go.sum"), "sums")
	put(t, filepath.Join(source, "m", "cmd", "x", "main.go"), "package main")
	return Target{Name: "x", Module: "m", Packages: []string{"./cmd/x"}, Programs: map[string]string{"x": "x"}}, source
}

func stampOf(t *testing.T, target Target, source, goVersion string) string {
	t.Helper()
	stamp, err := target.stamp(source, goVersion)
	if err != nil {
		t.Fatal(err)
	}
	return stamp
}

func TestStampFollowsTheInputs(t *testing.T) {
	target, source := module(t)
	first := stampOf(t, target, source, "go1")
	put(t, filepath.Join(source, "m", "README.md"), "text")
	put(t, filepath.Join(source, "m", "cmd", "x", "main_test.go"), "package main")
	if stampOf(t, target, source, "go1") != first {
		t.Error("files that are not compiled change the stamp")
	}
	seen := []string{first, stampOf(t, target, source, "go2")}
	flags := target
	flags.LDFlags = "-X a=b"
	seen = append(seen, stampOf(t, flags, source, "go1"))
	for _, f := range []string{"go.mod", "go.sum", "cmd/x/main.go", "cmd/x/more.go"} {
		put(t, filepath.Join(source, "m", f), "changed "+f)
		seen = append(seen, stampOf(t, target, source, "go1"))
	}
	slices.Sort(seen)
	if n := len(slices.Compact(seen)); n != 7 {
		t.Errorf("7 different inputs have %d stamps", n)
	}
}

func TestFreshNeedsStampAndPrograms(t *testing.T) {
	target, _ := module(t)
	target.Links = map[string]string{"y": "x"}
	bin := t.TempDir()
	if target.fresh(bin, "s") {
		t.Error("fresh without anything")
	}
	if err := target.writeStamp(bin, "s"); err != nil {
		t.Fatal(err)
	}
	if target.fresh(bin, "s") {
		t.Error("fresh without the program")
	}
	put(t, filepath.Join(bin, "x"), "program")
	if target.fresh(bin, "s") {
		t.Error("fresh without the link")
	}
	if err := os.Symlink("x", filepath.Join(bin, "y")); err != nil {
		t.Fatal(err)
	}
	if !target.fresh(bin, "s") || target.fresh(bin, "other") {
		t.Error("fresh does not follow the stamp")
	}
}

func TestAFolderOfAModuleComesWithThePrograms(t *testing.T) {
	target, source := module(t)
	plain := stampOf(t, target, source, "go1")
	put(t, filepath.Join(source, "m", "go.mod"), "module example.org/m\n\ngo 1.26.0\n")
	put(t, filepath.Join(source, "m", "cmd", "x", "main.go"), "package main\n\nfunc main() {}\n")
	put(t, filepath.Join(source, "m", "kinds", "a.yaml"), "kind: A")
	put(t, filepath.Join(source, "m", "kinds", "README.md"), "text")
	target.Folder = ModuleFolder{Module: "example.org/m", From: "kinds", Pattern: "*.yaml", To: "m-kinds"}
	if stampOf(t, target, source, "go1") == plain {
		t.Error("the folder does not change the stamp")
	}
	bin := t.TempDir()
	b := Builder{Source: source, Bin: bin, Logs: t.TempDir(), Out: progress.New(&bytes.Buffer{})}
	for _, content := range []string{"kind: A", "kind: B"} {
		put(t, filepath.Join(source, "m", "kinds", "a.yaml"), content)
		if err := b.Build(t.Context(), target, content); err != nil {
			t.Fatal(err)
		}
		if raw, err := os.ReadFile(filepath.Join(bin, "m-kinds", "a.yaml")); err != nil || string(raw) != content {
			t.Errorf("the file is %q, %v", raw, err)
		}
		if !target.fresh(bin, content) {
			t.Error("not fresh when just built")
		}
	}
	if _, err := os.Stat(filepath.Join(bin, "m-kinds", "README.md")); err == nil {
		t.Error("a file of another pattern came too")
	}
	if err := os.RemoveAll(filepath.Join(bin, "m-kinds")); err != nil {
		t.Fatal(err)
	}
	if target.fresh(bin, "kind: B") {
		t.Error("fresh without the folder")
	}
	target.Folder.From = "nowhere"
	if err := b.Build(t.Context(), target, "s"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("built without the folder: %v", err)
	}
}

func TestAddOnsAreBuiltOnlyByName(t *testing.T) {
	for _, name := range []string{"cert-manager", "s3"} {
		if slices.Contains(Basic(), name) || !slices.Contains(Names(), name) {
			t.Errorf("%s is built with all", name)
		}
	}
}

func TestLookupKnowsEveryName(t *testing.T) {
	for _, name := range Names() {
		target, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if target.Name != name {
			t.Errorf("%s is called %s", name, target.Name)
		}
		root := filepath.Join("..", "..", target.Module)
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, bad := range []string{"", "etcd-", "etcd-9.9.9", "all"} {
		if _, err := Lookup(bad); err == nil {
			t.Errorf("%q is known", bad)
		}
	}
	if target, err := Lookup("etcd-v" + DefaultEtcd); err != nil || len(target.Links) != 3 {
		t.Errorf("the default etcd is %+v, %v", target, err)
	}
}

// TestModulesPinWhatTheyAreCalled keeps the version in the code and the one in go.mod the same.
func TestModulesPinWhatTheyAreCalled(t *testing.T) {
	want := map[string]string{
		"kube":        "k8s.io/kubernetes v" + KubeVersion,
		"certmanager": "github.com/cert-manager/cert-manager v" + CertManagerVersion,
		"s3":          "github.com/versity/versitygw v" + S3Version,
	}
	for version, module := range etcdModules {
		want[module] = "go.etcd.io/etcd/server/v3 v" + version
	}
	for module, line := range want {
		raw, err := os.ReadFile(filepath.Join("..", "..", "modules", module, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(raw), line) {
			t.Errorf("module %s does not pin %s", module, line)
		}
	}
}

func TestCounter(t *testing.T) {
	var log bytes.Buffer
	c := &counter{log: &log}
	c.lines.Add(1)
	c.follow(strings.NewReader("go: downloading example.org/a v1.0.0\nexample.org/a\n# example.org/b\nb/x.go:1:2: bad\nfmt\n"))
	if c.compiled.Load() != 2 || c.downloaded.Load() != 1 {
		t.Errorf("counted %d packages, %d modules", c.compiled.Load(), c.downloaded.Load())
	}
	if strings.Count(log.String(), "\n") != 5 {
		t.Errorf("logged %q", log.String())
	}
	if got := c.status(); got != "downloaded 1 modules" {
		t.Errorf("status is %q", got)
	}
	c.total.Store(4)
	if got := c.status(); got != "compiled 2 packages of at most 4 (50 %)" {
		t.Errorf("status is %q", got)
	}
}

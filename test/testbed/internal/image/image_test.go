package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func sample(t *testing.T) (Image, string) {
	t.Helper()
	dir := t.TempDir()
	program, note := filepath.Join(dir, "program"), filepath.Join(dir, "note")
	write(t, program, "#!program", 0o700)
	write(t, note, "read me", 0o600)
	return Image{
		Tag: "localhost/thing:v1", Entrypoint: []string{"/usr/local/bin/program"}, User: "65532", Env: []string{"A=b"},
		Files: []File{{Source: program, Path: "/usr/local/bin/program"}, {Source: note, Path: "/note"}},
	}, dir
}

func write(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func entries(t *testing.T, raw []byte) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = h
	}
}

func content(t *testing.T, raw []byte, name string) []byte {
	t.Helper()
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("find %s: %v", name, err)
		}
		if h.Name == name {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
}

func TestWriteIsRepeatable(t *testing.T) {
	i, dir := sample(t)
	var archives [2][]byte
	for n := range archives {
		file := filepath.Join(dir, "out.tar")
		if err := i.Write(file); err != nil {
			t.Fatal(err)
		}
		var err error
		if archives[n], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Hour)
		for _, f := range i.Files {
			if err := os.Chtimes(f.Source, later, later); err != nil {
				t.Fatal(err)
			}
		}
		slices.Reverse(i.Files)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same files gave two archives")
	}
}

func TestWriteMakesConsistentDigests(t *testing.T) {
	i, dir := sample(t)
	file := filepath.Join(dir, "out.tar")
	if err := i.Write(file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name := range entries(t, raw) {
		sum, ok := strings.CutPrefix(name, "blobs/sha256/")
		if !ok {
			continue
		}
		got := sha256.Sum256(content(t, raw, name))
		if hex.EncodeToString(got[:]) != sum {
			t.Errorf("blob %s has another digest", name)
		}
	}
	var docker []dockerManifest
	if err := json.Unmarshal(content(t, raw, "manifest.json"), &docker); err != nil {
		t.Fatal(err)
	}
	if got := docker[0].RepoTags; len(got) != 1 || got[0] != i.Tag {
		t.Errorf("docker tags are %v", got)
	}
	layer := entries(t, content(t, raw, docker[0].Layers[0]))
	for name, mode := range map[string]int64{
		"tmp/": 0o1777, "usr/local/bin/": 0o755, "usr/local/bin/program": 0o755, "note": 0o644,
	} {
		if h := layer[name]; h == nil || h.Mode != mode || h.Uid != 0 {
			t.Errorf("entry %s is %+v, want mode %o", name, h, mode)
		}
	}
	var config struct {
		Config struct {
			User       string
			Entrypoint []string
			Env        []string
		} `json:"config"`
	}
	if err := json.Unmarshal(content(t, raw, docker[0].Config), &config); err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532" || !slices.Contains(config.Config.Env, "A=b") {
		t.Errorf("config is %+v", config)
	}
}

func TestWriteLeavesNothingBehindOnFailure(t *testing.T) {
	i, dir := sample(t)
	i.Files = append(i.Files, File{Source: filepath.Join(dir, "missing"), Path: "/missing"})
	file := filepath.Join(dir, "out.tar")
	if err := i.Write(file); err == nil {
		t.Fatal("a missing source is no error")
	}
	left, err := filepath.Glob(file + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTagReadsBothFormats(t *testing.T) {
	i, dir := sample(t)
	file := filepath.Join(dir, "out.tar")
	if err := i.Write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := Tag(file); err != nil || got != i.Tag {
		t.Errorf("Tag is %q, %v", got, err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	manifest := []byte(`[{"RepoTags":["localhost/other:v2"]}]`)
	if err := w.WriteHeader(&tar.Header{Name: "./manifest.json", Size: int64(len(manifest)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(manifest); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, file, b.String(), 0o644)
	if got, err := Tag(file); err != nil || got != "localhost/other:v2" {
		t.Errorf("Tag of a docker archive is %q, %v", got, err)
	}
	write(t, file, "", 0o644)
	if _, err := Tag(file); err == nil {
		t.Error("an empty file has a tag")
	}
}

func TestParseFile(t *testing.T) {
	if f, err := ParseFile("bin/x=/usr/bin//x"); err != nil || f != (File{Source: "bin/x", Path: "/usr/bin/x"}) {
		t.Errorf("parsed %+v, %v", f, err)
	}
	for _, bad := range []string{"", "x", "x=", "x=rel", "=/x", "x=/"} {
		if _, err := ParseFile(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestFileName(t *testing.T) {
	for tag, want := range map[string]string{
		"localhost/etcd:v3.6.16": "etcd_v3.6.16.tar",
		"example.org/a/b:c":      "example.org_a_b_c.tar",
	} {
		if got := FileName(tag); got != want {
			t.Errorf("%s is kept as %s, want %s", tag, got, want)
		}
	}
}

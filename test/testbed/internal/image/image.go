package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

const oci = "application/vnd.oci.image."

// File is one file of the image.
type File struct {
	// Source is a path on this machine, Path the absolute one in the image.
	Source, Path string
}

// Image describes an image to write.
type Image struct {
	Tag        string
	Entrypoint []string
	User       string
	Env        []string
	Files      []File
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    map[string]string `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

type dockerManifest struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

// Write writes the archive to a file, which is replaced only when all of it is written.
func (i Image) Write(file string) error {
	if i.Tag == "" || len(i.Files) == 0 {
		return errors.New("write image: give a tag and at least one file")
	}
	tmp := file + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("create image archive: %w", err)
	}
	err = i.encode(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return fmt.Errorf("write image %s: %w", i.Tag, err)
	}
	return nil
}

func (i Image) encode(w io.Writer) error {
	// The layer is made twice, once for its digest and once for the archive, so that it is never in memory.
	layer, err := i.measure()
	if err != nil {
		return err
	}
	config, err := json.Marshal(i.config(layer.Digest))
	if err != nil {
		return fmt.Errorf("encode config: %w", err)
	}
	configDesc := describe("config.v1+json", config)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
		"config": configDesc, "layers": []descriptor{layer},
	})
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	top, docker, err := i.tops(describe("manifest.v1+json", manifest), configDesc, layer)
	if err != nil {
		return err
	}
	a := &archive{w: tar.NewWriter(w)}
	a.put("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	a.put("index.json", top)
	a.put("manifest.json", docker)
	a.put(blob(configDesc), config)
	a.put(blob(describe("manifest.v1+json", manifest)), manifest)
	a.stream(blob(layer), layer.Size, i.writeLayer)
	return a.close()
}

func (i Image) config(layerDigest string) map[string]any {
	env := append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, i.Env...)
	return map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "created": epoch.UTC(),
		"config": map[string]any{"Entrypoint": i.Entrypoint, "User": i.User, "Env": env},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerDigest}},
	}
}

// tops returns the entry points of both formats.
func (i Image) tops(manifest, config, layer descriptor) (top, docker []byte, err error) {
	manifest.Platform = map[string]string{"os": "linux", "architecture": runtime.GOARCH}
	manifest.Annotations = map[string]string{
		"io.containerd.image.name": i.Tag, "org.opencontainers.image.ref.name": i.Tag,
	}
	top, err = json.Marshal(index{SchemaVersion: 2, MediaType: oci + "index.v1+json", Manifests: []descriptor{manifest}})
	if err != nil {
		return nil, nil, fmt.Errorf("encode index: %w", err)
	}
	docker, err = json.Marshal([]dockerManifest{{Config: blob(config), RepoTags: []string{i.Tag}, Layers: []string{blob(layer)}}})
	if err != nil {
		return nil, nil, fmt.Errorf("encode docker manifest: %w", err)
	}
	return top, docker, nil
}

func (i Image) measure() (descriptor, error) {
	h := sha256.New()
	size := &sizer{w: h}
	if err := i.writeLayer(size); err != nil {
		return descriptor{}, err
	}
	return descriptor{
		MediaType: oci + "layer.v1.tar", Size: size.n,
		Digest: "sha256:" + hex.EncodeToString(h.Sum(nil)),
	}, nil
}

func describe(kind string, content []byte) descriptor {
	sum := sha256.Sum256(content)
	return descriptor{MediaType: oci + kind, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content))}
}

func blob(d descriptor) string { return "blobs/sha256/" + d.Digest[len("sha256:"):] }

// epoch is the time of every file: the archive must not depend on when it was made.
var epoch = time.Unix(0, 0)

type sizer struct {
	w io.Writer
	n int64
}

func (s *sizer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	return n, err
}

// archive is a tar writer that remembers its first error.
type archive struct {
	w   *tar.Writer
	err error
}

func (a *archive) put(name string, content []byte) {
	a.stream(name, int64(len(content)), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(content))
		return err
	})
}

func (a *archive) stream(name string, size int64, write func(io.Writer) error) {
	if a.err != nil {
		return
	}
	a.err = a.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, ModTime: epoch})
	if a.err == nil {
		a.err = write(a.w)
	}
}

func (a *archive) close() error {
	if a.err != nil {
		return a.err
	}
	return a.w.Close()
}

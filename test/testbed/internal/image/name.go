package image

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// ParseFile parses "host=path in the image".
func ParseFile(arg string) (File, error) {
	src, dst, ok := strings.Cut(arg, "=")
	if !ok || src == "" || !strings.HasPrefix(dst, "/") || path.Clean(dst) == "/" {
		return File{}, fmt.Errorf("parse %q: want FILE=/PATH/IN/IMAGE", arg)
	}
	return File{Source: src, Path: path.Clean(dst)}, nil
}

// Tag reads the name of the first image of an archive of either format.
func Tag(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("open image archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("find the image name in %s: it has none", file)
		}
		if err != nil {
			return "", fmt.Errorf("read image archive %s: %w", file, err)
		}
		tag, err := tagOf(path.Clean(h.Name), tr)
		if err != nil {
			return "", fmt.Errorf("read %s of %s: %w", h.Name, file, err)
		}
		if tag != "" {
			return tag, nil
		}
	}
}

func tagOf(name string, r io.Reader) (string, error) {
	switch name {
	case "index.json":
		var top index
		if err := json.NewDecoder(r).Decode(&top); err != nil {
			return "", fmt.Errorf("decode index: %w", err)
		}
		for _, m := range top.Manifests {
			if t := m.Annotations["io.containerd.image.name"]; t != "" {
				return t, nil
			}
		}
	case "manifest.json":
		var docker []dockerManifest
		if err := json.NewDecoder(r).Decode(&docker); err != nil {
			return "", fmt.Errorf("decode manifest: %w", err)
		}
		if len(docker) > 0 && len(docker[0].RepoTags) > 0 {
			return docker[0].RepoTags[0], nil
		}
	}
	return "", nil
}

// FileName returns the archive name for an image name: localhost/etcd:v3.6.16 is etcd_v3.6.16.tar.
func FileName(tag string) string {
	tag = strings.TrimPrefix(tag, "localhost/")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, tag) + ".tar"
}

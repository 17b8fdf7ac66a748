package image

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
)

// writeLayer writes the one layer, uncompressed: its import is then much cheaper, and it is never sent anywhere.
func (i Image) writeLayer(w io.Writer) error {
	files := append([]File(nil), i.Files...)
	sort.Slice(files, func(a, b int) bool { return files[a].Path < files[b].Path })
	l := &layer{w: tar.NewWriter(w), dirs: map[string]bool{}}
	if err := l.dir("tmp", 0o1777); err != nil {
		return err
	}
	for _, f := range files {
		if err := l.file(f); err != nil {
			return fmt.Errorf("add %s: %w", f.Path, err)
		}
	}
	if err := l.w.Close(); err != nil {
		return fmt.Errorf("end layer: %w", err)
	}
	return nil
}

type layer struct {
	w    *tar.Writer
	dirs map[string]bool
}

func (l *layer) dir(name string, mode int64) error {
	if name == "" || name == "." || l.dirs[name] {
		return nil
	}
	if err := l.dir(strings.Trim(path.Dir(name), "/"), 0o755); err != nil {
		return err
	}
	l.dirs[name] = true
	h := &tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode, ModTime: epoch}
	if err := l.w.WriteHeader(h); err != nil {
		return fmt.Errorf("add folder %s: %w", name, err)
	}
	return nil
}

func (l *layer) file(f File) error {
	src, err := os.Open(f.Source)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	defer func() { _ = src.Close() }()
	info, err := src.Stat()
	if err != nil {
		return fmt.Errorf("look at source: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read %s: it is not a file", f.Source)
	}
	name := strings.Trim(path.Clean(f.Path), "/")
	if err := l.dir(path.Dir(name), 0o755); err != nil {
		return err
	}
	// The mode must not depend on this machine's umask.
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: info.Size(), ModTime: epoch}
	if err := l.w.WriteHeader(h); err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	if _, err := io.Copy(l.w, src); err != nil {
		return fmt.Errorf("copy content: %w", err)
	}
	return nil
}

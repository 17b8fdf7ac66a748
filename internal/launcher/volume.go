package launcher

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Marker says whose data a volume holds. None of its parts is ever used again.
type Marker struct {
	ClusterToken string `json:"clusterToken"`
	Member       string `json:"member"`
	VolumeUID    string `json:"volumeUID"`
}

// Volume is where a member's data lies.
type Volume struct {
	DataDir string // etcd's --data-dir
	Marker  string // file beside it
}

// canary is a file in the directory where etcd will put its write-ahead log. etcd removes that directory when it creates
// the log, and before it has a log it has promised nothing to anybody: while the canary is there, etcd has never run here.
const canary = "never-started"

func (v Volume) walDir() string  { return filepath.Join(v.DataDir, "member", "wal") }
func (v Volume) snapDir() string { return filepath.Join(v.DataDir, "member", "snap") }
func (v Volume) db() string      { return filepath.Join(v.snapDir(), "db") }
func (v Volume) canary() string  { return filepath.Join(v.walDir(), canary) }

// unfinished ends the name of a file that is being written.
const unfinished = ".tmp"

// findings are what is on a volume.
type findings struct {
	marker  *Marker
	log     bool // there is a write-ahead log, by etcd's own test
	virgin  bool // the canary is there
	remains bool // there is something else where the data should be
}

// inspect looks at the volume. It refuses only what it cannot read.
func (v Volume) inspect() (findings, error) {
	var found findings
	var err error
	if found.marker, err = readMarker(v.Marker); err != nil {
		return findings{}, err
	}
	err = filepath.WalkDir(v.DataDir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case path == v.DataDir && !entry.IsDir():
			return &fs.PathError{Op: "read", Path: path, Err: syscall.ENOTDIR}
		case !entry.IsDir():
			v.sort(path, &found)
		}
		return nil
	})
	if err != nil {
		return findings{}, unreadable(err)
	}
	return found, nil
}

// IsVirgin says whether etcd has never run on a volume that was admitted.
func (v Volume) IsVirgin() bool {
	_, err := os.Stat(v.canary())
	return err == nil
}

// sort takes note of one file.
func (v Volume) sort(path string, found *findings) {
	switch {
	case path == v.canary():
		found.virgin = true
	case path == v.canary()+unfinished: // the launcher was interrupted
	case filepath.Dir(path) == v.walDir() && filepath.Ext(path) == ".wal":
		found.log = true
	default:
		found.remains = true
	}
}

func readMarker(path string) (*Marker, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(err)
	}
	var m Marker
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, refuse(DataUnreadable, "the marker %s cannot be parsed: %v", path, err)
	}
	return &m, nil
}

// check tries whether etcd will be able to use its files, so that a wrong owner or a read-only volume is told by its name.
func (v Volume) check() error {
	const writable = 0x2
	for _, dir := range []string{v.DataDir, filepath.Join(v.DataDir, "member"), v.walDir(), v.snapDir()} {
		if err := syscall.Access(dir, writable); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return unreadable(&fs.PathError{Op: "write to", Path: dir, Err: err})
		}
	}
	logs, err := filepath.Glob(filepath.Join(v.walDir(), "*.wal"))
	if err != nil {
		return unreadable(err)
	}
	for _, path := range append(logs, v.db()) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return unreadable(err)
		}
	}
	return nil
}

// prepare readies an empty volume for the first start: the canary before the marker, so that a marker without a canary
// always means that etcd has had a log here.
func (v Volume) prepare(m Marker) error {
	if err := os.MkdirAll(v.walDir(), 0o700); err != nil {
		return unreadable(err)
	}
	if err := writeDurably(v.canary(), m); err != nil {
		return err
	}
	for dir := filepath.Dir(v.walDir()); len(dir) >= len(filepath.Dir(v.DataDir)); dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			return unreadable(err)
		}
	}
	return v.mark(m)
}

// mark writes the marker.
func (v Volume) mark(m Marker) error { return writeDurably(v.Marker, m) }

// writeDurably puts m at path in one piece, or not at all, and on the disk before it returns.
func writeDurably(path string, m Marker) error {
	text, err := json.Marshal(m)
	if err != nil {
		return unreadable(err)
	}
	f, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return unreadable(err)
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return unreadable(err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Volume is a file below a directory in which a claim is mounted. Beside it lies a record of whom it belongs to.
type Volume struct {
	Root  string // of the volume
	Claim string // its name, for people
	Path  string // of the file, below the root
}

var _ Local = Volume{}

// record is the file <path>.json. It is made before the data, and only if there is none, so whoever makes it owns the name.
type record struct {
	Mark
	Checksum string `json:"checksum,omitempty"` // of the data that are about to be given their name
	Bytes    int64  `json:"bytes,omitempty"`
	Stored   bool   `json:"stored,omitempty"` // they have it
}

const (
	fileMode      = 0o640 // who restores may have another user, but has the volume's group
	directoryMode = 0o750
)

// URI implements Place.
func (v Volume) URI() string { return "pvc://" + v.Claim + "/" + v.Path }

func (v Volume) recordPath() string { return v.Path + ".json" }

func (v Volume) temporary(uid, what string) string {
	return path.Join(path.Dir(v.Path), "."+path.Base(v.Path)+"."+uid+what)
}

// open confines all paths to the volume, also those that links on it point to.
func (v Volume) open() (*os.Root, error) {
	root, err := os.OpenRoot(v.Root)
	if err != nil {
		return nil, fmt.Errorf("open the volume: %w", volumeError(err))
	}
	return root, nil
}

// Look implements Place.
func (v Volume) Look(ctx context.Context) (*Stored, error) {
	root, err := v.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return v.look(ctx, root)
}

func (v Volume) look(ctx context.Context, root *os.Root) (*Stored, error) {
	info, err := root.Lstat(v.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", v.URI(), volumeError(err))
	}
	stored := &Stored{Bytes: info.Size()}
	if !info.Mode().IsRegular() {
		return stored, nil
	}
	r, err := v.readRecord(root)
	if err != nil || r == nil {
		return stored, err
	}
	if !r.Stored { // it may have been given its name just before the end of its writer, or belong to somebody else
		if same, err := v.matches(ctx, root, *r); err != nil || !same {
			return stored, err
		}
	}
	stored.Mark = r.Mark
	return stored, nil
}

func (v Volume) readRecord(root *os.Root) (*record, error) {
	text, err := root.ReadFile(v.recordPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no record is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of %s: %w", v.URI(), volumeError(err))
	}
	r := new(record)
	if err := json.Unmarshal(text, r); err != nil {
		return new(record), nil //nolint:nilerr // whatever it is, it is not ours
	}
	return r, nil
}

func (v Volume) matches(ctx context.Context, root *os.Root, r record) (bool, error) {
	if r.Checksum == "" {
		return false, nil
	}
	file, err := root.Open(v.Path)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", v.URI(), volumeError(err))
	}
	defer file.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, bounded{ctx, file})
	if err != nil {
		return false, fmt.Errorf("read %s: %w", v.URI(), volumeError(err))
	}
	return n == r.Bytes && hex.EncodeToString(hash.Sum(nil)) == r.Checksum, nil
}

// Write implements Place.
func (v Volume) Write(ctx context.Context, mark Mark, over *Stored, data Data) error {
	root, err := v.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(v.Path), directoryMode); err != nil {
		return fmt.Errorf("create the directory of %s: %w", v.URI(), volumeError(err))
	}
	r, err := v.claim(root, mark, over)
	if err != nil {
		return err
	}
	temporary := v.temporary(mark.UID, ".tmp")
	defer func() { _ = root.Remove(temporary) }()
	r.Mark = mark
	if r.Bytes, err = v.writeData(ctx, root, temporary, data); err != nil {
		return err
	}
	r.Checksum = data.Sum()
	if err := v.writeRecord(root, r); err != nil {
		return err
	}
	if err := v.name(root, temporary, over); err != nil {
		return err
	}
	r.Stored = true
	return v.writeRecord(root, r)
}

// claim makes sure that the name belongs to this snapshot.
func (v Volume) claim(root *os.Root, mark Mark, over *Stored) (record, error) {
	found, err := v.readRecord(root)
	if err != nil {
		return record{}, err
	}
	if found != nil {
		if found.UID != mark.UID {
			return record{}, fmt.Errorf("%s: %w", v.URI(), ErrForeign)
		}
		return record{Mark: mark, Stored: found.Stored && over != nil}, nil
	}
	r := record{Mark: mark}
	draft := v.temporary(mark.UID, ".json")
	if err := writeFile(root, draft, r); err != nil {
		return record{}, fmt.Errorf("write the record of %s: %w", v.URI(), volumeError(err))
	}
	defer func() { _ = root.Remove(draft) }()
	if err := nameOnce(root, draft, v.recordPath()); err != nil {
		return record{}, fmt.Errorf("write the record of %s: %w", v.URI(), volumeError(err))
	}
	return r, nil
}

func (v Volume) writeRecord(root *os.Root, r record) error {
	draft := v.temporary(r.UID, ".json")
	err := writeFile(root, draft, r)
	if err == nil {
		err = root.Rename(draft, v.recordPath())
	}
	if err == nil {
		err = v.syncDirectory(root)
	}
	if err != nil {
		_ = root.Remove(draft)
		return fmt.Errorf("write the record of %s: %w", v.URI(), volumeError(err))
	}
	return nil
}

func writeFile(root *os.Root, name string, r record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

func (v Volume) writeData(ctx context.Context, root *os.Root, name string, data io.Reader) (written int64, err error) {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return 0, fmt.Errorf("create a file beside %s: %w", v.URI(), volumeError(err))
	}
	source := &origin{Reader: bounded{ctx, data}}
	written, err = Copy(&behind{file: file}, source)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); source.err != nil {
		return 0, source.err
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", v.URI(), volumeError(err))
	}
	return written, nil
}

// name gives what was written its name. A file that has the name already keeps it, unless Look has found it to be ours.
func (v Volume) name(root *os.Root, temporary string, over *Stored) error {
	var err error
	if over == nil {
		err = nameOnce(root, temporary, v.Path)
	} else {
		err = root.Rename(temporary, v.Path)
	}
	if err == nil {
		err = v.syncDirectory(root)
	}
	if err != nil {
		return fmt.Errorf("name %s: %w", v.URI(), volumeError(err))
	}
	return nil
}

// nameOnce gives a file a name that nothing has. Some file systems of networks know no links: there a look has to do.
func nameOnce(root *os.Root, from, to string) error {
	err := root.Link(from, to)
	if !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	if _, err := root.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fs.ErrExist, err)
	}
	return root.Rename(from, to)
}

func (v Volume) syncDirectory(root *os.Root) error {
	directory, err := root.Open(path.Dir(v.Path))
	if err != nil {
		return err
	}
	err = directory.Sync()
	if errors.Is(err, syscall.EINVAL) { // not every file system has it
		err = nil
	}
	return errors.Join(err, directory.Close())
}

// Read implements Place. It asks for what the disk has, not for what is left in memory from writing it.
func (v Volume) Read(context.Context) (io.ReadCloser, error) {
	file, err := v.Open()
	if err != nil {
		return nil, err
	}
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	return file, nil
}

// Open implements Local.
func (v Volume) Open() (*os.File, error) {
	root, err := v.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(v.Path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", v.URI(), volumeError(err))
	}
	return file, nil
}

// Delete implements Place.
func (v Volume) Delete(ctx context.Context, stored *Stored) error {
	root, err := v.open()
	if err != nil {
		return err
	}
	defer root.Close()
	now, err := v.look(ctx, root)
	if err != nil || now == nil {
		return err
	}
	if now.UID == "" || now.UID != stored.UID {
		return fmt.Errorf("%s: %w", v.URI(), ErrForeign)
	}
	for _, name := range []string{v.Path, v.recordPath()} { // the record goes last: it is the proof
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", v.URI(), volumeError(err))
		}
	}
	if err := v.syncDirectory(root); err != nil {
		return fmt.Errorf("delete %s: %w", v.URI(), volumeError(err))
	}
	return nil
}

// Clean implements Place. A record without data of its own is no more than a claim on the name: it goes too.
func (v Volume) Clean(ctx context.Context, uid string) error {
	root, err := v.open()
	if err != nil {
		return err
	}
	defer root.Close()
	leftovers := []string{v.temporary(uid, ".tmp"), v.temporary(uid, ".json")}
	stored, err := v.look(ctx, root)
	if err != nil {
		return err
	}
	if stored == nil || stored.UID != uid {
		if r, err := v.readRecord(root); err == nil && r != nil && uid != "" && r.UID == uid {
			leftovers = append(leftovers, v.recordPath())
		}
	}
	for _, name := range leftovers {
		if failed := root.Remove(name); failed != nil && !errors.Is(failed, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("clean up: %w", volumeError(failed)))
		}
	}
	return err
}

func volumeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", ErrNothing, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", ErrFull, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

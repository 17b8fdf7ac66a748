package bed

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// ErrNotThere says that what was to be damaged is not there.
var ErrNotThere = errors.New("not there")

const page = 4096 // of the database

// Database is etcd's database on a member's volume.
func Database(volume string) string { return filepath.Join(volume, "data", "member", "snap", "db") }

// Log is the segment of the write-ahead log that is written to.
func Log(volume string) (string, error) {
	segments, err := filepath.Glob(filepath.Join(volume, "data", "member", "wal", "*.wal"))
	if err != nil || len(segments) == 0 {
		return "", fmt.Errorf("find the log in %s: %w", volume, ErrNotThere)
	}
	return slices.Max(segments), nil
}

// Flip inverts n bytes of a file from an offset on. A process that has the file mapped or open sees it at once.
func Flip(path string, offset int64, n int) error {
	return edit(path, func(f *os.File) error {
		some := make([]byte, n)
		if _, err := f.ReadAt(some, offset); err != nil {
			return err
		}
		for i := range some {
			some[i] ^= 0xff
		}
		_, err := f.WriteAt(some, offset)
		return err
	})
}

// FlipLog damages a record in the first part of the log, which holds the oldest entries.
func FlipLog(volume string) error {
	path, err := Log(volume)
	if err != nil {
		return err
	}
	return Flip(path, 2000, 8)
}

// ScrambleDatabase overwrites the two pages that everything in the database is found from.
func ScrambleDatabase(volume string) error { return Flip(Database(volume), 0, 2*page) }

// ScramblePages overwrites all pages of the database but those two.
func ScramblePages(volume string) error {
	info, err := os.Stat(Database(volume))
	if err != nil {
		return fmt.Errorf("damage: %w", err)
	}
	return Flip(Database(volume), 2*page, int(info.Size())-2*page)
}

// TruncateDatabase cuts the database to so many bytes.
func TruncateDatabase(volume string, size int64) error { return os.Truncate(Database(volume), size) }

// FlipValue changes one bit of every copy of a value in the database. bbolt has no checksum that would tell.
func FlipValue(volume string, value []byte) error {
	return edit(Database(volume), func(f *os.File) error {
		all, err := os.ReadFile(f.Name())
		if err != nil {
			return err
		}
		found := false
		for at := 0; ; {
			next := bytes.Index(all[at:], value)
			if next < 0 {
				break
			}
			found, at = true, at+next+1
			if _, err := f.WriteAt([]byte{value[0] ^ 1}, int64(at-1)); err != nil {
				return err
			}
		}
		if !found {
			return fmt.Errorf("find the value in the database: %w", ErrNotThere)
		}
		return nil
	})
}

// Wipe removes everything from a volume.
func Wipe(volume string) error {
	entries, err := os.ReadDir(volume)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(volume, e.Name())))
	}
	return err
}

func edit(path string, change func(*os.File) error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("damage: %w", err)
	}
	if err := errors.Join(change(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("damage %s: %w", path, err)
	}
	return nil
}

// Holds says whether a value is in the database by now, which etcd writes a moment after it has acknowledged it.
func Holds(volume string, value []byte) (bool, error) {
	all, err := os.ReadFile(Database(volume))
	if err != nil {
		return false, fmt.Errorf("read database: %w", err)
	}
	return bytes.Contains(all, value), nil
}

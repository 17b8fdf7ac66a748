// Package database reads the file in which etcd keeps its data, without etcd: a snapshot is such a file, with a checksum behind it.
package database

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
)

// ErrDamaged is a file that is no database of etcd, or not a whole one.
var ErrDamaged = errors.New("the database is damaged")

// Facts are what a database says of itself.
type Facts struct {
	// Revision that it contains, and the last compaction; 0 if there was none.
	Revision        int64
	CompactRevision int64
	// HashKV at the revision, as etcd computes it. Unknown while a compaction is under way: etcd hashes what will be left.
	HashKV      uint32
	HashKVKnown bool
	// ClusterVersion is the oldest minor among the members, StorageVersion the format (empty on 3.5).
	ClusterVersion string
	StorageVersion string
}

// The names in etcd's database.
var (
	bucketKey      = []byte("key")
	bucketMeta     = []byte("meta")
	bucketCluster  = []byte("cluster")
	bucketAuth     = []byte("auth")
	finished       = []byte("finishedCompactRev")
	scheduled      = []byte("scheduledCompactRev")
	storageVersion = []byte("storageVersion")
	clusterVersion = []byte("clusterVersion")
	authEnabled    = []byte("authEnabled")
)

// lockTimeout bounds the wait for a file that somebody else has open.
const lockTimeout = 5 * time.Second

// Inspect reads all that is in the database at path, one time.
func Inspect(path string) (Facts, error) {
	return InspectFile(func() (*os.File, error) { return os.Open(path) })
}

// Glance is Inspect without HashKV, for a file whose bytes are known to be those of one that was inspected.
func Glance(path string) (Facts, error) {
	return view(func() (*os.File, error) { return os.Open(path) }, head)
}

// InspectFile is Inspect for a file that is opened in another way.
func InspectFile(open func() (*os.File, error)) (facts Facts, err error) { return view(open, read) }

func view(open func() (*os.File, error), look func(*bbolt.Tx) (Facts, error)) (facts Facts, err error) {
	err = guarded(func() error {
		db, err := bbolt.Open("", 0, &bbolt.Options{
			ReadOnly: true, Timeout: lockTimeout, OpenFile: func(string, int, os.FileMode) (*os.File, error) { return open() },
		})
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		defer db.Close()
		return db.View(func(tx *bbolt.Tx) error {
			facts, err = look(tx)
			return err
		})
	})
	if err != nil {
		return Facts{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return facts, nil
}

// guarded turns what bbolt does about pages that make no sense, or are not there, into an error.
func guarded(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if found := recover(); found != nil {
			err = fmt.Errorf("read its pages: %v", found)
		}
	}()
	return run()
}

// head reads what takes no time.
func head(tx *bbolt.Tx) (Facts, error) {
	keys := tx.Bucket(bucketKey)
	if keys == nil {
		return Facts{}, errors.New("it has no keys")
	}
	var f Facts
	if at := tx.Bucket(bucketMeta); at != nil {
		f.StorageVersion = string(at.Get(storageVersion))
	}
	if at := tx.Bucket(bucketCluster); at != nil {
		f.ClusterVersion = string(at.Get(clusterVersion))
	}
	compacted, toCompact := compactions(tx)
	f.CompactRevision = compacted
	last, _ := keys.Cursor().Last()
	f.Revision = max(1, compacted, toCompact)
	if last != nil {
		revision, err := parseRevision(last)
		if err != nil {
			return Facts{}, err
		}
		f.Revision = max(f.Revision, revision)
	}
	return f, nil
}

func read(tx *bbolt.Tx) (Facts, error) {
	f, err := head(tx)
	if err != nil {
		return Facts{}, err
	}
	hash, known, err := hashKV(tx.Bucket(bucketKey), f.CompactRevision, newPages(tx))
	if err != nil {
		return Facts{}, err
	}
	if _, toCompact := compactions(tx); known && toCompact <= f.CompactRevision {
		f.HashKV, f.HashKVKnown = hash, true
	}
	return f, touch(tx)
}

func compactions(tx *bbolt.Tx) (done, begun int64) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, 0
	}
	of := func(name []byte) int64 {
		revision, err := parseRevision(meta.Get(name))
		if err != nil {
			return 0
		}
		return revision
	}
	return of(finished), of(scheduled)
}

// parseRevision reads the main revision of a key of etcd's database.
func parseRevision(key []byte) (int64, error) {
	if len(key) < revisionBytes || key[8] != '_' {
		return 0, fmt.Errorf("%d bytes that should be a revision are none", len(key))
	}
	return int64(binary.BigEndian.Uint64(key)), nil
}

// touch reads all other buckets, so that a page that cannot be read is found here and not by who restores.
func touch(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
		if bytes.Equal(name, bucketKey) {
			return nil
		}
		return bucket.ForEach(func(_, _ []byte) error { return nil })
	})
}

// DisableAuth makes etcd answer everybody who runs on this database. It is for throwaway copies.
func DisableAuth(path string) error {
	err := guarded(func() error {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
		if err != nil {
			return err
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			auth := tx.Bucket(bucketAuth)
			if auth == nil {
				return nil
			}
			return auth.Put(authEnabled, []byte{0})
		})
		return errors.Join(err, db.Close())
	})
	if err != nil {
		return fmt.Errorf("switch authentication off: %w", err)
	}
	return nil
}

package database

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"
)

// entry is a revision of a key. A deleted one is a tombstone.
type entry struct {
	revision int64
	key      string
	deleted  bool
}

func (e entry) encode() (key, value []byte) {
	key = make([]byte, revisionBytes, revisionBytes+1)
	binary.BigEndian.PutUint64(key, uint64(e.revision))
	key[8] = '_'
	if e.deleted {
		key = append(key, tombstone)
	}
	value = protowire.AppendTag(nil, 1, protowire.BytesType)
	return key, protowire.AppendString(value, e.key)
}

func revisionOf(revision int64) []byte {
	key, _ := entry{revision: revision}.encode()
	return key
}

func write(t *testing.T, scheduledAt, finishedAt int64, entries ...entry) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		keys, _ := tx.CreateBucket(bucketKey)
		for _, e := range entries {
			key, value := e.encode()
			if err := keys.Put(key, value); err != nil {
				return err
			}
		}
		meta, _ := tx.CreateBucket(bucketMeta)
		if scheduledAt > 0 {
			_ = meta.Put(scheduled, revisionOf(scheduledAt))
		}
		if finishedAt > 0 {
			_ = meta.Put(finished, revisionOf(finishedAt))
		}
		_ = meta.Put(storageVersion, []byte("3.6.0"))
		cluster, _ := tx.CreateBucket(bucketCluster)
		return cluster.Put(clusterVersion, []byte("3.6.0"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func hashOf(entries ...entry) uint32 {
	hash := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = hash.Write(bucketKey)
	for _, e := range entries {
		key, value := e.encode()
		_, _ = hash.Write(append(key, value...))
	}
	return hash.Sum32()
}

// TestTheHashIsOfWhatACompactionWouldLeave, as etcd's is; the tests on real etcd compare it with etcd's own.
func TestTheHashIsOfWhatACompactionWouldLeave(t *testing.T) {
	a1, b2, a3, bGone, cGone := entry{2, "a", false}, entry{3, "b", false}, entry{5, "a", false}, entry{6, "b", true}, entry{4, "c", true}
	for _, tc := range []struct {
		claim               string
		scheduled, finished int64
		entries, hashed     []entry
		revision            int64
		unknown             bool
	}{
		{claim: "nothing was compacted", entries: []entry{a1, b2, a3}, hashed: []entry{a1, b2, a3}, revision: 5},
		{claim: "a key has changed since", scheduled: 4, finished: 4, entries: []entry{a1, b2, a3}, hashed: []entry{b2, a3}, revision: 5},
		{claim: "a key was deleted since", scheduled: 4, finished: 4, entries: []entry{a1, b2, bGone}, hashed: []entry{a1, bGone}, revision: 6},
		{claim: "all keys were deleted since", scheduled: 4, finished: 4, entries: []entry{b2, bGone}, hashed: []entry{b2, bGone}, revision: 6},
		{claim: "the tombstone of the compacted revision is there still", scheduled: 4, finished: 4,
			entries: []entry{a1, cGone}, hashed: []entry{a1}, revision: 4},
		{claim: "all is compacted away", scheduled: 9, finished: 9, revision: 9},
		{claim: "a compaction is under way", scheduled: 5, finished: 2, entries: []entry{a1, b2, a3}, unknown: true, revision: 5},
		{claim: "the first compaction is under way", scheduled: 5, entries: []entry{a1, b2, a3}, unknown: true, revision: 5},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			path := write(t, tc.scheduled, tc.finished, tc.entries...)
			facts, err := Inspect(path)
			if err != nil {
				t.Fatal(err)
			}
			if facts.Revision != tc.revision || facts.CompactRevision != tc.finished || facts.HashKVKnown == tc.unknown {
				t.Errorf("got %+v", facts)
			}
			if !tc.unknown && facts.HashKV != hashOf(tc.hashed...) {
				t.Errorf("the hash is of something else")
			}
			if facts.ClusterVersion != "3.6.0" || facts.StorageVersion != "3.6.0" {
				t.Errorf("the versions are %+v", facts)
			}
			facts.HashKV, facts.HashKVKnown = 0, false
			if seen, err := Glance(path); err != nil || seen != facts {
				t.Errorf("at a glance it is %+v, %v", seen, err)
			}
		})
	}
}

// TestWhatIsNoDatabaseIsDamaged, and ends nobody's process.
func TestWhatIsNoDatabaseIsDamaged(t *testing.T) {
	var entries []entry
	for i := range int64(2000) {
		entries = append(entries, entry{i + 2, "some-key-that-takes-space", false})
	}
	whole, err := os.ReadFile(write(t, 0, 0, entries...))
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for claim, data := range map[string][]byte{
		"nothing":           {},
		"text":              bytes.Repeat([]byte("no database"), 4096),
		"its first half":    whole[:len(whole)/2/page*page],
		"zeroes in it":      append(append(bytes.Clone(whole[:2*page]), make([]byte, len(whole)-4*page)...), whole[len(whole)-2*page:]...),
		"rubbish for pages": append(bytes.Clone(whole[:2*page]), bytes.Repeat([]byte{0xff}, len(whole)-2*page)...),
	} {
		t.Run(claim, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if facts, err := Inspect(path); !errors.Is(err, ErrDamaged) {
				t.Errorf("got %+v, %v", facts, err)
			}
		})
	}
}

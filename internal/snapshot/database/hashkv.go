package database

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"hash/maphash"
	"slices"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	revisionBytes = 17 // main, '_', sub
	tombstone     = 't'
)

// hashKV hashes what etcd's HashKV hashes at the latest revision. Of what was there at the compacted revision those keys are left out
// that have changed since, as a compaction now would; and the tombstone of that revision, which some patch releases have deleted.
// It is not known if too many keys have changed to remember them.
func hashKV(keys *bbolt.Bucket, compacted int64, p *pages) (hash uint32, known bool, err error) {
	skip := func([]byte) (bool, error) { return false, nil }
	known = true
	if compacted > 0 {
		changed := &changedKeys{seed: maphash.MakeSeed()}
		if known, err = changed.collect(keys, compacted, p); err != nil {
			return 0, false, err
		}
		skip = changed.has
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, _ = sum.Write(bucketKey)
	err = keys.ForEach(func(key, value []byte) error {
		p.passed(key, value)
		revision, err := parseRevision(key)
		if err != nil {
			return err
		}
		if revision == compacted && isTombstone(key) {
			return nil
		}
		if revision <= compacted {
			if gone, err := skip(value); err != nil || gone {
				return err
			}
		}
		_, _ = sum.Write(key)
		_, _ = sum.Write(value)
		return nil
	})
	return sum.Sum32(), known, err
}

func isTombstone(key []byte) bool { return len(key) > revisionBytes && key[revisionBytes] == tombstone }

// maxChanged bounds the memory: 8 bytes for each key.
const maxChanged = 2 << 20

// changedKeys are those that have a revision after the compacted one. Two that have the same 64 bits are taken for one, which will not
// happen.
type changedKeys struct {
	seed maphash.Seed
	all  []uint64 // sorted, in the end
	none bool     // nothing is left out
}

func (c *changedKeys) has(value []byte) (bool, error) {
	if c.none {
		return false, nil
	}
	key, err := keyOf(value)
	if err != nil {
		return false, err
	}
	_, found := slices.BinarySearch(c.all, maphash.Bytes(c.seed, key))
	return found, nil
}

// collect goes through what is newer than the compacted revision.
func (c *changedKeys) collect(keys *bbolt.Bucket, compacted int64, p *pages) (known bool, err error) {
	first := make([]byte, revisionBytes)
	binary.BigEndian.PutUint64(first, uint64(compacted)+1)
	first[8] = '_'
	cursor := keys.Cursor()
	for at, value := cursor.Seek(first); at != nil; at, value = cursor.Next() {
		p.passed(at, value)
		key, err := keyOf(value)
		if err != nil {
			return false, err
		}
		if c.all = append(c.all, maphash.Bytes(c.seed, key)); len(c.all) == maxChanged {
			if c.compact(); len(c.all) > maxChanged/2 {
				return false, nil
			}
		}
	}
	c.compact()
	c.none, err = c.nothingLives(keys)
	return true, err
}

func (c *changedKeys) compact() {
	slices.Sort(c.all)
	c.all = slices.Compact(c.all)
}

// nothingLives says whether all keys are deleted: then etcd leaves nothing out.
func (c *changedKeys) nothingLives(keys *bbolt.Bucket) (bool, error) {
	deleted := map[uint64]bool{}
	cursor := keys.Cursor()
	for at, value := cursor.Last(); at != nil; at, value = cursor.Prev() {
		key, err := keyOf(value)
		if err != nil {
			return false, err
		}
		hash := maphash.Bytes(c.seed, key)
		if deleted[hash] {
			continue
		}
		if !isTombstone(at) {
			return false, nil
		}
		deleted[hash] = true
	}
	return true, nil
}

// errNoPair is an entry that is no key with its value.
var errNoPair = errors.New("a revision holds no key")

// keyOf is the first field of what etcd stores for a revision.
func keyOf(value []byte) ([]byte, error) {
	const field = 1
	for len(value) > 0 {
		number, kind, n := protowire.ConsumeTag(value)
		if n < 0 {
			return nil, errNoPair
		}
		value = value[n:]
		if number == field && kind == protowire.BytesType {
			key, n := protowire.ConsumeBytes(value)
			if n < 0 {
				return nil, errNoPair
			}
			return key, nil
		}
		if n = protowire.ConsumeFieldValue(number, kind, value); n < 0 {
			return nil, errNoPair
		}
		value = value[n:]
	}
	return nil, errNoPair
}

package launcher

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
)

// The head of a bbolt database: two meta pages, of which the valid one with the higher transaction counts.
const (
	boltMagic       = 0xED0CDAED
	pageHeader      = 16 // bytes before the meta data of a page
	metaLength      = 64
	metaPageSize    = 8  // offsets into the meta data
	metaPages       = 40 // number of pages in use
	metaTransaction = 48
	metaChecksum    = 56
)

// checkDatabase refuses a database that is shorter than it says itself: etcd maps it into memory and dies of SIGBUS
// without a word. Whatever else may be wrong with it, etcd tells in its own words.
func (v Volume) checkDatabase() error {
	f, err := os.Open(v.db())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unreadable(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	need, err := lengthInUse(f)
	if err != nil {
		return unreadable(err)
	}
	if info.Size() < need {
		return refuse(DataLost, "the database is truncated: %d bytes are left of at least %d", info.Size(), need)
	}
	return nil
}

// lengthInUse is how many bytes a database says that it uses, 0 if no meta page is valid.
func lengthInUse(db io.ReaderAt) (int64, error) {
	var length int64
	var newest uint64
	for _, offset := range []int64{0, int64(os.Getpagesize())} {
		meta := make([]byte, metaLength)
		if _, err := db.ReadAt(meta, offset+pageHeader); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return 0, err
		}
		sum := fnv.New64a()
		sum.Write(meta[:metaChecksum])
		transaction := binary.NativeEndian.Uint64(meta[metaTransaction:])
		valid := binary.NativeEndian.Uint32(meta) == boltMagic && binary.NativeEndian.Uint64(meta[metaChecksum:]) == sum.Sum64()
		if valid && transaction >= newest {
			newest = transaction
			length = int64(binary.NativeEndian.Uint64(meta[metaPages:])) * int64(binary.NativeEndian.Uint32(meta[metaPageSize:]))
		}
	}
	return length, nil
}

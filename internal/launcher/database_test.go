package launcher

import (
	"encoding/binary"
	"hash/fnv"
	"os"
	"strings"
	"testing"
)

// database is a bbolt file of so many pages. Its first meta page is the newer one.
func database(pages int) string {
	size := os.Getpagesize()
	file := make([]byte, pages*size)
	copy(file[pageHeader:], meta(pages, 8))
	copy(file[size+pageHeader:], meta(pages-1, 7))
	return string(file)
}

func meta(pages int, transaction uint64) []byte {
	m := make([]byte, metaLength)
	binary.NativeEndian.PutUint32(m, boltMagic)
	binary.NativeEndian.PutUint32(m[metaPageSize:], uint32(os.Getpagesize()))
	binary.NativeEndian.PutUint64(m[metaPages:], uint64(pages))
	binary.NativeEndian.PutUint64(m[metaTransaction:], transaction)
	sum := fnv.New64a()
	sum.Write(m[:metaChecksum])
	binary.NativeEndian.PutUint64(m[metaChecksum:], sum.Sum64())
	return m
}

func TestLengthInUseIsTheNewestValidHeads(t *testing.T) {
	size := int64(os.Getpagesize())
	whole := database(9)
	broken := "x" + whole[1:pageHeader] + "x" + whole[pageHeader+1:]
	for name, tt := range map[string]struct {
		file string
		want int64
	}{
		"both heads":        {whole, 9 * size},
		"the first damaged": {broken, 8 * size},
		"one page only":     {whole[:size], 9 * size},
		"nothing":           {"", 0},
	} {
		got, err := lengthInUse(strings.NewReader(tt.file))
		if err != nil || got != tt.want {
			t.Errorf("%s: %d bytes, %v, want %d", name, got, err, tt.want)
		}
	}
}

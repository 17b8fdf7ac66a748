package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func withTrailer(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(bytes.Clone(body), sum[:]...)
}

// TestOnlyAWholeSnapshotIsReadToItsEnd, in whatever pieces it comes.
func TestOnlyAWholeSnapshotIsReadToItsEnd(t *testing.T) {
	body := bytes.Repeat([]byte("data"), 1000)
	whole := withTrailer(body)
	flipped := bytes.Clone(whole)
	flipped[len(body)/2] ^= 1
	for _, tc := range []struct {
		claim string
		data  []byte
		whole bool
	}{
		{"whole", whole, true},
		{"one byte and its checksum", withTrailer([]byte{1}), true},
		{"without its last byte", whole[:len(whole)-1], false},
		{"without its checksum", body, false},
		{"without its first byte", whole[1:], false},
		{"with a bit flipped", flipped, false},
		{"with something behind it", append(bytes.Clone(whole), 0), false},
		{"nothing", nil, false},
		{"nothing but the checksum of nothing", withTrailer(nil), false},
		{"shorter than a checksum", whole[:20], false},
	} {
		for pieces, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "by halves": iotest.HalfReader,
			"with the end in the last piece": iotest.DataErrReader,
		} {
			t.Run(tc.claim+" "+pieces, func(t *testing.T) {
				s := newSealed(reader(bytes.NewReader(tc.data)))
				got, err := io.ReadAll(s)
				if tc.whole != (err == nil) || err != nil && !errors.Is(err, errTrailer) {
					t.Fatalf("got %v", err)
				}
				if !bytes.Equal(got, tc.data) {
					t.Error("the data are changed")
				}
				sum := sha256.Sum256(tc.data)
				if s.Sum() != hex.EncodeToString(sum[:]) || s.size != int64(len(tc.data)) {
					t.Errorf("got %d bytes with sum %s", s.size, s.Sum())
				}
			})
		}
	}
}

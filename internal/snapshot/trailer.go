package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// errTrailer: a stream does not end with the sha256 of all before it. etcd appends that to each snapshot.
var errTrailer = errors.New("it does not end with its sha256 checksum, so it is not whole, or not what etcd sent")

// sealed reads a snapshot through. It ends with errTrailer instead of io.EOF unless the checksum at its end is right, so that nobody who
// stores what he reads takes half of it for all.
type sealed struct {
	from io.Reader
	body hash.Hash // of all but the last bytes
	tail []byte    // the last bytes so far, at most 32
	size int64
	sum  string // of everything, once the end was there
	err  error  // that it was not right
}

func newSealed(from io.Reader) *sealed {
	return &sealed{from: from, body: sha256.New(), tail: make([]byte, 0, 2*sha256.Size)}
}

// Read implements io.Reader.
func (s *sealed) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.see(p[:n])
	if errors.Is(err, io.EOF) {
		err = s.end()
	}
	return n, err
}

func (s *sealed) see(p []byte) {
	s.size += int64(len(p))
	if len(p) >= sha256.Size {
		_, _ = s.body.Write(s.tail)
		_, _ = s.body.Write(p[:len(p)-sha256.Size])
		s.tail = append(s.tail[:0], p[len(p)-sha256.Size:]...)
		return
	}
	s.tail = append(s.tail, p...)
	if over := len(s.tail) - sha256.Size; over > 0 {
		_, _ = s.body.Write(s.tail[:over])
		s.tail = s.tail[:copy(s.tail, s.tail[over:])]
	}
}

func (s *sealed) end() error {
	if s.sum != "" {
		return s.err
	}
	s.err = io.EOF
	if s.size <= sha256.Size || string(s.body.Sum(nil)) != string(s.tail) {
		s.err = fmt.Errorf("after %d bytes: %w", s.size, errTrailer)
	}
	_, _ = s.body.Write(s.tail)
	s.sum = hex.EncodeToString(s.body.Sum(nil))
	return s.err
}

// Sum implements store.Data.
func (s *sealed) Sum() string { return s.sum }

// summed hashes and counts what is read through it.
type summed struct {
	io.Reader
	hash hash.Hash
	size int64
}

func newSummed(from io.Reader) *summed { return &summed{Reader: from, hash: sha256.New()} }

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	_, _ = s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}

// Sum implements store.Data.
func (s *summed) Sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

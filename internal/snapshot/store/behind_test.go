package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"
)

func numbered(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return data
}

func TestCopyCopiesAllThatIsRead(t *testing.T) {
	for _, size := range []int{0, 1, pieceBytes - 1, pieceBytes, 2*pieces*pieceBytes + 7} {
		for how, reader := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader,
			"with the end in the last piece": iotest.DataErrReader,
		} {
			data, got := numbered(size), &bytes.Buffer{}
			n, err := Copy(got, reader(bytes.NewReader(data)))
			if err != nil || n != int64(size) || !bytes.Equal(got.Bytes(), data) {
				t.Errorf("%d bytes %s: copied %d, %v", size, how, n, err)
			}
		}
	}
}

// failing takes so many bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestCopyEndsWithTheErrorOfWhoFailed(t *testing.T) {
	cut, full := errors.New("cut"), errors.New("full")
	data := numbered(3 * pieceBytes)
	got := &bytes.Buffer{}
	if n, err := Copy(got, io.MultiReader(bytes.NewReader(data), iotest.ErrReader(cut))); !errors.Is(err, cut) || n != int64(len(data)) {
		t.Errorf("a reader that fails: copied %d, %v", n, err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Error("what was read before is not written")
	}
	endless := iotest.HalfReader(zeros{})
	if _, err := Copy(&failing{left: pieceBytes, err: full}, endless); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAFileThatIsWrittenBehindIsWhole(t *testing.T) {
	for _, size := range []int{1, spanBytes, 3*spanBytes + 5} {
		name := filepath.Join(t.TempDir(), "file")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		to, data := &behind{file: file}, numbered(size)
		for piece := range slices.Chunk(data, pieceBytes) {
			if _, err := to.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d are there, %v", size, len(got), err)
		}
	}
}

// TestAFileSystemThatKnowsNoRangesIsWrittenAllTheSame: a pipe knows none either.
func TestAFileSystemThatKnowsNoRangesIsWrittenAllTheSame(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, from)
		read <- n
	}()
	b := &behind{file: to}
	for range 3 {
		if _, err := b.Write(make([]byte, spanBytes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-read; n != 3*spanBytes {
		t.Errorf("%d bytes came", n)
	}
}

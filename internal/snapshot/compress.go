package snapshot

import (
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	suffixZstd = ".zst"
	// window bounds what the compressor and the decompressor keep in memory. Pages of etcd are alike over short distances.
	window = 1 << 20
	// maxWindow lets what others have compressed be read.
	maxWindow = 32 << 20
)

// compressed reads from compressed. Closing it ends the compressor.
func compressed(from io.Reader) (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	encoder, err := zstd.NewWriter(writer, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	go func() {
		_, err := io.CopyBuffer(onlyWriter{encoder}, onlyReader{from}, make([]byte, window))
		if err == nil {
			err = encoder.Close()
		}
		_ = writer.CloseWithError(err) // nil is io.EOF
	}()
	return reader, nil
}

func isCompressed(name string) bool { return strings.HasSuffix(name, suffixZstd) }

// decompressed is what was given to compressed.
func decompressed(from io.Reader) (io.ReadCloser, error) {
	decoder, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return expanding{onlyReader{decoder}, decoder.Close}, nil
}

type expanding struct {
	io.Reader
	end func()
}

// Close implements io.Closer.
func (e expanding) Close() error {
	e.end()
	return nil
}

// onlyWriter and onlyReader keep io.Copy from asking for more.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

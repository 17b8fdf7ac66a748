package snapshot

import (
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const (
	suffixZstd = ".zst"
	// window bounds what the compressor and the decompressor keep in memory. Pages of etcd are alike over short distances.
	window = 1 << 20
	// maxWindow lets what others have compressed be read.
	maxWindow = 32 << 20
)

// compressed reads from compressed, if that is asked for. Closing it ends the compressor.
func compressed(kind v1alpha2.SnapshotCompression, from io.Reader) (io.ReadCloser, error) {
	if kind != v1alpha2.CompressionZstd {
		return io.NopCloser(from), nil
	}
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

// decompressed is what was given to compressed, by the name under which it is stored.
func decompressed(name string, from io.Reader) (io.ReadCloser, error) {
	if !isCompressed(name) {
		return io.NopCloser(from), nil
	}
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

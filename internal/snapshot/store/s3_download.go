package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"
)

// download is an object that is being read.
type download struct {
	ctx     context.Context
	from    *Bucket
	body    io.ReadCloser
	version string
	offset  int64 // read so far
	bytes   int64 // of the object
	broken  int   // connections that broke since anything was read
}

// reconnects is how often in a row a download that broke is taken up again.
const reconnects = 5

func (d *download) connect() error {
	var options minio.GetObjectOptions
	if d.offset > 0 {
		if err := errors.Join(options.SetRange(d.offset, 0), options.SetMatchETag(d.version)); err != nil {
			return fmt.Errorf("read %s: %w", d.from.URI(), err)
		}
	}
	body, info, _, err := d.from.core.GetObject(d.ctx, d.from.bucket, d.from.key, options)
	if code(err) == "PreconditionFailed" {
		return fmt.Errorf("read %s: %w", d.from.URI(), errMeanwhile)
	}
	if err != nil {
		return d.from.failed(d.ctx, "read", err)
	}
	if d.offset == 0 {
		d.version, d.bytes = info.ETag, info.Size
	}
	d.body = body
	return nil
}

// Read implements io.Reader. The end is where the store said that it would be.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.offset >= d.bytes {
			return 0, io.EOF
		}
		n, err := d.body.Read(p)
		if n > 0 {
			d.offset += int64(n)
			d.broken = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if d.broken++; d.broken > reconnects || d.ctx.Err() != nil {
			return 0, d.from.failed(d.ctx, "read", errors.Join(io.ErrUnexpectedEOF, err))
		}
		_ = d.body.Close()
		if err := d.connect(); err != nil {
			return 0, err
		}
	}
}

// Close implements io.Closer.
func (d *download) Close() error { return d.body.Close() }

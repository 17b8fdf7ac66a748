package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"
)

// download is a range of an object that is being read.
type download struct {
	ctx     context.Context
	stop    context.CancelFunc
	from    *Bucket
	body    io.ReadCloser
	version string // of the object; empty before it is known
	offset  int64  // read so far, from the beginning of the object
	end     int64  // where the range ends: at the end of the object at the latest, once that is known
	bytes   int64  // of the object, once they are known
	broken  int    // connections that broke since anything was read
}

// reconnects is how often in a row a download that broke is taken up again.
const reconnects = 5

func (d *download) connect() error {
	var options minio.GetObjectOptions
	err := options.SetRange(d.offset, d.end-1)
	if d.version != "" {
		err = errors.Join(err, options.SetMatchETag(d.version))
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", d.from.URI(), err)
	}
	body, info, answer, err := d.from.core.GetObject(d.ctx, d.from.bucket, d.from.key, options)
	switch {
	case code(err) == "PreconditionFailed":
		return fmt.Errorf("read %s: %w", d.from.URI(), errMeanwhile)
	case code(err) == "InvalidRange" && d.version == "": // there is nothing in it
		d.end, d.body = 0, io.NopCloser(strings.NewReader(""))
		return nil
	case err != nil:
		return d.from.failed(d.ctx, "read", err)
	}
	d.body = body
	whole, ranged := wholeOf(answer.Get("Content-Range"))
	switch {
	case d.version == "" && ranged:
		d.version, d.bytes = info.ETag, whole
		d.end = min(d.end, whole)
	case d.version == "": // a store that knows no ranges gives all
		d.version, d.bytes, d.end = info.ETag, info.Size, info.Size
	case !ranged && d.offset > 0:
		return errors.Join(fmt.Errorf("read %s: %w", d.from.URI(), errNoRange), body.Close())
	}
	return nil
}

// errNoRange: a store that gave ranges gives none any more, or one that never did broke off.
var errNoRange = errors.New("the store does not give a part of it")

// wholeOf is how long the object is of which a range was given: the header says "bytes 0-7/1234".
func wholeOf(header string) (int64, bool) {
	_, text, found := strings.Cut(header, "/")
	if !found {
		return 0, false
	}
	whole, err := strconv.ParseInt(text, 10, 64)
	return whole, err == nil
}

// Read implements io.Reader. The end is where the store said that it would be.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.offset >= d.end {
			return 0, io.EOF
		}
		n, err := d.body.Read(p[:min(int64(len(p)), d.end-d.offset)])
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
func (d *download) Close() error {
	d.stop()
	return d.body.Close()
}

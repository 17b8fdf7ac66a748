package store

import (
	"context"
	"fmt"
	"io"
)

const (
	// rangeBytes are asked for at a time. Many stores give one connection only so much, and one request to begin with takes a while.
	rangeBytes = 4 << 20
	// downloads is how many ranges are under way at a time, or have come and are not read yet: 16 MiB in all.
	downloads = 4
)

// Read implements Place. Several ranges are read at a time. A connection that breaks is made again where it broke, as long as it is the
// same object.
func (b *Bucket) Read(ctx context.Context) (io.ReadCloser, error) {
	ctx, stop := context.WithCancel(ctx)
	first := &download{ctx: ctx, stop: stop, from: b, end: rangeBytes}
	if err := first.connect(); err != nil {
		stop()
		return nil, err
	}
	if first.end == first.bytes {
		return first, nil
	}
	r := &ranges{first: first, next: first.end}
	r.fetch(first, nil)
	for range downloads - 1 {
		r.ask(nil)
	}
	return r, nil
}

// ranges is an object of which several ranges are read at a time. They are given in their order.
type ranges struct {
	first  *download
	next   int64          // where the first range begins that was not asked for
	coming []chan arrived // those that were, in their order
	buffer []byte         // of the one that is being given
	left   []byte         // of that
	err    error
}

// arrived is a range, or why it has not come.
type arrived struct {
	data []byte
	err  error
}

// ask begins with the next range, if there is one.
func (r *ranges) ask(buffer []byte) {
	if r.next >= r.first.bytes {
		return
	}
	d := &download{ctx: r.first.ctx, from: r.first.from, version: r.first.version, offset: r.next, bytes: r.first.bytes}
	d.end = min(d.offset+rangeBytes, d.bytes)
	r.next = d.end
	r.fetch(d, buffer)
}

func (r *ranges) fetch(d *download, buffer []byte) {
	if buffer == nil {
		buffer = make([]byte, rangeBytes)
	}
	came := make(chan arrived, 1)
	r.coming = append(r.coming, came)
	go func() { came <- d.all(buffer) }()
}

// all reads the range to its end.
func (d *download) all(into []byte) arrived {
	if d.body == nil {
		if err := d.connect(); err != nil {
			return arrived{err: err}
		}
	}
	defer d.body.Close()
	into = into[:d.end-d.offset]
	if _, err := io.ReadFull(d, into); err != nil {
		return arrived{err: fmt.Errorf("a range: %w", err)}
	}
	return arrived{data: into}
}

// Read implements io.Reader.
func (r *ranges) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err == nil {
			r.err = r.turn()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// turn goes on to the next range, and asks for another one with the buffer of the last.
func (r *ranges) turn() error {
	if r.buffer != nil {
		r.ask(r.buffer)
		r.buffer = nil
	}
	if len(r.coming) == 0 {
		return io.EOF
	}
	came := <-r.coming[0]
	r.coming = r.coming[1:]
	r.left, r.buffer = came.data, came.data
	return came.err
}

// Close implements io.Closer.
func (r *ranges) Close() error {
	r.first.stop()
	for _, coming := range r.coming {
		<-coming
	}
	return nil
}

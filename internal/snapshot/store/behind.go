package store

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// pieceBytes are read and written at a time; while one piece is written, others are read.
	pieceBytes = 1 << 20
	pieces     = 4
	// spanBytes are given to the disk at a time. While one span is on its way, the next is filled.
	spanBytes = 8 << 20
)

// Copy is io.Copy that reads on while it writes.
func Copy(to io.Writer, from io.Reader) (int64, error) {
	w := &writing{
		to: to, free: make(chan []byte, pieces), full: make(chan []byte, pieces), broken: make(chan struct{}), ended: make(chan struct{}),
	}
	for range pieces {
		w.free <- nil // made when needed
	}
	go w.run()
	err := w.fill(from)
	close(w.full)
	<-w.ended
	if w.err != nil {
		return w.written, w.err
	}
	return w.written, err
}

// writing is what Copy does beside reading. written and err are for who has seen the end.
type writing struct {
	to            io.Writer
	free, full    chan []byte
	broken, ended chan struct{}
	written       int64
	err           error
}

func (w *writing) run() {
	defer close(w.ended)
	for piece := range w.full {
		n, err := w.to.Write(piece)
		w.written += int64(n)
		if err != nil {
			w.err = err
			close(w.broken)
			return
		}
		w.free <- piece[:cap(piece)]
	}
}

// fill reads up to the end, or until nobody writes any more.
func (w *writing) fill(from io.Reader) error {
	for {
		var piece []byte
		select {
		case <-w.broken:
			return nil
		case piece = <-w.free:
		}
		if piece == nil {
			piece = make([]byte, pieceBytes)
		}
		n, err := full(from, piece)
		if n > 0 {
			w.full <- piece[:n] // there is room for all pieces
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// full fills p. Unlike io.ReadFull it gives every error as it is.
func full(from io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = from.Read(p[n:])
		n += more
	}
	return n, err
}

// behind writes a file, and has the disk write along instead of all in the end. What the disk has does not stay in the memory of the
// node, where members of etcd have their data.
type behind struct {
	file                *os.File
	gone, begun, filled int64 // up to where the disk has it, is writing it, and will get it
}

// Write implements io.Writer.
func (b *behind) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	b.filled += int64(n)
	if err == nil && b.filled-b.begun >= spanBytes {
		err = b.pass()
	}
	return n, err
}

// pass begins with one span, and waits for the one before.
func (b *behind) pass() error {
	err := b.sync(b.begun, b.filled, unix.SYNC_FILE_RANGE_WRITE)
	if err == nil && b.begun > b.gone {
		err = b.sync(b.gone, b.begun, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
		_ = unix.Fadvise(int(b.file.Fd()), b.gone, b.begun-b.gone, unix.FADV_DONTNEED)
	}
	b.gone, b.begun = b.begun, b.filled
	return err
}

// sync tells what the disk could not write: nobody is told twice. That a file system does not know the call is no such thing.
func (b *behind) sync(from, to int64, how int) error {
	err := unix.SyncFileRange(int(b.file.Fd()), from, to-from, how)
	for _, unknown := range []error{syscall.ENOSYS, syscall.EINVAL, syscall.ESPIPE, syscall.EOPNOTSUPP} {
		if errors.Is(err, unknown) {
			return nil
		}
	}
	return err
}

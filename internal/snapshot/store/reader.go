package store

import (
	"context"
	"errors"
	"io"
)

// bounded is a reader that ends with its context.
type bounded struct {
	ctx context.Context
	io.Reader
}

func (b bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// origin remembers that an error came from what is being stored, not from the store.
type origin struct {
	io.Reader
	err error
}

func (o *origin) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		o.err = err
	}
	return n, err
}

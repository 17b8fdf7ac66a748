// Package store keeps snapshots: in a bucket of an S3-compatible store, or on a volume. What is stored carries the UID of the EtcdSnapshot
// that it was stored for, and is never overwritten or deleted for another one.
package store

import (
	"context"
	"errors"
	"io"
	"os"
)

// What stores say, as sentinels.
var (
	// ErrForeign: something else is stored under the name.
	ErrForeign = errors.New("something that does not belong to this snapshot is stored under its name")
	// ErrNothing: nothing is stored under the name.
	ErrNothing = errors.New("nothing is stored there")
	// ErrMissing: the bucket is not there.
	ErrMissing = errors.New("the bucket does not exist")
	// ErrDenied: the credentials are not accepted, or may not do this.
	ErrDenied = errors.New("access is denied")
	// ErrUnreachable: no answer, or the connection broke.
	ErrUnreachable = errors.New("the store cannot be reached")
	// ErrFull: no space is left.
	ErrFull = errors.New("no space is left")
)

// Mark is what is known of a snapshot before its data.
type Mark struct {
	UID         string `json:"uid"`
	Snapshot    string `json:"snapshot,omitempty"`
	Member      string `json:"member,omitempty"`
	EtcdVersion string `json:"etcdVersion,omitempty"`
	ClusterID   string `json:"clusterID,omitempty"`
}

// Stored is what is found under a name. Nobody knows whose it is if the mark has no UID.
type Stored struct {
	Mark
	Bytes   int64
	version string // the store's own name for just this content
}

// Data are what is to be stored.
type Data interface {
	io.Reader
	// Sum is the sha256 of all, in hexadecimal, once all has been read.
	Sum() string
}

// Place is one name in a store.
type Place interface {
	// URI names the place for people.
	URI() string
	// Look tells what is stored; nil if nothing is.
	Look(ctx context.Context) (*Stored, error)
	// Write stores data to its end, whole or not at all, instead of what Look found (nil: nothing may be there). An error of data is
	// returned as it is, and then nothing is stored.
	Write(ctx context.Context, mark Mark, over *Stored, data Data) error
	// Read reads what is stored.
	Read(ctx context.Context) (io.ReadCloser, error)
	// Delete deletes what Look found.
	Delete(ctx context.Context, stored *Stored) error
	// Clean removes what unfinished writes of this snapshot left behind.
	Clean(ctx context.Context, uid string) error
}

// Local is a Place whose data are a file of this machine.
type Local interface {
	Place
	// Open opens the file.
	Open() (*os.File, error)
}

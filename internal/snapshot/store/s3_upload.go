package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

const (
	// partBytes is the size of a part: S3 takes 10,000 of them, so 58 GiB in all, and none below 5 MiB.
	partBytes = 6 << 20
	// uploads is how many parts are under way at a time. One more is being filled: 18 MiB in all.
	uploads  = 2
	maxParts = 10000
)

// errTooBig cannot be helped by trying again, but neither does etcd hold so much.
var errTooBig = errors.New("it has more parts than S3 takes")

// upload is an object that is being sent in parts.
type upload struct {
	*Bucket
	id   string
	free chan []byte // buffers

	mu    sync.Mutex
	parts []minio.CompletePart
}

// writeParts sends full parts, and a last one that may be smaller. The object exists once all are there, or not at all.
func (b *Bucket) writeParts(ctx context.Context, mark Mark, over *Stored, first []byte, source *origin) error {
	options := b.options()
	options.UserMetadata = metadata(mark)
	id, err := b.core.NewMultipartUpload(ctx, b.bucket, b.key, options)
	if err != nil {
		return b.failed(ctx, "begin the upload of", err)
	}
	u := &upload{Bucket: b, id: id, free: make(chan []byte, uploads+1)} // all are back in the end, and nobody waits for them
	for range uploads {
		u.free <- nil // made when needed
	}
	if err = u.sendAll(ctx, first, source); err == nil {
		err = b.conditionally(ctx, mark, over, func(options minio.PutObjectOptions) error {
			_, err := b.core.CompleteMultipartUpload(ctx, b.bucket, b.key, id, u.parts, options)
			return err
		})
	}
	if err != nil {
		b.abort(ctx, id)
	}
	return err
}

// sendAll returns no error only if every part is there up to the end of source.
func (u *upload) sendAll(ctx context.Context, first []byte, source *origin) error {
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	part, ended := first, false
	var err error
	for number := 1; ; number++ {
		filled := part
		group.Go(func() error { return u.send(sending, number, filled) })
		if ended {
			break
		}
		if part, ended, err = u.fill(sending, source, number); err != nil || len(part) == 0 {
			break
		}
	}
	if failed := group.Wait(); failed != nil {
		return failed // fill has seen no more than that sending ended
	}
	slices.SortFunc(u.parts, func(a, b minio.CompletePart) int { return cmp.Compare(a.PartNumber, b.PartNumber) })
	return err
}

// fill reads the next part. The last one is not full, and may be empty.
func (u *upload) fill(ctx context.Context, source *origin, sent int) (part []byte, last bool, err error) {
	if sent >= maxParts {
		return nil, false, fmt.Errorf("write %s: %w", u.URI(), errTooBig)
	}
	select {
	case part = <-u.free:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if part == nil {
		part = make([]byte, partBytes)
	}
	n, err := io.ReadFull(source, part)
	if source.err != nil {
		return nil, false, source.err
	}
	return part[:n], err != nil, nil
}

func (u *upload) send(ctx context.Context, number int, part []byte) error {
	sent, err := u.core.PutObjectPart(ctx, u.bucket, u.key, u.id, number, bytes.NewReader(part), int64(len(part)),
		minio.PutObjectPartOptions{Sha256Hex: digest(part), DisableContentSha256: true})
	if code(err) == noUpload {
		return fmt.Errorf("send part %d of %s: %w", number, u.URI(), errMeanwhile)
	}
	if err != nil {
		return u.failed(ctx, fmt.Sprintf("send part %d of", number), err)
	}
	u.mu.Lock()
	u.parts = append(u.parts, minio.CompletePart{PartNumber: number, ETag: sent.ETag})
	u.mu.Unlock()
	u.free <- part[:cap(part)]
	return nil
}

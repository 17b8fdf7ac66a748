package bed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/minio/minio-go/v7"
)

// Keys are the keys of all objects in the bucket.
func (s *Bucket) Keys(ctx context.Context) (keys []string, err error) {
	for o := range s.store.ListObjects(ctx, s.Name, minio.ListObjectsOptions{Recursive: true}) {
		if o.Err != nil {
			return nil, fmt.Errorf("list the bucket: %w", o.Err)
		}
		keys = append(keys, o.Key)
	}
	slices.Sort(keys)
	return keys, nil
}

// Get is what an object holds.
func (s *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	o, err := s.store.GetObject(ctx, s.Name, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	data, err := io.ReadAll(o)
	if err = errors.Join(err, o.Close()); err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	return data, nil
}

// Unfinished are the names that somebody has begun to upload something to in parts, and not ended.
func (s *Bucket) Unfinished(ctx context.Context) (keys []string, err error) {
	for upload := range s.store.ListIncompleteUploads(ctx, s.Name, "", true) {
		keys, err = append(keys, upload.Key), errors.Join(err, upload.Err)
	}
	return keys, err
}

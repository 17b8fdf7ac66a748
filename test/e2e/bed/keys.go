package bed

import (
	"context"
	"fmt"
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

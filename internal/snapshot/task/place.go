package task

import (
	"fmt"
	"path"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// StoredAt is the exact place of what is stored for the EtcdSnapshot of this name below a prefix.
func StoredAt(name string, below v1alpha2.SnapshotLocation, c v1alpha2.SnapshotCompression) v1alpha2.SnapshotLocation {
	file := name + ".db"
	if c == v1alpha2.CompressionZstd {
		file += ".zst"
	}
	at := *below.DeepCopy()
	switch {
	case at.S3 != nil && at.S3.Key != "":
		at.S3.Key = strings.TrimSuffix(at.S3.Key, "/") + "/" + file
	case at.S3 != nil:
		at.S3.Key = file
	case at.PVC != nil:
		at.PVC.SubPath = path.Join(at.PVC.SubPath, file)
	}
	return at
}

// Exact is the place of what is stored for an EtcdSnapshot.
func Exact(s *v1alpha2.EtcdSnapshot) v1alpha2.SnapshotLocation {
	return StoredAt(s.Name, s.Spec.Destination, s.Spec.Compression)
}

// URI names a place: s3://<bucket>/<key> or pvc://<claim>/<path>.
func URI(at v1alpha2.SnapshotLocation) string {
	switch {
	case at.S3 != nil:
		return fmt.Sprintf("s3://%s/%s", at.S3.Bucket, at.S3.Key)
	case at.PVC != nil:
		return fmt.Sprintf("pvc://%s/%s", at.PVC.ClaimName, at.PVC.SubPath)
	}
	return ""
}

package task_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func TestASnapshotIsStoredUnderItsNameBelowThePrefix(t *testing.T) {
	s3 := func(key string) v1alpha2.SnapshotLocation {
		return v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{Bucket: "b", Key: key}}
	}
	pvc := func(dir string) v1alpha2.SnapshotLocation {
		return v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "c", SubPath: dir}}
	}
	for _, tc := range []struct {
		claim string
		below v1alpha2.SnapshotLocation
		zstd  bool
		want  string
	}{
		{"in the bucket itself", s3(""), false, "s3://b/now.db"},
		{"below a prefix", s3("a/b"), false, "s3://b/a/b/now.db"},
		{"whose last slash is not doubled", s3("a/b/"), true, "s3://b/a/b/now.db.zst"},
		{"on the volume itself", pvc(""), true, "pvc://c/now.db.zst"},
		{"in a directory", pvc("a/b/"), false, "pvc://c/a/b/now.db"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			s := &v1alpha2.EtcdSnapshot{
				ObjectMeta: metav1.ObjectMeta{Name: "now"}, Spec: v1alpha2.EtcdSnapshotSpec{Destination: tc.below},
			}
			if tc.zstd {
				s.Spec.Compression = v1alpha2.CompressionZstd
			}
			if got := task.URI(task.Exact(s)); got != tc.want {
				t.Errorf("stored at %s, want %s", got, tc.want)
			}
		})
	}
}

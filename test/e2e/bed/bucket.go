package bed

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Bucket is a bucket of the testbed's S3 server. It stays when a test has ended: what is in it is gone with the testbed.
type Bucket struct {
	Name   string
	store  *minio.Client
	access map[string]string
}

// Bucket makes a bucket for a test.
func (b *Bed) Bucket(t testing.TB) (*Bucket, error) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.home, "s3.env"))
	if err != nil {
		return nil, fmt.Errorf("find the S3 server (is the testbed up?): %w", err)
	}
	access := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		access[key] = value
	}
	at, err := url.Parse(access["AWS_ENDPOINT_URL"])
	if err != nil {
		return nil, fmt.Errorf("find the S3 server: %w", err)
	}
	s := &Bucket{Name: "e2e-" + rand.String(8), access: access}
	s.store, err = minio.New(at.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(access["AWS_ACCESS_KEY_ID"], access["AWS_SECRET_ACCESS_KEY"], ""),
		Region:       access["AWS_REGION"],
		BucketLookup: minio.BucketLookupPath,
	})
	if err == nil {
		err = s.store.MakeBucket(t.Context(), s.Name, minio.MakeBucketOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("make bucket: %w", err)
	}
	return s, nil
}

// Put stores an object.
func (s *Bucket) Put(ctx context.Context, key string, data []byte) error {
	if _, err := s.store.PutObject(ctx, s.Name, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return nil
}

// Location is a place in the bucket, for which the Secret s3 of a namespace holds the credentials. With secure the store is asked over TLS,
// and s3 holds the CA, too.
func (s *Bucket) Location(key string, secure bool) v1alpha2.SnapshotLocation {
	s3 := &v1alpha2.S3Location{
		Endpoint: s.access["AWS_ENDPOINT_URL"], Bucket: s.Name, Key: key, Region: s.access["AWS_REGION"], ForcePathStyle: true,
		CredentialsSecretRef: &corev1.LocalObjectReference{Name: "s3"},
	}
	if secure {
		s3.Endpoint, s3.CASecretRef = s.access["TESTBED_S3_TLS_URL"], &corev1.LocalObjectReference{Name: "s3"}
	}
	return v1alpha2.SnapshotLocation{S3: s3}
}

// Secret is the Secret s3 that such a place names.
func (s *Bucket) Secret(namespace string) (*corev1.Secret, error) {
	ca, err := os.ReadFile(s.access["AWS_CA_BUNDLE"])
	if err != nil {
		return nil, fmt.Errorf("read the CA of the S3 server: %w", err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "s3"}, Data: map[string][]byte{
		"AWS_ACCESS_KEY_ID":     []byte(s.access["AWS_ACCESS_KEY_ID"]),
		"AWS_SECRET_ACCESS_KEY": []byte(s.access["AWS_SECRET_ACCESS_KEY"]),
		"ca.crt":                ca,
	}}, nil
}

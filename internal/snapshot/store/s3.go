package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
)

// Bucket is an object of an S3-compatible store.
type Bucket struct {
	core        *minio.Core
	bucket, key string
}

var _ Place = (*Bucket)(nil)

// The metadata of an object. Stores give names back in whatever case they like.
const (
	metaPrefix   = "etcd-operator-"
	metaUID      = metaPrefix + "snapshot-uid"
	metaSnapshot = metaPrefix + "snapshot"
	metaMember   = metaPrefix + "member"
	metaVersion  = metaPrefix + "etcd-version"
	metaCluster  = metaPrefix + "cluster-id"
)

func metadata(m Mark) map[string]string {
	all := map[string]string{}
	for name, value := range map[string]string{
		metaUID: m.UID, metaSnapshot: m.Snapshot, metaMember: m.Member, metaVersion: m.EtcdVersion, metaCluster: m.ClusterID,
	} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

func markOf(info minio.ObjectInfo) Mark {
	found := map[string]string{}
	for name, value := range info.UserMetadata {
		found[strings.ToLower(name)] = value
	}
	return Mark{
		UID: found[metaUID], Snapshot: found[metaSnapshot], Member: found[metaMember], EtcdVersion: found[metaVersion],
		ClusterID: found[metaCluster],
	}
}

// URI implements Place.
func (b *Bucket) URI() string { return "s3://" + b.bucket + "/" + b.key }

// Look implements Place.
func (b *Bucket) Look(ctx context.Context) (*Stored, error) {
	info, err := b.core.StatObject(ctx, b.bucket, b.key, minio.StatObjectOptions{})
	if err := b.failed(ctx, "look at", err); errors.Is(err, ErrNothing) {
		return nil, nil //nolint:nilnil // nothing is an answer
	} else if err != nil {
		return nil, err
	}
	return &Stored{Mark: markOf(info), Bytes: info.Size, version: info.ETag}, nil
}

// Delete implements Place.
func (b *Bucket) Delete(ctx context.Context, stored *Stored) error {
	now, err := b.Look(ctx)
	if err != nil || now == nil {
		return err
	}
	if now.UID == "" || now.UID != stored.UID {
		return fmt.Errorf("%s: %w", b.URI(), ErrForeign)
	}
	err = b.failed(ctx, "delete", b.core.RemoveObject(ctx, b.bucket, b.key, minio.RemoveObjectOptions{}))
	if errors.Is(err, ErrNothing) {
		return nil
	}
	return err
}

// Clean implements Place. An upload does not tell whose it is before it is finished; but it has this very name, and a name is only
// written by one snapshot at a time.
func (b *Bucket) Clean(ctx context.Context, _ string) error {
	const most = 100
	found, err := b.core.ListMultipartUploads(ctx, b.bucket, b.key, "", "", "", most)
	if err != nil {
		return b.failed(ctx, "list unfinished uploads of", err)
	}
	for _, upload := range found.Uploads {
		if upload.Key != b.key {
			continue
		}
		err := b.failed(ctx, "abort an unfinished upload of", b.core.AbortMultipartUpload(ctx, b.bucket, b.key, upload.UploadID))
		if err != nil && !errors.Is(err, ErrNothing) {
			return err
		}
	}
	return nil
}

// Write implements Place.
func (b *Bucket) Write(ctx context.Context, mark Mark, over *Stored, data Data) error {
	source := &origin{Reader: bounded{ctx, data}}
	first := make([]byte, partBytes)
	n, err := io.ReadFull(source, first)
	switch {
	case source.err != nil:
		return source.err
	case err != nil:
		return b.writeSmall(ctx, mark, over, first[:n])
	}
	return b.writeParts(ctx, mark, over, first, source)
}

func (b *Bucket) writeSmall(ctx context.Context, mark Mark, over *Stored, data []byte) error {
	return b.conditionally(ctx, mark, over, func(options minio.PutObjectOptions) error {
		options.UserMetadata = metadata(mark)
		_, err := b.core.PutObject(ctx, b.bucket, b.key, bytes.NewReader(data), int64(len(data)), "", digest(data), options)
		return err
	})
}

// conditionally looks again just before it writes, and has the store itself refuse what has changed since. Some stores say that they
// do not know such conditions, some ignore them without a word: there the look has to do.
func (b *Bucket) conditionally(ctx context.Context, mark Mark, over *Stored, write func(minio.PutObjectOptions) error) error {
	now, err := b.Look(ctx)
	if err != nil {
		return err
	}
	if !sameContent(now, over) {
		return b.conflict(now, mark)
	}
	err = write(b.condition(over))
	if code(err) == "NotImplemented" {
		err = write(b.options())
	}
	switch code(err) {
	case "PreconditionFailed", "ConditionalRequestConflict", noUpload:
		now, failed := b.Look(ctx)
		if failed != nil {
			return failed
		}
		return b.conflict(now, mark)
	}
	return b.failed(ctx, "write", err)
}

// noUpload is what is said of an upload that was finished or aborted.
const noUpload = "NoSuchUpload"

// errMeanwhile: an answer of the store got lost, or there is another writer of this snapshot. The next try will see.
var errMeanwhile = errors.New("it was written or deleted meanwhile")

func (b *Bucket) conflict(now *Stored, mark Mark) error {
	if now != nil && now.UID != mark.UID {
		return fmt.Errorf("write %s: %w", b.URI(), ErrForeign)
	}
	return fmt.Errorf("write %s: %w", b.URI(), errMeanwhile)
}

func sameContent(a, b *Stored) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.version == b.version && a.UID == b.UID
}

func (b *Bucket) options() minio.PutObjectOptions {
	return minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, DisableContentSha256: true}
}

func (b *Bucket) condition(over *Stored) minio.PutObjectOptions {
	options := b.options()
	if over == nil {
		options.SetMatchETagExcept("*")
	} else {
		options.SetMatchETag(over.version)
	}
	return options
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

const (
	// abortTimeout is for the last requests of an agent that was told to stop.
	abortTimeout = 10 * time.Second
	// settle is how long a part that was under way may take to bring an upload back that was aborted.
	settle = time.Second
)

// abort gives the store its space back, whatever became of the context. What is left is cleaned up by the next try.
func (b *Bucket) abort(ctx context.Context, upload string) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer end()
	_ = b.core.AbortMultipartUpload(ctx, b.bucket, b.key, upload)
	<-time.After(settle)
	_ = b.core.AbortMultipartUpload(ctx, b.bucket, b.key, upload)
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return minio.ToErrorResponse(err).Code
}

// failed names what the store said. Nothing of a request but its URL gets into an error, and that holds no signature.
func (b *Bucket) failed(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	answer := minio.ToErrorResponse(err)
	place := fmt.Sprintf("%s %s at %s", doing, b.URI(), b.core.EndpointURL().Host)
	if kind := kindOf(answer); kind != nil {
		return fmt.Errorf("%s: %w: %w", place, kind, err)
	}
	if answer.Code == "" && answer.StatusCode == 0 {
		return fmt.Errorf("%s: %w: %w", place, ErrUnreachable, err)
	}
	return fmt.Errorf("%s: the store says %s: %w", place, answer.Code, err)
}

func kindOf(answer minio.ErrorResponse) error {
	switch answer.Code {
	case "NoSuchBucket":
		return ErrMissing
	case "NoSuchKey", noUpload, "NoSuchVersion":
		return ErrNothing
	case "XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded", "StorageFull":
		return ErrFull
	case "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AccountProblem",
		"NotSignedUp", "InvalidSecurity", "Unauthorized", "Forbidden", "ExpiredTokenException", "TokenRefreshRequired":
		return ErrDenied
	}
	switch answer.StatusCode {
	case http.StatusInsufficientStorage:
		return ErrFull
	case http.StatusForbidden, http.StatusUnauthorized:
		return ErrDenied
	case http.StatusNotFound:
		return ErrNothing
	}
	return nil
}

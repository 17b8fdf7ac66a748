package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/database"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const checksumPrefix = "sha256:"

// copyMode lets the group of a Pod read what one of its containers has fetched.
const copyMode = 0o640

// prove reads back what is stored: all of it, whole, what was sent (if that is known), and a database that can be read to its end.
func (a *Agent) prove(ctx context.Context, place store.Place, mark store.Mark, sent string) (*v1alpha2.SnapshotArtifact, error) {
	a.Progress.begin(stepVerifying, mark.Member, 0)
	got, inspect, err := a.readBack(ctx, place)
	if sent != "" && got.checksum != sent && (err == nil || reasonOf(ctx, err) == task.SnapshotDamaged) {
		return nil, because(task.ReadBackDiffers, fmt.Errorf("%s is not what was sent: sha256 %s and not %s", place.URI(), got.checksum, sent))
	}
	if err != nil {
		return nil, err
	}
	facts, err := inspect()
	if err != nil {
		return nil, because(task.SnapshotDamaged, fmt.Errorf("open %s: %w", place.URI(), err))
	}
	artifact := &v1alpha2.SnapshotArtifact{
		URI: place.URI(), SizeBytes: got.size, StoredBytes: got.stored, Checksum: checksumPrefix + got.checksum,
		EtcdVersion: mark.EtcdVersion, Revision: facts.Revision, CompactRevision: facts.CompactRevision,
		HashKV: formatHash(facts), ClusterID: mark.ClusterID, Member: mark.Member,
	}
	a.Log.Info("verified", "uri", place.URI(), "bytes", got.size, "revision", facts.Revision, "hashKV", artifact.HashKV)
	return artifact, nil
}

// readBack reads all that is stored, and gives what inspects it once: where it lies, if that is a file as etcd has it, else a copy.
func (a *Agent) readBack(ctx context.Context, place store.Place) (copied, func() (database.Facts, error), error) {
	if on, local := place.(store.Local); local && !isCompressed(place.URI()) {
		return a.readBoth(ctx, on)
	}
	file := filepath.Join(a.Roots.Scratch, "snapshot.db")
	got, err := a.download(ctx, place, file)
	if err != nil {
		_ = os.Remove(file)
	}
	return got, func() (database.Facts, error) {
		defer func() { _ = os.Remove(file) }()
		return database.Inspect(file)
	}, err
}

// readBoth hashes and inspects a file at the same time, so that the disk gives it once.
func (a *Agent) readBoth(ctx context.Context, on store.Local) (copied, func() (database.Facts, error), error) {
	from, err := on.Read(ctx)
	if err != nil {
		return copied{}, nil, err
	}
	var facts database.Facts
	var damage error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		facts, damage = database.InspectFile(on.Open)
	}()
	got, err := a.readThrough(ctx, on, from, &target{to: io.Discard})
	<-ended
	return got, func() (database.Facts, error) { return facts, damage }, err
}

func formatHash(f database.Facts) string {
	if !f.HashKVKnown {
		return ""
	}
	return formatSum(f.HashKV)
}

func formatSum(sum uint32) string { return fmt.Sprintf("%08x", sum) }

// copied is what a download came to. The checksum is known even if the data make no sense.
type copied struct {
	size, stored int64
	checksum     string
}

// download brings what is stored to a file, as etcd sent it.
func (a *Agent) download(ctx context.Context, place store.Place, name string) (copied, error) {
	from, err := place.Read(ctx)
	if err != nil {
		return copied{}, err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, copyMode)
	if err != nil {
		return copied{}, errors.Join(scratchError(fmt.Errorf("create the copy: %w", err)), from.Close())
	}
	got, err := a.readThrough(ctx, place, from, &target{to: file})
	if closed := file.Close(); closed != nil && err == nil {
		return copied{}, scratchError(fmt.Errorf("write the copy: %w", closed))
	}
	return got, err
}

// readThrough reads what is stored to its end, and closes it. Without an error it is whole, by its own checksum.
func (a *Agent) readThrough(ctx context.Context, place store.Place, from io.ReadCloser, to *target) (copied, error) {
	defer from.Close()
	stream := &origin{Reader: a.Progress.counted(from), ctx: ctx}
	body, packed := newSealed(stream), (*summed)(nil)
	if isCompressed(place.URI()) {
		packed = newSummed(stream)
		plain, err := decompressed(packed)
		if err != nil {
			return copied{}, because(task.SnapshotDamaged, err)
		}
		defer plain.Close()
		body = newSealed(plain)
	}
	_, err := store.Copy(to, body)
	got := copied{size: body.size, stored: body.size, checksum: body.Sum()}
	if packed != nil {
		if stream.err == nil && to.err == nil && err != nil {
			_, _ = io.Copy(io.Discard, packed) // for the checksum of all that is stored
		}
		got.stored, got.checksum = packed.size, packed.Sum()
	}
	switch {
	case stream.err != nil:
		return copied{}, stream.err
	case to.err != nil:
		return copied{}, scratchError(fmt.Errorf("write the copy: %w", to.err))
	case err != nil:
		return got, because(task.SnapshotDamaged, fmt.Errorf("%s: %w", place.URI(), err))
	}
	return got, nil
}

// origin remembers that an error came from the store, not from what is stored.
type origin struct {
	io.Reader
	ctx context.Context
	err error
}

func (o *origin) Read(p []byte) (int, error) {
	if o.err == nil {
		o.err = o.ctx.Err()
	}
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Reader.Read(p)
	if err != nil && !isEnd(err) {
		o.err = err
	}
	return n, err
}

// target remembers that an error came from the copy.
type target struct {
	to  io.Writer
	err error
}

func (t *target) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	if err != nil {
		t.err = err
	}
	return n, err
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) }

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// save stores a snapshot, unless an earlier try has, and proves what is stored.
func (a *Agent) save(ctx context.Context, t task.Task, place store.Place) (*v1alpha2.SnapshotArtifact, error) {
	began := a.Now()
	a.Progress.begin(stepConnecting, "", 0)
	stored, err := place.Look(ctx)
	if err != nil {
		return nil, err
	}
	if stored != nil && stored.UID != t.UID {
		return nil, fmt.Errorf("%s: %w", place.URI(), store.ErrForeign)
	}
	a.clean(ctx, t, place)
	sources, err := a.sources(ctx, t)
	if err != nil && stored == nil {
		return nil, err
	}
	defer closeAll(sources)
	artifact, err := a.keep(ctx, t, place, stored, sources, err)
	a.clean(ctx, t, place)
	if err != nil {
		return nil, err
	}
	artifact.TotalKeys = a.count(ctx, sources, artifact.Revision)
	artifact.Duration = &metav1.Duration{Duration: a.Now().Sub(began).Round(time.Millisecond)}
	return artifact, nil
}

// keep takes what an earlier try has stored, if it is whole, and else stores anew.
func (a *Agent) keep(
	ctx context.Context, t task.Task, place store.Place, stored *store.Stored, sources []source, unable error,
) (*v1alpha2.SnapshotArtifact, error) {
	if stored != nil {
		artifact, err := a.prove(ctx, place, stored.Mark, "")
		if err == nil || reasonOf(ctx, err) != task.SnapshotDamaged {
			return artifact, err
		}
		a.Log.Info("an earlier try has stored something damaged: writing it anew", "uri", place.URI(), "why", err.Error())
		if unable != nil {
			return nil, unable
		}
	}
	mark, sum, err := a.stream(ctx, t, place, stored, sources)
	if err != nil {
		return nil, err
	}
	return a.prove(ctx, place, mark, sum)
}

// stream sends a snapshot from the first member that can to the place, and gives the checksum of what was sent.
func (a *Agent) stream(
	ctx context.Context, t task.Task, place store.Place, over *store.Stored, sources []source,
) (store.Mark, string, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var refusals []error
	for i, from := range sources {
		snapshot, err := begin(ctx, from.saver)
		if err != nil {
			a.Log.Info("a member does not give a snapshot", "member", from.Member, "why", err.Error())
			refusals = append(refusals, fmt.Errorf("%s: %w", from.Member, err))
			continue
		}
		sources[0], sources[i] = sources[i], sources[0] // who gave it is asked for the number of its keys first
		mark := store.Mark{
			UID: t.UID, Snapshot: t.Snapshot, Member: from.Member, EtcdVersion: from.status.Version,
			ClusterID: strconv.FormatUint(from.status.ClusterID, 16),
		}
		a.Log.Info("streaming", "member", from.Member, "bytes", snapshot.Bytes, "uri", place.URI())
		a.Progress.begin(stepStreaming, from.Member, snapshot.Bytes)
		sum, err := a.send(ctx, t, place, over, mark, snapshot)
		return mark, sum, err
	}
	if ctx.Err() != nil {
		return store.Mark{}, "", ctx.Err()
	}
	return store.Mark{}, "", nobody(refusals)
}

// catchUpTimeout is for a follower to get what it lacks. Who needs longer leaves it to the next one.
const catchUpTimeout = 10 * time.Second

// begin lets a member catch up first: a follower that lags would leave out what was acknowledged before anybody asked for a snapshot.
func begin(ctx context.Context, from etcd.Saver) (*etcd.Snapshot, error) {
	reading, end := context.WithTimeout(ctx, catchUpTimeout)
	defer end()
	if err := from.Read(reading); err != nil {
		return nil, fmt.Errorf("catch up: %w", err)
	}
	return from.Snapshot(ctx)
}

func (a *Agent) send(
	ctx context.Context, t task.Task, place store.Place, over *store.Stored, mark store.Mark, snapshot *etcd.Snapshot,
) (string, error) {
	body := newSealed(a.Progress.counted(broken{snapshot}))
	var sent store.Data = body
	if t.Compression == v1alpha2.CompressionZstd {
		packed, err := compressed(body)
		if err != nil {
			return "", err
		}
		defer packed.Close()
		sent = newSummed(packed)
	}
	if err := place.Write(ctx, mark, over, sent); err != nil {
		return "", err
	}
	if body.size != snapshot.Bytes {
		return "", because(task.StreamBroken, fmt.Errorf("the member announced %d bytes and sent %d", snapshot.Bytes, body.size))
	}
	a.Log.Info("stored", "uri", place.URI(), "bytes", body.size)
	return sent.Sum(), nil
}

// broken gives the errors of a stream their reason.
type broken struct{ from *etcd.Snapshot }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err == nil || isEnd(err) {
		return n, err
	}
	return n, because(task.StreamBroken, err)
}

// count asks members how many keys they have at the revision. Who has compacted it cannot tell; the others may be asked.
func (a *Agent) count(ctx context.Context, sources []source, revision int64) *int64 {
	ctx, end := context.WithTimeout(ctx, countTimeout)
	defer end()
	for _, s := range sources {
		count, err := s.saver.CountKeys(ctx, revision)
		if err == nil {
			return &count
		}
		a.Log.Info("a member does not count the keys", "member", s.Member, "revision", revision, "why", err.Error())
		if errors.Is(err, etcd.ErrCompacted) {
			break
		}
	}
	return nil
}

// countTimeout is for a count of millions of keys.
const countTimeout = 30 * time.Second

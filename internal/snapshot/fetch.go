package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/database"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// fetch brings what is stored to the file that etcdutl is to restore, unless that has been done. The file has its name only once all of
// it has been verified.
func (a *Agent) fetch(ctx context.Context, t task.Task, place store.Place) error {
	if restored(t.DataDir) {
		a.Log.Info("etcd has its log already: nothing is fetched", "dataDir", t.DataDir)
		return nil
	}
	if t.File == "" {
		return because(task.BadTask, fmt.Errorf("%w: it names no file", errTask))
	}
	unfinished := t.File + ".tmp"
	defer func() { _ = os.Remove(unfinished) }()
	facts, err := a.obtain(ctx, t, place, unfinished)
	if err != nil {
		return err
	}
	// The disk need not have it: a node that goes down takes this Pod's containers with it, and they begin with fetching.
	if err := os.Rename(unfinished, t.File); err != nil {
		return scratchError(fmt.Errorf("finish the copy: %w", err))
	}
	a.Log.Info("fetched", "uri", place.URI(), "file", t.File, "revision", facts.Revision, "clusterVersion", facts.ClusterVersion)
	return nil
}

// restored is etcd's own test of whether a member has data.
func restored(dataDir string) bool {
	if dataDir == "" {
		return false
	}
	logs, err := filepath.Glob(filepath.Join(dataDir, "member", "wal", "*.wal"))
	return err == nil && len(logs) > 0
}

// obtain brings what is stored to a file, and refuses all that is not the snapshot that it should be.
func (a *Agent) obtain(ctx context.Context, t task.Task, place store.Place, file string) (database.Facts, error) {
	a.Log.Info("fetching", "uri", place.URI(), "bytes", t.Expect.StoredBytes)
	a.Progress.begin(stepStreaming, "", t.Expect.StoredBytes)
	got, err := a.download(ctx, place, file)
	if err != nil {
		return database.Facts{}, err
	}
	a.Progress.begin(stepVerifying, "", 0)
	inspect := database.Inspect
	if t.Expect.Checksum == checksumPrefix+got.checksum { // who has saved them has inspected just these bytes
		inspect = database.Glance
	}
	facts, err := inspect(file)
	if err != nil {
		return database.Facts{}, because(task.SnapshotDamaged, fmt.Errorf("open %s: %w", place.URI(), err))
	}
	if err := asSaved(t.Expect, got, facts); err != nil {
		return database.Facts{}, because(task.SnapshotDamaged, fmt.Errorf("%s %w", place.URI(), err))
	}
	if err := fits(facts, t.EtcdVersion); err != nil {
		return database.Facts{}, fmt.Errorf("%s: %w", place.URI(), err)
	}
	return facts, nil
}

// errOther is a snapshot, but not the one that was saved.
var errOther = errors.New("is not the snapshot that was saved")

// asSaved compares what is known with what has come.
func asSaved(want v1alpha2.SnapshotArtifact, got copied, facts database.Facts) error {
	for _, c := range []struct {
		what      string
		known     bool
		want, got any
	}{
		{"checksum", want.Checksum != "", want.Checksum, checksumPrefix + got.checksum},
		{"size", want.SizeBytes != 0, want.SizeBytes, got.size},
		{"revision", want.Revision != 0, want.Revision, facts.Revision},
		{"HashKV", want.HashKV != "" && facts.HashKVKnown, want.HashKV, formatHash(facts)},
	} {
		if c.known && c.want != c.got {
			return fmt.Errorf("%w: its %s is %v and was %v", errOther, c.what, c.got, c.want)
		}
	}
	return nil
}

// errTooNew is a snapshot that an older etcd would not understand, or take for something else.
var errTooNew = errors.New("the snapshot is of a newer minor")

// fits refuses data of a newer minor than the etcd that is to run on them.
func fits(facts database.Facts, etcdVersion string) error {
	if etcdVersion == "" {
		return nil
	}
	own, err := version.ParseGeneric(etcdVersion)
	if err != nil {
		return because(task.BadTask, fmt.Errorf("%w: %w", errTask, err))
	}
	for _, of := range []string{facts.ClusterVersion, facts.StorageVersion} {
		if of == "" {
			continue
		}
		found, err := version.ParseGeneric(of)
		if err != nil {
			return because(task.SnapshotDamaged, fmt.Errorf("read its version: %w", err))
		}
		if found.Major() > own.Major() || found.Major() == own.Major() && found.Minor() > own.Minor() {
			return because(task.SnapshotTooNew, fmt.Errorf("%w: it is of etcd %d.%d, and etcd %s is to run on it", errTooNew,
				found.Major(), found.Minor(), etcdVersion))
		}
	}
	return nil
}

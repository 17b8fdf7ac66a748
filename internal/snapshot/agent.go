package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// Agent carries out one task.
type Agent struct {
	Roots    Roots
	Getenv   func(string) string
	Dial     func(etcd.Target) (etcd.Saver, error)
	Now      func() time.Time
	Log      logr.Logger
	Progress *Progress
}

// Roots are the directories that the Pod mounts, and where the image has etcd's programs.
type Roots struct {
	Volume, Scratch, EtcdTLS, StoreCA, Programs string
}

// programs is where the images of etcd have theirs.
const programs = "/usr/local/bin"

// PodRoots are those of task.
func PodRoots() Roots {
	return Roots{
		Volume: task.VolumeRoot, Scratch: task.ScratchRoot, EtcdTLS: task.EtcdTLSRoot, StoreCA: task.StoreCARoot, Programs: programs,
	}
}

// errTask is a task that makes no sense.
var errTask = errors.New("the task cannot be carried out")

// Run does what the task says, and reports.
func (a *Agent) Run(ctx context.Context, kind task.Kind, t task.Task) task.Report {
	artifact, err := a.do(ctx, kind, t)
	if err != nil {
		reason := reasonOf(ctx, err)
		a.Log.Error(err, "not done", "task", kind, "reason", reason)
		return task.Report{Reason: reason, Message: told(kind, reason, err), EndedAt: a.Now()}
	}
	return task.Report{Succeeded: true, Artifact: artifact, EndedAt: a.Now()}
}

func (a *Agent) do(ctx context.Context, kind task.Kind, t task.Task) (*v1alpha2.SnapshotArtifact, error) {
	place, err := a.place(kind, t)
	if err != nil {
		return nil, err
	}
	switch kind {
	case task.Save:
		return a.save(ctx, t, place)
	case task.Delete:
		return nil, a.delete(ctx, t, place)
	case task.Fetch:
		return nil, a.fetch(ctx, t, place)
	case task.Drill:
		return nil, a.drill(ctx, t, place)
	}
	return nil, because(task.BadTask, fmt.Errorf("%w: it is to %q", errTask, kind))
}

// place is where the task says.
func (a *Agent) place(kind task.Kind, t task.Task) (store.Place, error) {
	if err := complete(kind, t); err != nil {
		return nil, because(task.BadTask, err)
	}
	at := t.Location
	if kind == task.Save && !t.Exact {
		at = task.StoredAt(t.Snapshot, at, t.Compression)
	}
	switch {
	case at.S3 != nil:
		cas, err := readIfThere(filepath.Join(a.Roots.StoreCA, "ca.crt"))
		if err != nil {
			return nil, because(task.BadTask, err)
		}
		return store.Connect(*at.S3, cas)
	case at.PVC != nil:
		name := path.Clean(at.PVC.SubPath)
		if !fs.ValidPath(name) || name == "." {
			return nil, because(task.BadTask, fmt.Errorf("%w: no file can be at %q", errTask, at.PVC.SubPath))
		}
		return store.Volume{Root: a.Roots.Volume, Claim: at.PVC.ClaimName, Path: name}, nil
	}
	return nil, because(task.BadTask, fmt.Errorf("%w: it names no store", errTask))
}

// complete refuses a task that does not say for whom: what belongs to nobody must not match what belongs to nobody else.
func complete(kind task.Kind, t task.Task) error {
	if (kind == task.Save || kind == task.Delete) && t.UID == "" {
		return fmt.Errorf("%w: it names no UID", errTask)
	}
	if kind == task.Save && (t.Snapshot == "" || len(t.Endpoints) == 0) {
		return fmt.Errorf("%w: snapshot %q from %d endpoints", errTask, t.Snapshot, len(t.Endpoints))
	}
	return nil
}

func readIfThere(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// delete deletes what is stored, if it belongs to the snapshot. What is not there need not be deleted.
func (a *Agent) delete(ctx context.Context, t task.Task, place store.Place) error {
	stored, err := place.Look(ctx)
	if err != nil {
		return err
	}
	if stored != nil {
		if stored.UID != t.UID {
			return fmt.Errorf("delete %s: %w", place.URI(), store.ErrForeign)
		}
		if err := place.Delete(ctx, stored); err != nil {
			return err
		}
		a.Log.Info("deleted", "uri", place.URI(), "bytes", stored.Bytes)
	}
	a.clean(ctx, t, place)
	return nil
}

// cleanTimeout is for an agent that was told to stop.
const cleanTimeout = 15 * time.Second

// clean removes what is half done. What it cannot remove the next agent will.
func (a *Agent) clean(ctx context.Context, t task.Task, place store.Place) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer end()
	if err := place.Clean(ctx, t.UID); err != nil {
		a.Log.Info("unfinished uploads may be left", "uri", place.URI(), "why", err.Error())
	}
}

package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/database"
	"github.com/cozystack/etcd-operator/internal/snapshot/store"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// failure is an error whose reason is known where it came up.
type failure struct {
	reason task.Reason
	error
}

func (f failure) Unwrap() error { return f.error }

// because gives an error its reason, unless it has one.
func because(reason task.Reason, err error) error {
	if err == nil || errors.As(err, new(failure)) {
		return err
	}
	return failure{reason, err}
}

// reasons of errors that say by themselves what they are, in order.
var reasons = []struct {
	err    error
	reason task.Reason
}{
	{context.Canceled, task.Interrupted},
	{context.DeadlineExceeded, task.Interrupted},
	{store.ErrForeign, task.ForeignObject},
	{store.ErrMissing, task.StoreMissing},
	{store.ErrDenied, task.StoreAccessDenied},
	{store.ErrFull, task.StoreFull},
	{store.ErrUnreachable, task.StoreUnreachable},
	{store.ErrNothing, task.SnapshotMissing},
	{store.ErrBadLocation, task.BadTask},
	{errTrailer, task.StreamBroken},
	{database.ErrDamaged, task.SnapshotDamaged},
	{etcd.ErrAuthFailed, task.EtcdAccessDenied},
	{etcd.ErrAuthRequired, task.EtcdAccessDenied},
	{etcd.ErrPermission, task.EtcdAccessDenied},
	{etcd.ErrUserNotFound, task.EtcdAccessDenied},
}

// reasonOf says why it was not done. Who was told to stop was interrupted, whatever broke because of that.
func reasonOf(ctx context.Context, err error) task.Reason {
	if ctx.Err() != nil {
		return task.Interrupted
	}
	if known := (failure{}); errors.As(err, &known) {
		return known.reason
	}
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return task.StoreFailed
}

// scratchError names what happened to the copy on the node.
func scratchError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return because(task.ScratchFull, err)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EROFS) {
		return because(task.BadTask, err)
	}
	return because(task.ScratchFull, err)
}

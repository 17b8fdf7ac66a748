package etcdtest

import (
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// RunReal holds members to what the fake does not have: they give their data away.
func RunReal(t *testing.T, start func(t *testing.T) Harness) {
	t.Run("members stream their data to who may have all of it", func(t *testing.T) {
		t.Parallel()
		saving(t, &cluster{h: start(t), token: "saving", args: map[string]etcdfake.Args{}})
	})
}

func (c *cluster) saver(t *testing.T, name, user string, password etcd.Secret) etcd.Saver {
	t.Helper()
	saver, able := etcd.SaverOf(c.as(t, name, user, password))
	if !able {
		t.Fatalf("%s gives nothing away", name)
	}
	return saver
}

// wantSnapshot reads a snapshot to its end: the bytes that were announced, and their sha256 last.
func wantSnapshot(t *testing.T, from etcd.Saver) {
	t.Helper()
	s, err := from.Snapshot(within(t, patience))
	wantOK(t, "begin a snapshot", err)
	if err != nil {
		return
	}
	data, err := io.ReadAll(s)
	wantOK(t, "read a snapshot", err)
	if int64(len(data)) != s.Bytes || len(data) <= sha256.Size {
		t.Fatalf("got %d bytes, announced were %d", len(data), s.Bytes)
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); string(sum[:]) != string(data[len(body):]) {
		t.Error("the snapshot does not end with its checksum")
	}
}

func saving(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	leader, followers := c.roles(t, names...)
	wantOK(t, "put", c.h.Put(t, leader, 20))
	nobody := func(name string) etcd.Saver { return c.saver(t, name, "", etcd.Secret{}) }

	step(t, "any member does", func(t *testing.T) {
		for _, name := range names {
			wantSnapshot(t, nobody(name))
		}
	})
	step(t, "keys are counted at a revision, until that is compacted", func(t *testing.T) {
		for revision, want := range map[int64]int64{21: 20, 11: 10, 1: 0} {
			got, err := nobody(leader).CountKeys(within(t, patience), revision)
			wantOK(t, "count keys", err)
			if got != want {
				t.Errorf("at revision %d there are %d keys, want %d", revision, got, want)
			}
		}
		_, err := nobody(leader).CountKeys(within(t, patience), 1000)
		wantErr(t, "count keys to come", err, etcd.ErrFutureRevision)
		c.h.Compact(t, leader, 15)
		_, err = nobody(leader).CountKeys(within(t, patience), 11)
		wantErr(t, "count compacted keys", err, etcd.ErrCompacted)
	})
	step(t, "with authentication on, only root gets all", func(t *testing.T) {
		c.enable(t, leader)
		_, err := nobody(followers[0]).Snapshot(within(t, patience))
		wantErr(t, "nobody begins a snapshot", err, etcd.ErrAuthRequired)
		_, err = c.saver(t, followers[0], etcd.Root, etcd.NewSecret("wrong")).Snapshot(within(t, patience))
		wantErr(t, "begin a snapshot with a wrong password", err, etcd.ErrAuthFailed)
		_, err = c.saver(t, followers[0], "app", appPassword).Snapshot(within(t, patience))
		wantErr(t, "an application begins a snapshot", err, etcd.ErrPermission)
		wantSnapshot(t, c.saver(t, followers[0], etcd.Root, rootPassword))
	})
	step(t, "who has logged in need not again, until the member restarts", func(t *testing.T) {
		saver := c.saver(t, followers[0], etcd.Root, rootPassword)
		wantSnapshot(t, saver)
		wantSnapshot(t, saver)
		c.h.Kill(t, followers[0])
		c.restart(t, followers[0])
		c.waitServing(t, followers[0])
		wantSnapshot(t, saver)
	})
	step(t, "a member that is gone gives nothing, and says so", func(t *testing.T) {
		saver := c.saver(t, followers[1], etcd.Root, rootPassword)
		s, err := saver.Snapshot(within(t, patience))
		wantOK(t, "begin a snapshot", err)
		c.h.Kill(t, followers[1])
		if data, err := io.ReadAll(s); err == nil && int64(len(data)) != s.Bytes || errors.Is(err, io.EOF) {
			t.Errorf("%d of %d bytes end with %v", len(data), s.Bytes, err)
		}
		_, err = saver.Snapshot(within(t, patience))
		wantErr(t, "begin a snapshot", err, etcd.ErrUnreachable)
	})
}

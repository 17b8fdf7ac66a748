package snapshot

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// lead is who leads the members, by the word of one that is up.
func lead(t *testing.T, of []*member) *member {
	t.Helper()
	var leader *member
	eventually(t, "have a leader", func() error {
		for _, m := range of {
			ctx, end := context.WithTimeout(t.Context(), time.Second)
			status, err := m.client.Status(ctx, m.url)
			end()
			if err == nil && status.Leader == status.Header.MemberId {
				leader = m
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return leader
}

// caughtUp waits until all members have applied a revision: a write is acknowledged when most have.
func caughtUp(t *testing.T, members []*member, revision int64) {
	t.Helper()
	for _, m := range members {
		eventually(t, "catch up", func() error {
			status, err := m.client.Status(t.Context(), m.url)
			if err == nil && status.Header.Revision < revision {
				err = fmt.Errorf("it is at revision %d", status.Header.Revision)
			}
			return err
		})
	}
}

// TestAChangeOfTheLeaderDoesNotEndAStream: what comes is the state that the follower had when it began.
func TestAChangeOfTheLeaderDoesNotEndAStream(t *testing.T) {
	needReal(t)
	for claim, change := range map[string]func(t *testing.T, members []*member, leader, source *member){
		"the leader is killed": func(t *testing.T, members []*member, leader, _ *member) {
			t.Helper()
			_ = leader.process.Process.Kill()
			_ = leader.process.Wait()
			var left []*member
			for _, m := range members {
				if m != leader {
					left = append(left, m)
				}
			}
			lead(t, left)
		},
		"the source becomes the leader": func(t *testing.T, _ []*member, leader, source *member) {
			t.Helper()
			status, err := source.client.Status(t.Context(), source.url)
			if err == nil {
				_, err = leader.client.MoveLeader(t.Context(), status.Header.MemberId)
			}
			if err != nil {
				t.Error(err)
			}
			lead(t, []*member{source})
		},
	} {
		t.Run(claim, func(t *testing.T) {
			members := startCluster(t, "3.6.16", 3)
			leader := lead(t, members)
			leader.put(t, 40, 1<<20)
			caughtUp(t, members, 41)
			w := newWorld(t)
			what := saveTask(leader, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
			what.Endpoints = nil
			changed := false
			for i, m := range members {
				wire := newWire(t, m.url)
				wire.set(func(piece *meddling) {
					if piece.back && piece.offset > 20<<20 && !changed { // one stream only: nobody else writes changed
						changed = true
						change(t, members, leader, m)
					}
				})
				what.Endpoints = append(what.Endpoints, task.Endpoint{Member: string(rune('a' + i)), URL: wire.url})
			}
			saved := w.succeeds(t, task.Save, what)
			source := members[saved.Member[0]-'a']
			if !changed || source == leader {
				t.Fatalf("the leader has changed: %t; it came from %s", changed, saved.Member)
			}
			if got := source.hash(t, saved.Revision); saved.Revision != 41 || got != saved.HashKV {
				t.Errorf("saved is %+v; the member has %s", saved, got)
			}
		})
	}
}

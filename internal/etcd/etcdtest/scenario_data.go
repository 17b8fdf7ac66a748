package etcdtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// What writes are refused with.
const (
	refusedCorrupt = "corrupt cluster"
	refusedNoSpace = "database space exceeded"
)

// written is how long etcd may take to write what it has acknowledged from its log to its database.
const written = 500 * time.Millisecond

func comparing(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	leader, followers := c.roles(t, names...)
	wantOK(t, "put", c.h.Put(t, leader, 10))

	step(t, "equal data have equal hashes, at the latest revision and at each before", func(t *testing.T) {
		last := c.wantEqualHashes(t, 11, 0, names...)
		if last != c.wantEqualHashes(t, 11, 11, names...) {
			t.Error("the latest revision has another hash than the same one by its number")
		}
		if last == c.wantEqualHashes(t, 6, 6, names...) {
			t.Error("an earlier revision has the same hash")
		}
	})
	step(t, "a revision to come has none", func(t *testing.T) {
		_, err := c.to(t, followers[0]).HashKV(within(t, patience), 12)
		wantErr(t, "hash", err, etcd.ErrFutureRevision)
	})
	step(t, "nor has a revision before the last compaction, which each hash names", func(t *testing.T) {
		c.h.Compact(t, leader, 6)
		for _, name := range names {
			c.eventually(t, "compact "+name, func() error {
				_, err := c.to(t, name).HashKV(within(t, patience), 5)
				if !errors.Is(err, etcd.ErrCompacted) {
					return fmt.Errorf("got %w, want %w", err, etcd.ErrCompacted)
				}
				return nil
			})
			if hash := c.hash(t, name, 0); hash.CompactRevision != 6 {
				t.Errorf("%s hashes from %d, want 6", name, hash.CompactRevision)
			}
		}
		c.wantEqualHashes(t, 11, 0, names...)
	})
	step(t, "a learner does not answer", func(t *testing.T) {
		added := c.add(t, leader, "d")
		c.join(t, "d", names...)
		_, err := c.to(t, "d").HashKV(within(t, patience), 0)
		wantErr(t, "hash", err, etcd.ErrLearnerRefuses)
		wantOK(t, "remove", c.to(t, leader).Remove(within(t, patience), added.ID))
	})
	step(t, "other data have another hash", func(t *testing.T) {
		c.corrupt(t, followers[0])
		others := c.wantEqualHashes(t, 11, 0, leader, followers[1])
		if c.hash(t, followers[0], 0) == others {
			t.Errorf("%s has the same hash as the others", followers[0])
		}
	})
	step(t, "no quorum is needed", func(t *testing.T) {
		before := c.hash(t, followers[1], 0)
		c.h.Kill(t, leader)
		c.h.Kill(t, followers[0])
		c.h.Pass(noticed)
		if after := c.hash(t, followers[1], 0); after != before {
			t.Errorf("got %+v, want %+v", after, before)
		}
	})
}

// corrupt gives a member other data under the same keys, while it does not run.
func (c *cluster) corrupt(t *testing.T, name string) {
	t.Helper()
	c.h.Pass(written)
	c.h.Kill(t, name)
	c.h.Corrupt(t, name)
	c.restart(t, name)
	c.waitServing(t, name)
}

func (c *cluster) hash(t *testing.T, name string, revision int64) etcd.HashKV {
	t.Helper()
	hash, err := c.to(t, name).HashKV(within(t, patience), revision)
	wantOK(t, "hash the data of "+name, err)
	return hash
}

// wantEqualHashes waits until the members have come to a revision, and hashes what they hold up to the revision asked for.
func (c *cluster) wantEqualHashes(t *testing.T, revision, asked int64, names ...string) etcd.HashKV {
	t.Helper()
	first := etcd.HashKV{}
	for i, name := range names {
		c.eventually(t, name+" come to the revision", func() error {
			if s := c.status(t, name); s.Revision < revision {
				return fmt.Errorf("it is at %d", s.Revision)
			}
			return nil
		})
		hash := c.hash(t, name, asked)
		if i == 0 {
			first = hash
		}
		if hash != first || hash.Revision != revision {
			t.Errorf("%s has %+v, and %s has %+v at revision %d", names[0], first, name, hash, revision)
		}
	}
	return first
}

func corrupted(t *testing.T, c *cluster) {
	c.checkAtCompaction = true
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	leader, followers := c.roles(t, names...)
	bad, good := followers[0], followers[1]
	badID := c.id(t, leader, bad)
	wantOK(t, "put", c.h.Put(t, leader, 20))
	c.corrupt(t, bad)
	alarm := etcd.Alarm{Type: etcd.AlarmCorrupt}
	if differencesOf(c.h.Version()).namesCorrupt {
		alarm.MemberID = badID
	}

	step(t, "after a compaction the alarm is raised", func(t *testing.T) {
		c.h.Compact(t, leader, c.status(t, leader).Revision)
		c.eventually(t, "raise an alarm", func() error {
			if raised := c.status(t, good).Alarms; !slices.Equal(raised, []etcd.Alarm{alarm}) {
				return fmt.Errorf("%v is raised, want %v", raised, alarm)
			}
			return nil
		})
	})
	step(t, "under it nothing is written, and all else is answered", func(t *testing.T) {
		wantRefused(t, c.h.Put(t, leader, 1), refusedCorrupt)
		for _, name := range []string{leader, good, bad} {
			wantOK(t, "read", c.to(t, name).Read(within(t, patience)))
			wantOK(t, "read locally", c.to(t, name).ReadLocal(within(t, patience)))
			c.list(t, name)
		}
		if c.hash(t, bad, 0) == c.wantEqualHashes(t, 21, 0, leader, good) {
			t.Errorf("%s has the same hash as the others", bad)
		}
		wantOK(t, "move leader", c.to(t, leader).MoveLeader(within(t, patience), c.id(t, leader, good)))
		leader, _ = c.roles(t, names...)
	})
	step(t, "a member that starts under it serves", func(t *testing.T) {
		c.h.Kill(t, bad)
		c.restart(t, bad)
		c.waitServing(t, bad)
	})
	step(t, "the member is removed and another one becomes a voter", func(t *testing.T) {
		c.h.Kill(t, bad)
		c.h.Pass(noticed)
		rest := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == bad })
		wantOK(t, "remove", c.to(t, leader).Remove(within(t, patience), badID))
		added := c.add(t, leader, "d")
		c.join(t, "d", rest...)
		c.promote(t, leader, added.ID)
		c.wantEqualHashes(t, 21, 0, append(rest, "d")...)
	})
	step(t, "the alarm outlives the member, and is disarmed", func(t *testing.T) {
		if raised := c.status(t, "d").Alarms; !slices.Equal(raised, []etcd.Alarm{alarm}) {
			t.Errorf("%v is raised, want %v", raised, alarm)
		}
		wantOK(t, "disarm", c.to(t, leader).Disarm(within(t, patience), alarm))
		wantOK(t, "put", c.h.Put(t, leader, 1))
		if raised := c.status(t, leader).Alarms; len(raised) > 0 {
			t.Errorf("%v is still raised", raised)
		}
	})
}

func wantRefused(t *testing.T, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want it refused: %s", err, why)
	}
}

func alarming(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	leader, followers := c.roles(t, names...)
	noSpace := etcd.Alarm{MemberID: c.id(t, leader, leader), Type: etcd.AlarmNoSpace}
	corrupt := etcd.Alarm{MemberID: c.id(t, leader, followers[0]), Type: etcd.AlarmCorrupt}
	raised := func(t *testing.T, want ...etcd.Alarm) {
		t.Helper()
		listed, err := c.to(t, leader).Alarms(within(t, patience))
		wantOK(t, "list alarms", err)
		if !sameAlarms(listed, want) || !sameAlarms(c.status(t, leader).Alarms, want) {
			t.Errorf("%v are listed and %v known, want %v", listed, c.status(t, leader).Alarms, want)
		}
	}
	c.h.RaiseAlarm(t, leader, etcd.AlarmNoSpace)
	wantRefused(t, c.h.Put(t, leader, 1), refusedNoSpace)
	c.h.RaiseAlarm(t, followers[0], etcd.AlarmCorrupt)

	step(t, "what is not raised is disarmed without an error, and nothing else is", func(t *testing.T) {
		for _, none := range []etcd.Alarm{
			{MemberID: unknown, Type: etcd.AlarmCorrupt}, {MemberID: corrupt.MemberID, Type: etcd.AlarmNoSpace}, {Type: etcd.AlarmCorrupt},
		} {
			wantOK(t, "disarm", c.to(t, leader).Disarm(within(t, patience), none))
		}
		raised(t, noSpace, corrupt)
	})
	step(t, "what is no alarm is an error, and none is disarmed", func(t *testing.T) {
		for _, kind := range []etcd.AlarmType{"", "NONE", "FIRE"} {
			if err := c.to(t, leader).Disarm(within(t, patience), etcd.Alarm{Type: kind}); err == nil {
				t.Errorf("%q was disarmed", kind)
			}
		}
		raised(t, noSpace, corrupt)
	})
	step(t, "one is disarmed through a follower, and the other one stays", func(t *testing.T) {
		wantOK(t, "disarm", c.to(t, followers[1]).Disarm(within(t, patience), corrupt))
		raised(t, noSpace)
		if differencesOf(c.h.Version()).alarmsApart {
			wantRefused(t, c.h.Put(t, leader, 1), refusedNoSpace)
		} else {
			wantOK(t, "put", c.h.Put(t, leader, 1)) // until a member restarts
		}
	})
	step(t, "then the other one is", func(t *testing.T) {
		wantOK(t, "disarm", c.to(t, leader).Disarm(within(t, patience), noSpace))
		raised(t)
		wantOK(t, "put", c.h.Put(t, leader, 1))
	})
	step(t, "without a quorum nothing is disarmed", func(t *testing.T) {
		c.h.RaiseAlarm(t, followers[0], etcd.AlarmCorrupt)
		c.h.Kill(t, followers[0])
		c.h.Kill(t, followers[1])
		wantErr(t, "disarm", c.to(t, leader).Disarm(within(t, deadline), corrupt), etcd.ErrAmbiguous)
	})
}

func sameAlarms(a, b []etcd.Alarm) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(alarm etcd.Alarm) bool { return !slices.Contains(b, alarm) })
}

func checkingAtStart(t *testing.T, c *cluster) {
	c.checkAtStart = true
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	leader, followers := c.roles(t, names...)
	wantOK(t, "put", c.h.Put(t, leader, 30))
	bad, good := followers[0], followers[1]
	c.h.Pass(written)

	step(t, "with equal data it starts", func(t *testing.T) {
		c.h.Kill(t, good)
		c.restart(t, good)
		c.waitServing(t, good)
	})
	step(t, "with other data it does not", func(t *testing.T) {
		c.h.Kill(t, bad)
		c.h.Corrupt(t, bad)
		c.restart(t, bad)
		wantExit(t, c.waitExit(t, bad), 1, "found data inconsistency with peers")
	})
	step(t, "nor does a sound one, once the other one runs", func(t *testing.T) {
		unchecked := c.args[bad]
		unchecked.CheckAtStart = false
		c.h.Start(t, unchecked)
		c.waitServing(t, bad)
		c.h.Kill(t, good)
		c.restart(t, good)
		wantExit(t, c.waitExit(t, good), 1, "found data inconsistency with peers")
	})
}

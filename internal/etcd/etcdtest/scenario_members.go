package etcdtest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

// unknown is the ID of nobody.
const unknown = 0xbad

func founding(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	want := map[string]uint64{}
	for _, name := range names {
		peerURL, _ := c.h.Address(name)
		want[name] = etcdfake.FounderID(c.token, peerURL)
	}
	clusterID := etcdfake.ClusterID(want["a"], want["b"], want["c"])
	leader, followers := c.roles(t, names...)

	step(t, "nothing can be added before the voters were connected for 5 s", func(t *testing.T) {
		c.checkAddIsRefusedAfterRestart(t, followers[0], leader)
	})
	step(t, "each member lists the same IDs, names and URLs", func(t *testing.T) {
		for _, from := range names {
			c.checkList(t, from, clusterID, want)
		}
	})
	step(t, "each status tells the same IDs, leader and version", func(t *testing.T) {
		for _, name := range names {
			c.checkStatus(t, name, etcd.Status{ClusterID: clusterID, MemberID: want[name], Leader: want[leader]})
		}
	})
	step(t, "each member reads, linearizably and locally", func(t *testing.T) {
		for _, name := range names {
			wantOK(t, "read", c.to(t, name).Read(within(t, patience)))
			wantOK(t, "read locally", c.to(t, name).ReadLocal(within(t, patience)))
		}
	})
	step(t, "leadership moves when the leader is asked", func(t *testing.T) {
		wantErr(t, "ask a follower", c.to(t, followers[0]).MoveLeader(within(t, patience), want[followers[1]]), etcd.ErrNotLeader)
		wantErr(t, "to nobody", c.to(t, leader).MoveLeader(within(t, patience), unknown), etcd.ErrBadTransferee)
		wantOK(t, "ask the leader", c.to(t, leader).MoveLeader(within(t, patience), want[followers[0]]))
		if now, _ := c.roles(t, names...); now != followers[0] {
			t.Errorf("%s leads, want %s", now, followers[0])
		}
	})
	step(t, "a member is listed under another peer URL when that is asked for", func(t *testing.T) {
		c.checkReaddress(t, followers[0], followers[1], want[followers[1]])
	})
	step(t, "an alarm is in every member's status and list", func(t *testing.T) {
		c.h.RaiseAlarm(t, "a", etcd.AlarmNoSpace)
		raised := []etcd.Alarm{{MemberID: want["a"], Type: etcd.AlarmNoSpace}}
		for _, name := range names {
			listed, err := c.to(t, name).Alarms(within(t, patience))
			wantOK(t, "list alarms", err)
			if known := c.status(t, name).Alarms; !slices.Equal(listed, raised) || !slices.Equal(known, raised) {
				t.Errorf("%s lists %v and knows %v, want %v", name, listed, known, raised)
			}
		}
	})
}

// checkAddIsRefusedAfterRestart tries again if it took so long that etcd need not refuse any more.
func (c *cluster) checkAddIsRefusedAfterRestart(t *testing.T, voter, via string) {
	t.Helper()
	peerURL, _ := c.h.Address("z")
	c.eventually(t, "refuse to add", func() error {
		c.h.Kill(t, voter)
		c.restart(t, voter)
		c.waitServing(t, voter)
		added, err := c.to(t, via).AddLearner(within(t, patience), peerURL)
		if err == nil {
			wantOK(t, "remove", c.to(t, via).Remove(within(t, patience), added.ID))
			return errors.New("it was added")
		}
		wantErr(t, "add", err, etcd.ErrUnhealthyCluster)
		return nil
	})
}

func (c *cluster) checkList(t *testing.T, from string, clusterID uint64, ids map[string]uint64) {
	t.Helper()
	list := c.list(t, from)
	if list.ClusterID != clusterID || len(list.Members) != len(ids) {
		t.Errorf("%s lists %+v, want %d members of cluster %x", from, list, len(ids), clusterID)
	}
	for name, id := range ids {
		peerURL, clientURL := c.h.Address(name)
		want := etcd.Member{ID: id, Name: name, PeerURLs: []string{peerURL}, ClientURLs: []string{clientURL}}
		if !slices.ContainsFunc(list.Members, func(m etcd.Member) bool { return cmp.Equal(m, want) }) {
			t.Errorf("%s lists %+v, want %+v in it", from, list.Members, want)
		}
	}
}

func (c *cluster) checkReaddress(t *testing.T, through, name string, id uint64) {
	t.Helper()
	own, _ := c.h.Address(name)
	taken, _ := c.h.Address(through)
	to := c.to(t, through)
	wantErr(t, "of nobody", to.Readdress(within(t, patience), unknown, "http://127.0.0.1:1"), etcd.ErrMemberNotFound)
	wantErr(t, "that is taken", to.Readdress(within(t, patience), id, taken), etcd.ErrPeerURLExists)
	for _, url := range []string{"https://127.0.0.1:1", own} {
		wantOK(t, "readdress", to.Readdress(within(t, patience), id, url))
		listed := func(m etcd.Member) bool { return m.ID == id && slices.Equal(m.PeerURLs, []string{url}) }
		if list := c.list(t, through); !slices.ContainsFunc(list.Members, listed) {
			t.Errorf("%+v is listed, want %x at %s", list.Members, id, url)
		}
	}
}

func (c *cluster) checkStatus(t *testing.T, name string, want etcd.Status) {
	t.Helper()
	s := c.status(t, name)
	if s.ClusterID != want.ClusterID || s.MemberID != want.MemberID || s.Leader != want.Leader || s.Version != c.h.Version() {
		t.Errorf("%s says %+v, want %+v", name, s, want)
	}
	if s.Learner || s.RaftTerm == 0 || s.Revision != 1 || s.RaftAppliedIndex == 0 || len(s.Errors) > 0 {
		t.Errorf("%s says %+v", name, s)
	}
	c.checkVersionFields(t, name, s)
}

func (c *cluster) checkVersionFields(t *testing.T, name string, s etcd.Status) {
	t.Helper()
	has := differencesOf(c.h.Version())
	if (s.DBSizeQuota > 0) != has.quota {
		t.Errorf("%s says its quota is %d", name, s.DBSizeQuota)
	}
	if s.StorageVersion != "" && !has.storageVersion {
		t.Errorf("%s says its storage version is %q", name, s.StorageVersion)
	}
}

func growing(t *testing.T, c *cluster) {
	voters := []string{"a", "b", "c"}
	c.found(t, voters...)
	leader, followers := c.roles(t, voters...)
	learnerURL, _ := c.h.Address("d")
	otherURL, _ := c.h.Address("e")
	c.h.Pass(healthy)
	learner := c.add(t, followers[0], "d")

	step(t, "it is listed without a name", func(t *testing.T) {
		m, listed := c.member(t, leader, "d")
		if !listed || m.ID != learner.ID || m.Name != "" || len(m.ClientURLs) > 0 || !m.Learner {
			t.Errorf("got %+v, want learner %x", m, learner.ID)
		}
	})
	for _, via := range []string{leader, followers[0]} {
		step(t, "what cannot be is refused by "+role(via, leader), func(t *testing.T) {
			_, err := c.to(t, via).AddLearner(within(t, patience), learnerURL)
			wantErr(t, "add the same peer URL", err, etcd.ErrPeerURLExists)
			_, err = c.to(t, via).AddLearner(within(t, patience), otherURL)
			wantErr(t, "add a second learner", err, etcd.ErrTooManyLearners)
			wantErr(t, "promote one that never started", c.to(t, via).Promote(within(t, patience), learner.ID), etcd.ErrLearnerNotReady)
			wantErr(t, "promote a voter", c.to(t, via).Promote(within(t, patience), c.id(t, via, "a")), etcd.ErrNotLearner)
			wantErr(t, "promote nobody", c.to(t, via).Promote(within(t, patience), unknown), etcd.ErrMemberNotFound)
			wantErr(t, "remove nobody", c.to(t, via).Remove(within(t, patience), unknown), etcd.ErrMemberNotFound)
			c.h.Pass(time.Second) // a member ID is a hash of the URL and the second
		})
	}
	step(t, "it cannot lead", func(t *testing.T) {
		wantErr(t, "move leader", c.to(t, leader).MoveLeader(within(t, patience), learner.ID), etcd.ErrBadTransferee)
	})
	step(t, "it starts only with the members that are listed", func(t *testing.T) {
		c.start(t, "d", c.initialCluster("a", "b", "c", "d", "e"), true)
		wantExit(t, c.waitExit(t, "d"), 1, "member count is unequal")
		c.start(t, "d", c.initialCluster("a", "b", "e", "d"), true)
		wantExit(t, c.waitExit(t, "d"), 1, "no match found for existing member")
		c.start(t, "d", c.initialCluster("a", "b", "c", "e"), true)
		wantExit(t, c.waitExit(t, "d"), 1, "couldn't find local name")
		c.join(t, "d", voters...)
	})
	step(t, "a running learner answers only from its own state", func(t *testing.T) { c.checkLearner(t, "d", learner.ID, otherURL) })
	step(t, "it is not promoted while it lags", func(t *testing.T) {
		c.h.Kill(t, "d")
		wantOK(t, "put", c.h.Put(t, leader, 100))
		for _, via := range []string{leader, followers[0]} {
			wantErr(t, "promote", c.to(t, via).Promote(within(t, patience), learner.ID), etcd.ErrLearnerNotReady)
		}
	})
	step(t, "it is promoted once it has caught up, also through a follower", func(t *testing.T) {
		c.restart(t, "d")
		c.promote(t, followers[0], learner.ID)
		if m, _ := c.member(t, leader, "d"); m.Learner || m.Name != "d" {
			t.Errorf("got %+v, want a voter named d", m)
		}
		wantErr(t, "promote again", c.to(t, leader).Promote(within(t, patience), learner.ID), etcd.ErrNotLearner)
		c.waitServing(t, "d")
		wantOK(t, "read", c.to(t, "d").Read(within(t, patience)))
	})
}

func role(name, leader string) string {
	if name == leader {
		return "the leader"
	}
	return "a follower"
}

func (c *cluster) checkLearner(t *testing.T, name string, id uint64, otherURL string) {
	t.Helper()
	if s := c.status(t, name); !s.Learner || s.MemberID != id || s.ClusterID != c.status(t, "a").ClusterID {
		t.Errorf("it says %+v", s)
	}
	wantOK(t, "read locally", c.to(t, name).ReadLocal(within(t, patience)))
	wantErr(t, "read", c.to(t, name).Read(within(t, patience)), etcd.ErrLearnerRefuses)
	_, err := c.to(t, name).Members(within(t, patience))
	wantErr(t, "list members", err, etcd.ErrLearnerRefuses)
	_, err = c.to(t, name).Alarms(within(t, patience))
	wantErr(t, "list alarms", err, etcd.ErrLearnerRefuses)
	_, err = c.to(t, name).AddLearner(within(t, patience), otherURL)
	wantErr(t, "add", err, etcd.ErrLearnerRefuses)
	wantErr(t, "remove", c.to(t, name).Remove(within(t, patience), id), etcd.ErrLearnerRefuses)
	wantErr(t, "promote", c.to(t, name).Promote(within(t, patience), id), etcd.ErrLearnerRefuses)
	wantErr(t, "move leader", c.to(t, name).MoveLeader(within(t, patience), id), etcd.ErrLearnerRefuses)
}

func wantExit(t *testing.T, got etcdfake.Exit, code int, message string) {
	t.Helper()
	if got.Code != code || !strings.Contains(got.Message, message) {
		t.Errorf("got %v, want exit code %d and %q", &got, code, message)
	}
}

package etcdtest

import (
	"context"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// noticed is how long peers may take to see that a killed member is gone.
const noticed = time.Second

func replacing(t *testing.T, c *cluster) {
	c.found(t, "a", "b", "c")
	leader, followers := c.roles(t, "a", "b", "c")
	dead, left := followers[0], followers[1]
	deadID, leftID := c.id(t, leader, dead), c.id(t, leader, left)
	c.h.Pass(healthy + time.Second)
	c.h.Kill(t, dead)
	c.h.Pass(noticed)

	step(t, "a dead member cannot be reached", func(t *testing.T) {
		_, err := c.to(t, dead).Status(within(t, patience))
		wantErr(t, "read status", err, etcd.ErrUnreachable)
		wantErr(t, "promote", c.to(t, dead).Promote(within(t, patience), leftID), etcd.ErrUnreachable)
	})
	step(t, "its data gone, it dies as long as the leader remembers what it held", func(t *testing.T) {
		c.restartEmpty(t, dead, true)
		wantExit(t, c.waitExit(t, dead), 2, "Was the raft log corrupted, truncated, or lost?")
		c.h.Pass(noticed)
	})
	for _, via := range []string{leader, left} {
		step(t, "no member can be added, and no living voter removed, through "+role(via, leader), func(t *testing.T) {
			peerURL, _ := c.h.Address("d")
			_, err := c.to(t, via).AddLearner(within(t, patience), peerURL)
			wantErr(t, "add", err, etcd.ErrUnhealthyCluster)
			wantErr(t, "remove a living voter", c.to(t, via).Remove(within(t, patience), leftID), etcd.ErrUnhealthyCluster)
		})
	}
	step(t, "leadership does not move to it", func(t *testing.T) {
		wantErr(t, "move leader", c.to(t, leader).MoveLeader(within(t, deadline), deadID), etcd.ErrAmbiguous)
		leader, _ = c.roles(t, leader, left)
	})
	step(t, "it can be removed, once", func(t *testing.T) {
		wantOK(t, "remove", c.to(t, leader).Remove(within(t, patience), deadID))
		wantErr(t, "remove again", c.to(t, leader).Remove(within(t, patience), deadID), etcd.ErrMemberNotFound)
		wantErr(t, "promote it", c.to(t, leader).Promote(within(t, patience), deadID), etcd.ErrMemberNotFound)
		if n := len(c.list(t, left).Members); n != 2 {
			t.Errorf("%d members are listed, want 2", n)
		}
	})
	step(t, "removed, it does not come back", func(t *testing.T) {
		c.restart(t, dead)
		if exit := c.waitExit(t, dead); exit.Code > 1 { // a race in etcd
			t.Errorf("got %v, want exit code 0 or 1", &exit)
		}
	})
	step(t, "its replacement is added at once and becomes a voter", func(t *testing.T) {
		peerURL, _ := c.h.Address("d")
		added, err := c.to(t, leader).AddLearner(within(t, patience), peerURL)
		wantOK(t, "add", err)
		c.join(t, "d", leader, left)
		c.promote(t, leader, added.ID)
	})
	step(t, "a healthy voter leaves only when all others were connected for 5 s", func(t *testing.T) {
		c.checkHealthyRemoval(t, leader, left)
	})
}

// checkHealthyRemoval removes the leader, while d is a voter as well.
func (c *cluster) checkHealthyRemoval(t *testing.T, leader, via string) {
	t.Helper()
	id := c.id(t, via, leader)
	c.h.Kill(t, "d")
	c.restart(t, "d")
	c.waitServing(t, "d")
	wantErr(t, "remove early", c.to(t, via).Remove(within(t, patience), id), etcd.ErrUnhealthyCluster)
	c.eventually(t, "remove the leader", func() error {
		return onlyWhile(t, c.to(t, via).Remove(within(t, patience), id), etcd.ErrUnhealthyCluster)
	})
	if exit := c.waitExit(t, leader); exit.Code != 0 {
		t.Errorf("got %v, want exit code 0", &exit)
	}
	c.roles(t, via, "d")
}

func addingWithDeadVoters(t *testing.T, c *cluster) {
	c.found(t, "a", "b", "c", "d", "e")
	leader, followers := c.roles(t, "a", "b", "c", "d", "e")
	c.h.Pass(healthy + time.Second)

	step(t, "with one of five dead a learner is taken", func(t *testing.T) {
		c.h.Kill(t, followers[0])
		c.h.Pass(noticed)
		peerURL, _ := c.h.Address("f")
		_, err := c.to(t, leader).AddLearner(within(t, patience), peerURL)
		wantOK(t, "add", err)
	})
	step(t, "with two of five dead it is refused, whatever else is wrong with it", func(t *testing.T) {
		c.h.Kill(t, followers[1])
		c.h.Pass(noticed)
		peerURL, _ := c.h.Address("f")
		_, err := c.to(t, leader).AddLearner(within(t, patience), peerURL)
		wantErr(t, "add", err, etcd.ErrUnhealthyCluster)
	})
	step(t, "a learner can be removed even then", func(t *testing.T) {
		wantOK(t, "remove", c.to(t, leader).Remove(within(t, patience), c.id(t, leader, "f")))
	})
}

func losingQuorum(t *testing.T, c *cluster) {
	c.found(t, "a", "b", "c")
	leader, followers := c.roles(t, "a", "b", "c")
	before := c.list(t, leader)
	deadID := c.id(t, leader, followers[0])
	for _, name := range followers {
		c.h.Kill(t, name)
	}
	c.eventually(t, "see that nobody leads", func() error {
		s, err := c.to(t, leader).Status(within(t, patience))
		if err == nil && s.Leader != 0 {
			err = etcd.ErrAmbiguous
		}
		return err
	})

	step(t, "the last member answers from its own state", func(t *testing.T) {
		wantOK(t, "read locally", c.to(t, leader).ReadLocal(within(t, patience)))
		if s := c.status(t, leader); s.ClusterID != before.ClusterID || len(s.Errors) == 0 {
			t.Errorf("it says %+v, want an error in it", s)
		}
	})
	step(t, "what needs a quorum fails within the deadline", func(t *testing.T) {
		noQuorum := []error{context.DeadlineExceeded, etcd.ErrNoLeader}
		wantErr(t, "read", c.to(t, leader).Read(within(t, deadline)), noQuorum...)
		_, err := c.to(t, leader).Members(within(t, deadline))
		wantErr(t, "list members", err, noQuorum...)
		_, err = c.to(t, leader).Alarms(within(t, deadline))
		wantErr(t, "list alarms", err, noQuorum...)
		wantErr(t, "remove", c.to(t, leader).Remove(within(t, deadline), deadID), etcd.ErrAmbiguous)
		wantErr(t, "promote", c.to(t, leader).Promote(within(t, deadline), deadID), etcd.ErrAmbiguous)
		wantErr(t, "move leader", c.to(t, leader).MoveLeader(within(t, deadline), deadID), etcd.ErrNotLeader)
		peerURL, _ := c.h.Address("d")
		_, err = c.to(t, leader).AddLearner(within(t, deadline), peerURL)
		wantErr(t, "add", err, etcd.ErrUnhealthyCluster)
	})
	step(t, "a member that starts without a quorum answers nothing", func(t *testing.T) {
		c.h.Kill(t, leader)
		c.restart(t, leader)
		c.checkSilent(t, leader)
	})
	step(t, "with a quorum the cluster is as it was", func(t *testing.T) {
		c.restart(t, followers[0])
		c.waitServing(t, followers[0])
		c.waitServing(t, leader)
		after := c.list(t, leader)
		if after.ClusterID != before.ClusterID || len(after.Members) != len(before.Members) {
			t.Errorf("got %+v, want %+v", after, before)
		}
	})
}

func (c *cluster) checkSilent(t *testing.T, name string) {
	t.Helper()
	c.h.Pass(noticed)
	client := c.to(t, name)
	_, err := client.Status(within(t, deadline))
	wantErr(t, "read status", err, etcd.ErrUnreachable)
	wantErr(t, "read locally", client.ReadLocal(within(t, deadline)), etcd.ErrUnreachable)
	if exit := c.h.Exited(t, name); exit != nil {
		t.Errorf("it ended: %v", exit)
	}
}

func missingFounder(t *testing.T, c *cluster) {
	initial := c.initialCluster("a", "b", "c")
	step(t, "one of three waits", func(t *testing.T) {
		c.start(t, "a", initial, false)
		c.checkSilent(t, "a")
	})
	step(t, "two of three serve, and list the third by its name", func(t *testing.T) {
		c.start(t, "b", initial, false)
		c.waitServing(t, "a")
		c.waitServing(t, "b")
		if m, _ := c.member(t, "a", "c"); m.Name != "c" || m.Learner || len(m.ClientURLs) > 0 {
			t.Errorf("got %+v, want a voter named c without client URLs", m)
		}
		wantErr(t, "promote it", c.to(t, "a").Promote(within(t, patience), c.id(t, "a", "c")), etcd.ErrLearnerNotReady)
	})
	step(t, "the third may come later", func(t *testing.T) {
		c.start(t, "c", initial, false)
		c.waitServing(t, "c")
		wantOK(t, "read", c.to(t, "c").Read(within(t, patience)))
	})
	step(t, "it cannot found the cluster a second time", func(t *testing.T) {
		c.h.Kill(t, "c")
		c.restartEmpty(t, "c", false)
		wantExit(t, c.waitExit(t, "c"), 1, "has already been bootstrapped")
	})
}

func single(t *testing.T, c *cluster) {
	c.found(t, "a")
	step(t, "the answer to an added learner gets lost: its peer URL tells that it was added", func(t *testing.T) {
		c.h.Mute(t, "a", true)
		peerURL, _ := c.h.Address("b")
		_, err := c.to(t, "a").AddLearner(within(t, deadline), peerURL)
		wantErr(t, "add", err, etcd.ErrAmbiguous)
		c.h.Mute(t, "a", false)
		if m, listed := c.member(t, "a", "b"); !listed || !m.Learner {
			t.Errorf("got %+v, want a learner", m)
		}
	})
	step(t, "the answer to a removal gets lost: the member is not listed", func(t *testing.T) {
		id := c.id(t, "a", "b")
		c.h.Mute(t, "a", true)
		wantErr(t, "remove", c.to(t, "a").Remove(within(t, deadline), id), etcd.ErrAmbiguous)
		c.h.Mute(t, "a", false)
		if m, listed := c.member(t, "a", "b"); listed {
			t.Errorf("%+v is still listed", m)
		}
		wantErr(t, "remove again", c.to(t, "a").Remove(within(t, patience), id), etcd.ErrMemberNotFound)
	})
	step(t, "the last voter cannot be removed", func(t *testing.T) {
		wantErr(t, "remove", c.to(t, "a").Remove(within(t, patience), c.id(t, "a", "a")), etcd.ErrNotEnoughStarted)
	})
	step(t, "a caught-up learner makes two voters, who take no third for 5 s", func(t *testing.T) {
		added := c.add(t, "a", "c")
		c.join(t, "c", "a")
		c.promote(t, "a", added.ID)
		c.checkAddIsRefusedAfterRestart(t, "c", "a")
	})
	step(t, "one of two cannot let the other go when it is dead", func(t *testing.T) {
		id := c.id(t, "a", "c")
		c.h.Kill(t, "c")
		c.h.Pass(noticed)
		wantErr(t, "remove", c.to(t, "a").Remove(within(t, deadline), id), etcd.ErrAmbiguous)
	})
}

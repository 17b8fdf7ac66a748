package etcdfake

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/quorum"
)

// healthInterval is how long voters must have been connected to count: etcdserver.HealthInterval.
const healthInterval = 5 * time.Second

// AddLearner implements etcd.Changer: server.go, AddMember and mayAddMember as of 3.5.30, 3.6.11 and 3.7.0.
func (c *client) AddLearner(ctx context.Context, peerURL string) (etcd.Member, error) {
	if err := checkURL(peerURL); err != nil {
		return etcd.Member{}, fmt.Errorf("parse peer URL: %w", err)
	}
	added := etcd.Member{ID: addedID(peerURL, c.world.clock.Now()), PeerURLs: []string{peerURL}, Learner: true}
	err := c.call(ctx, "AddLearner", true, notByLearner(c.byRoot(func(p *Process) error {
		voters := len(p.state().voters())
		if voters > 1 && p.connected() < quorum.Size(voters+1) { // util.go, isConnectedToQuorumAfterAddingNewMemberSince
			return etcd.ErrUnhealthyCluster
		}
		return c.apply(p, func(s *state) (*state, error) { return s.add(added) })
	})))
	if err != nil {
		return etcd.Member{}, err
	}
	return added, nil
}

// Remove implements etcd.Changer: server.go, mayRemoveMember.
func (c *client) Remove(ctx context.Context, id uint64) error {
	return c.call(ctx, "Remove", true, notByLearner(c.byRoot(func(p *Process) error {
		if err := p.mayRemove(id); err != nil {
			return err
		}
		return c.apply(p, func(s *state) (*state, error) { return s.remove(id) })
	})))
}

func (p *Process) mayRemove(id uint64) error {
	if p.state().learns(id) {
		return nil
	}
	rest := slices.DeleteFunc(p.state().voters(), func(m etcd.Member) bool { return m.ID == id })
	if started(rest) < quorum.Size(len(rest)) { // api/membership.(*RaftCluster).IsReadyToRemoveVotingMember
		return etcd.ErrNotEnoughStarted
	}
	if _, active := p.peers[id]; !active && id != p.data.memberID {
		return nil
	}
	if p.connected()-1 < quorum.Size(len(p.state().voters())-1) {
		return etcd.ErrUnhealthyCluster
	}
	return nil
}

// started counts the members that have a name: they were founders, or have run once.
func started(members []etcd.Member) int {
	count := 0
	for _, m := range members {
		if m.Name != "" {
			count++
		}
	}
	return count
}

// connected counts the voters that p has been in touch with for the health interval, itself included: util.go, numConnectedSince.
func (p *Process) connected() int {
	count := 0
	for _, m := range p.state().voters() {
		link, active := p.peers[m.ID]
		if m.ID == p.data.memberID || active && p.world.clock.Since(link.since) > healthInterval {
			count++
		}
	}
	return count
}

// Promote implements etcd.Changer: server.go, PromoteMember. A follower asks the leader.
func (c *client) Promote(ctx context.Context, id uint64) error {
	return c.call(ctx, "Promote", true, notByLearner(c.byRoot(func(p *Process) error {
		l := c.world.leaderOf(p)
		if l == nil {
			return errNoAnswer
		}
		if err := l.mayPromote(id); err != nil {
			return err
		}
		return c.apply(p, func(s *state) (*state, error) { return s.promote(id) })
	})))
}

// Readdress implements etcd.Changer: server.go, UpdateMember, which asks for nobody's health.
func (c *client) Readdress(ctx context.Context, id uint64, peerURL string) error {
	if err := checkURL(peerURL); err != nil {
		return fmt.Errorf("parse peer URL: %w", err)
	}
	return c.call(ctx, "Readdress", true, notByLearner(c.byRoot(func(p *Process) error {
		return c.apply(p, func(s *state) (*state, error) { return s.readdress(id, peerURL) })
	})))
}

// mayPromote is server.go, isLearnerReady and mayPromoteMember. Whether id is a learner is asked when it is applied.
func (p *Process) mayPromote(id uint64) error {
	if _, listed := p.state().member(id); !listed {
		return etcd.ErrMemberNotFound
	}
	if 10*p.match[id] < 9*p.match[p.data.memberID] { // readyPercentThreshold
		return etcd.ErrLearnerNotReady
	}
	voters := p.state().voters()
	if started(voters)+1 < quorum.Size(len(voters)+1) { // api/membership.(*RaftCluster).IsReadyToPromoteMember
		return etcd.ErrNotEnoughStarted
	}
	return nil
}

// apply validates a change of the membership against the leader's log and commits it.
func (c *client) apply(p *Process, change func(*state) (*state, error)) error {
	l := c.world.leaderOf(p)
	if l == nil || !c.world.commits(l) {
		return errNoAnswer
	}
	next, err := change(l.state())
	if err != nil {
		return err
	}
	return c.world.commit(p, next, "")
}

// MoveLeader implements etcd.Changer: api/v3rpc.(*maintenanceServer).MoveLeader and server.go, MoveLeader. It waits in vain for a
// transferee that is down or behind.
func (c *client) MoveLeader(ctx context.Context, to uint64) error {
	return c.call(ctx, "MoveLeader", true, notByLearner(c.byRoot(func(p *Process) error {
		if !p.leads() {
			return etcd.ErrNotLeader
		}
		if !p.state().votes(to) {
			return etcd.ErrBadTransferee
		}
		next := c.world.member(p.data.clusterID, to)
		if next == p {
			return nil
		}
		if next == nil || !c.world.linked(p, next) || c.world.stalled[next.args.PeerURL] {
			return errNoAnswer
		}
		c.world.enthrone(next)
		return nil
	})))
}

package etcdfake

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/quorum"
)

// healthInterval is how long voters must have been connected to count: etcdserver.HealthInterval.
const healthInterval = 5 * time.Second

// defaultQuota is etcd's --quota-backend-bytes when it is not given.
const defaultQuota = 2 << 30

type dialer struct{ world *World }

func (d dialer) Dial(t etcd.Target) (etcd.Client, error) {
	if err := checkURL(t.Endpoint); err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	return &client{world: d.world, endpoint: t.Endpoint}, nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		err = fmt.Errorf("%q is not an http or https URL", s)
	}
	return err
}

type client struct {
	world    *World
	endpoint string
	closed   atomic.Bool
}

// Close implements etcd.Client.
func (c *client) Close() error {
	c.closed.Store(true)
	return nil
}

// call carries a request to the member, unless something goes wrong on the way.
func (c *client) call(ctx context.Context, method string, changes bool, do func(p *Process) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", etcd.ErrUnreachable, err)
	}
	fault := c.fault(method, changes)
	if fault.Err != nil && !fault.Done {
		return fault.Err
	}
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	p := c.world.find(func(p *Process) bool { return p.args.ClientURL == c.endpoint })
	if c.closed.Load() {
		return fmt.Errorf("%w: the connection is closed", etcd.ErrUnreachable)
	}
	err := c.world.answers(p)
	if err == nil {
		err = do(p)
		c.world.settle()
	}
	switch {
	case fault.Err != nil:
		return fault.Err
	case changes:
		return changed(err)
	}
	return err
}

func (c *client) fault(method string, changes bool) Fault {
	c.world.mu.Lock()
	inject := c.world.inject
	c.world.mu.Unlock()
	if inject == nil {
		return Fault{}
	}
	return inject(Call{Endpoint: c.endpoint, Method: method, Changes: changes})
}

// noAnswer is what a call ends with that etcd would let run into its deadline.
var noAnswer = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// changed is the error of a change: without an answer nobody knows whether it was made.
func changed(err error) error {
	if err == noAnswer { //nolint:errorlint // this very value
		return fmt.Errorf("%w: %w", etcd.ErrAmbiguous, err)
	}
	return err
}

// answers reports whether a member answers clients at all. One that has not published itself does not even shake hands.
func (w *World) answers(p *Process) error {
	if p == nil || !p.serving {
		return fmt.Errorf("%w: connection refused", etcd.ErrUnreachable)
	}
	if w.hidden[p.args.ClientURL] {
		return noAnswer
	}
	return nil
}

// reads reports whether p reads linearizably: v3_server.go, linearizableReadLoop asks the leader and waits until p has applied
// what the leader had.
func (w *World) reads(p *Process) error {
	if !w.commits(w.leaderOf(p)) || w.stalled[p.args.PeerURL] {
		return noAnswer
	}
	return nil
}

// commit proposes s through p and waits until p has applied it: server.go, configure.
func (w *World) commit(p *Process, s *state, key string) error {
	if w.stalled[p.args.PeerURL] || !w.propose(w.leaderOf(p), s, key) {
		return noAnswer
	}
	return nil
}

// learns reports whether a member is a learner. etcd refuses all but Status and serializable reads there:
// api/v3rpc, isRPCSupportedForLearner.
func (s *state) learns(id uint64) bool {
	m, listed := s.member(id)
	return listed && m.Learner
}

func notByLearner(do func(p *Process) error) func(p *Process) error {
	return func(p *Process) error {
		if p.state().learns(p.data.memberID) {
			return etcd.ErrLearnerRefuses
		}
		return do(p)
	}
}

// Status implements etcd.Reader: api/v3rpc.(*maintenanceServer).Status.
func (c *client) Status(ctx context.Context) (etcd.Status, error) {
	var status etcd.Status
	err := c.call(ctx, "Status", false, func(p *Process) error {
		status = p.status()
		return nil
	})
	return status, err
}

func (p *Process) status() etcd.Status {
	s := etcd.Status{
		ClusterID:        p.data.clusterID,
		MemberID:         p.data.memberID,
		Version:          p.args.Version,
		Leader:           p.leader,
		Learner:          p.state().learns(p.data.memberID),
		RaftTerm:         p.data.term,
		RaftIndex:        p.data.log.at(),
		RaftAppliedIndex: p.data.log.at(),
		DBSize:           p.dbSize,
		DBSizeInUse:      p.dbSizeInUse,
		Alarms:           slices.Clone(p.state().alarms),
	}
	if minor, _ := p.args.minor(); minor != "3.5" {
		s.StorageVersion, s.DBSizeQuota = minor+".0", defaultQuota
	}
	if p.leader == 0 {
		s.Errors = append(s.Errors, "etcdserver: no leader")
	}
	for _, a := range s.Alarms {
		s.Errors = append(s.Errors, fmt.Sprintf("memberID:%d alarm:%s ", a.MemberID, a.Type))
	}
	return s
}

// minor is the minor version of the binary, and its patch.
func (a Args) minor() (minor, patch string) {
	if dot := strings.LastIndex(a.Version, "."); dot > 0 {
		return a.Version[:dot], a.Version[dot+1:]
	}
	return a.Version, ""
}

// Read implements etcd.Reader.
func (c *client) Read(ctx context.Context) error {
	return c.call(ctx, "Read", false, notByLearner(c.world.reads))
}

// ReadLocal implements etcd.Reader.
func (c *client) ReadLocal(ctx context.Context) error {
	return c.call(ctx, "ReadLocal", false, func(*Process) error { return nil })
}

// Members implements etcd.Reader.
func (c *client) Members(ctx context.Context) (etcd.MemberList, error) {
	var list etcd.MemberList
	err := c.call(ctx, "Members", false, notByLearner(func(p *Process) error {
		if err := c.world.reads(p); err != nil {
			return err
		}
		list.ClusterID = p.data.clusterID
		for _, m := range p.state().members {
			m.PeerURLs, m.ClientURLs = slices.Clone(m.PeerURLs), slices.Clone(m.ClientURLs)
			list.Members = append(list.Members, m)
		}
		return nil
	}))
	return list, err
}

// Alarms implements etcd.Reader. It goes through the log: v3_server.go, Alarm.
func (c *client) Alarms(ctx context.Context) ([]etcd.Alarm, error) {
	var alarms []etcd.Alarm
	err := c.call(ctx, "Alarms", false, notByLearner(func(p *Process) error {
		alarms = slices.Clone(p.state().alarms)
		return c.world.commit(p, p.state(), "")
	}))
	return alarms, err
}

// AddLearner implements etcd.Changer: server.go, AddMember and mayAddMember as of 3.5.30, 3.6.11 and 3.7.0.
func (c *client) AddLearner(ctx context.Context, peerURL string) (etcd.Member, error) {
	if err := checkURL(peerURL); err != nil {
		return etcd.Member{}, fmt.Errorf("parse peer URL: %w", err)
	}
	added := etcd.Member{ID: addedID(peerURL, c.world.clock.Now()), PeerURLs: []string{peerURL}, Learner: true}
	err := c.call(ctx, "AddLearner", true, notByLearner(func(p *Process) error {
		voters := len(p.state().voters())
		if voters > 1 && p.connected() < quorum.Size(voters+1) { // util.go, isConnectedToQuorumAfterAddingNewMemberSince
			return etcd.ErrUnhealthyCluster
		}
		return c.apply(p, func(s *state) (*state, error) { return s.add(added) })
	}))
	if err != nil {
		return etcd.Member{}, err
	}
	return added, nil
}

// Remove implements etcd.Changer: server.go, mayRemoveMember.
func (c *client) Remove(ctx context.Context, id uint64) error {
	return c.call(ctx, "Remove", true, notByLearner(func(p *Process) error {
		if err := p.mayRemove(id); err != nil {
			return err
		}
		return c.apply(p, func(s *state) (*state, error) { return s.remove(id) })
	}))
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

// Promote implements etcd.Changer: server.go, PromoteMember. A follower asks the leader, and asks it again and again while
// the leader finds too few members started.
func (c *client) Promote(ctx context.Context, id uint64) error {
	return c.call(ctx, "Promote", true, notByLearner(func(p *Process) error {
		l := c.world.leaderOf(p)
		if l == nil {
			return noAnswer
		}
		if err := l.mayPromote(id); err != nil {
			if l != p && err == etcd.ErrNotEnoughStarted { //nolint:errorlint // this very value
				return noAnswer
			}
			return err
		}
		return c.apply(p, func(s *state) (*state, error) { return s.promote(id) })
	}))
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
		return noAnswer
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
	return c.call(ctx, "MoveLeader", true, notByLearner(func(p *Process) error {
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
			return noAnswer
		}
		c.world.enthrone(next)
		return nil
	}))
}

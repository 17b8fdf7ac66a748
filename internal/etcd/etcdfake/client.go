package etcdfake

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// defaultQuota is etcd's --quota-backend-bytes when it is not given.
const defaultQuota = 2 << 30

type dialer struct{ world *World }

func (d dialer) Dial(t etcd.Target) (etcd.Client, error) {
	if err := checkURL(t.Endpoint); err != nil {
		return nil, fmt.Errorf("parse endpoint: %w", err)
	}
	return &client{world: d.world, endpoint: t.Endpoint, target: t}, nil
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
	target   etcd.Target
	token    *token // that it got when it logged in; the world's lock guards it
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
	c.world.monitor()
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

// errNoAnswer is what a call ends with that etcd would let run into its deadline.
var errNoAnswer = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// changed is the error of a change: without an answer nobody knows whether it was made.
func changed(err error) error {
	if err == errNoAnswer { //nolint:errorlint // this very value
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
		return errNoAnswer
	}
	return nil
}

// reads reports whether p reads linearizably: v3_server.go, linearizableReadLoop asks the leader and waits until p has applied
// what the leader had.
func (w *World) reads(p *Process) error {
	if !w.commits(w.leaderOf(p)) || w.stalled[p.args.PeerURL] {
		return errNoAnswer
	}
	return nil
}

// commit proposes s through p and waits until p has applied it: server.go, configure.
func (w *World) commit(p *Process, s *state, key string) error {
	if w.stalled[p.args.PeerURL] || !w.propose(w.leaderOf(p), s, key) {
		return errNoAnswer
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
	err := c.call(ctx, "Status", false, c.byUser(func(p *Process) error {
		status = p.status()
		return nil
	}))
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
		Revision:         p.data.log.revision(),
		DBSize:           p.dbSize,
		DBSizeInUse:      p.dbSizeInUse,
		Alarms:           slices.Clone(p.state().alarms),
	}
	if !before36(s.Version) {
		s.StorageVersion, s.DBSizeQuota = cmp.Or(p.data.storage, "3.5")+".0", defaultQuota
		if target := p.state().target; target != "" {
			s.Downgrade = target + ".0"
		}
	}
	if p.leader == 0 {
		s.Errors = append(s.Errors, "etcdserver: no leader")
	}
	for _, a := range s.Alarms {
		s.Errors = append(s.Errors, alarmText(a))
	}
	return s
}

// alarmText is how etcd prints an alarm.
func alarmText(a etcd.Alarm) string {
	if a.MemberID == 0 {
		return fmt.Sprintf("alarm:%s ", a.Type)
	}
	return fmt.Sprintf("memberID:%d alarm:%s ", a.MemberID, a.Type)
}

// minor is a version without its patch.
func minor(version string) string { return version[:max(strings.LastIndex(version, "."), 0)] }

// Read implements etcd.Reader.
func (c *client) Read(ctx context.Context) error {
	return c.call(ctx, "Read", false, notByLearner(c.byReader(c.world.reads)))
}

// ReadLocal implements etcd.Reader.
func (c *client) ReadLocal(ctx context.Context) error {
	return c.call(ctx, "ReadLocal", false, c.byReader(func(*Process) error { return nil }))
}

// Members implements etcd.Reader.
func (c *client) Members(ctx context.Context) (etcd.MemberList, error) {
	var list etcd.MemberList
	err := c.call(ctx, "Members", false, notByLearner(c.byUser(func(p *Process) error {
		if err := c.world.reads(p); err != nil {
			return err
		}
		list.ClusterID = p.data.clusterID
		for _, m := range p.state().members {
			m.PeerURLs, m.ClientURLs = slices.Clone(m.PeerURLs), slices.Clone(m.ClientURLs)
			list.Members = append(list.Members, m)
		}
		return nil
	})))
	return list, err
}

// Alarms implements etcd.Reader. It goes through the log: v3_server.go, Alarm.
func (c *client) Alarms(ctx context.Context) ([]etcd.Alarm, error) {
	var alarms []etcd.Alarm
	err := c.call(ctx, "Alarms", false, notByLearner(c.byUser(func(p *Process) error {
		alarms = slices.Clone(p.state().alarms)
		return c.world.commit(p, p.state(), "")
	})))
	return alarms, err
}

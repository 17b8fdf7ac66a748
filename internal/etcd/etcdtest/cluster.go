package etcdtest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
)

const (
	patience = 5 * time.Second        // for a call that is expected to be answered
	deadline = 700 * time.Millisecond // for a call that is not
	pause    = 100 * time.Millisecond // between two tries
	tries    = 200                    // for something to come true
	healthy  = 5 * time.Second        // etcd's HealthInterval
)

// cluster is the cluster of a scenario.
type cluster struct {
	h     Harness
	token string
	args  map[string]etcdfake.Args // of the members that were started, by name

	runs string // version that members are started with; empty is that of the harness

	checkAtStart, checkAtCompaction bool // what members are started with

	user     string // as whom members are dialled, nobody at first
	password etcd.Secret
}

// found starts members that form a cluster, and waits until all serve.
func (c *cluster) found(t *testing.T, names ...string) {
	t.Helper()
	initial := c.initialCluster(names...)
	for _, name := range names {
		c.start(t, name, initial, false)
	}
	for _, name := range names {
		c.waitServing(t, name)
	}
}

func (c *cluster) initialCluster(names ...string) string {
	var pairs []string
	for _, name := range names {
		peerURL, _ := c.h.Address(name)
		pairs = append(pairs, name+"="+peerURL)
	}
	return strings.Join(pairs, ",")
}

func (c *cluster) start(t *testing.T, name, initial string, existing bool) {
	t.Helper()
	peerURL, clientURL := c.h.Address(name)
	c.args[name] = etcdfake.Args{
		Name: name, PeerURL: peerURL, ClientURL: clientURL, InitialCluster: initial, Token: c.token, Existing: existing,
		Volume: name, Version: c.version(), CheckAtStart: c.checkAtStart, CheckAtCompaction: c.checkAtCompaction,
	}
	c.h.Start(t, c.args[name])
}

func (c *cluster) version() string { return cmp.Or(c.runs, c.h.Version()) }

// restart starts a member again with the arguments it had.
func (c *cluster) restart(t *testing.T, name string) {
	t.Helper()
	c.h.Start(t, c.args[name])
}

// restartEmpty starts a member on another, empty volume.
func (c *cluster) restartEmpty(t *testing.T, name string, existing bool) {
	t.Helper()
	args := c.args[name]
	args.Volume += "-empty"
	args.Existing = existing
	c.h.Start(t, args)
}

// to dials a member. The connection lasts as long as the test.
func (c *cluster) to(t *testing.T, name string) etcd.Client {
	t.Helper()
	return c.as(t, name, c.user, c.password)
}

// as dials a member under a name, with all others to log in at.
func (c *cluster) as(t *testing.T, name, user string, password etcd.Secret) etcd.Client {
	t.Helper()
	_, clientURL := c.h.Address(name)
	target := etcd.Target{Endpoint: clientURL, Username: user, Password: password}
	for other, args := range c.args {
		if other != name && user != "" {
			target.LoginAt = append(target.LoginAt, args.ClientURL)
		}
	}
	client, err := c.h.Dialer().Dial(target)
	if err != nil {
		t.Fatalf("dial %s: %v", name, err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (c *cluster) status(t *testing.T, name string) etcd.Status {
	t.Helper()
	s, err := c.to(t, name).Status(within(t, patience))
	if err != nil {
		t.Fatalf("read status of %s: %v", name, err)
	}
	return s
}

func (c *cluster) list(t *testing.T, from string) etcd.MemberList {
	t.Helper()
	list, err := c.to(t, from).Members(within(t, patience))
	if err != nil {
		t.Fatalf("list members from %s: %v", from, err)
	}
	return list
}

// member is the entry of the member list with the peer URL of name.
func (c *cluster) member(t *testing.T, from, name string) (etcd.Member, bool) {
	t.Helper()
	peerURL, _ := c.h.Address(name)
	for _, m := range c.list(t, from).Members {
		if slices.Contains(m.PeerURLs, peerURL) {
			return m, true
		}
	}
	return etcd.Member{}, false
}

// id is the ID of a listed member.
func (c *cluster) id(t *testing.T, from, name string) uint64 {
	t.Helper()
	m, listed := c.member(t, from, name)
	if !listed {
		t.Fatalf("%s does not list %s", from, name)
	}
	return m.ID
}

// roles gives the leader and the followers among the named members, once they agree.
func (c *cluster) roles(t *testing.T, names ...string) (leader string, followers []string) {
	t.Helper()
	c.eventually(t, "agree on a leader", func() error {
		leader, followers = "", nil
		seen := map[uint64]bool{}
		for _, name := range names {
			s, err := c.to(t, name).Status(within(t, patience))
			if err != nil {
				return err
			}
			seen[s.Leader] = true
			if s.Leader == s.MemberID {
				leader = name
			} else {
				followers = append(followers, name)
			}
		}
		if len(seen) != 1 || leader == "" {
			return errors.New("no agreement")
		}
		return nil
	})
	return leader, followers
}

// waitServing waits until a member answers and is in touch with a leader.
func (c *cluster) waitServing(t *testing.T, name string) {
	t.Helper()
	client := c.to(t, name)
	c.eventually(t, name+" serve", func() error {
		s, err := client.Status(within(t, deadline))
		if err == nil && s.Leader == 0 {
			err = etcd.ErrNoLeader
		}
		return err
	})
}

// waitExit waits until a member's process ends.
func (c *cluster) waitExit(t *testing.T, name string) etcdfake.Exit {
	t.Helper()
	var exit *etcdfake.Exit
	c.eventually(t, name+" exit", func() error {
		if exit = c.h.Exited(t, name); exit == nil {
			return errors.New("still running")
		}
		return nil
	})
	return *exit
}

// eventually tries until it succeeds.
func (c *cluster) eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for range tries {
		if err = try(); err == nil {
			return
		}
		c.h.Pass(pause)
	}
	t.Fatalf("did not %s: %v", what, err)
}

// join starts a listed learner beside the named members, and waits until it serves.
func (c *cluster) join(t *testing.T, name string, beside ...string) {
	t.Helper()
	c.start(t, name, c.initialCluster(append(beside, name)...), true)
	c.waitServing(t, name)
}

// add adds a learner as soon as etcd lets it.
func (c *cluster) add(t *testing.T, via, name string) etcd.Member {
	t.Helper()
	peerURL, _ := c.h.Address(name)
	var added etcd.Member
	c.eventually(t, "add "+name, func() (err error) {
		added, err = c.to(t, via).AddLearner(within(t, patience), peerURL)
		return onlyWhile(t, err, etcd.ErrUnhealthyCluster)
	})
	return added
}

// promote promotes a learner as soon as etcd finds it caught up.
func (c *cluster) promote(t *testing.T, via string, id uint64) {
	t.Helper()
	c.eventually(t, "promote the learner", func() error {
		return onlyWhile(t, c.to(t, via).Promote(within(t, patience), id), etcd.ErrLearnerNotReady)
	})
}

// onlyWhile passes err on if it may go away, and fails the test if not.
func onlyWhile(t *testing.T, err, passing error) error {
	t.Helper()
	if err != nil && !errors.Is(err, passing) {
		t.Fatalf("got %v, want nothing or %v", err, passing)
	}
	return err
}

// within is a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// wantErr fails the test unless err is one of the errors wanted.
func wantErr(t *testing.T, what string, err error, wanted ...error) {
	t.Helper()
	if !slices.ContainsFunc(wanted, func(want error) bool { return errors.Is(err, want) }) {
		t.Errorf("%s: got %v, want %v", what, err, wanted)
	}
}

// wantOK fails the test if err is one.
func wantOK(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

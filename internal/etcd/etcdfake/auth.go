package etcdfake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// authority is who may do what: auth/store.go. It is never modified.
type authority struct {
	on      bool
	changes uint64
	ended   int // how often it was switched off, which ends all tokens
	users   map[string]user
	roles   map[string][]etcd.Permission
}

type user struct {
	password string
	changed  uint64 // when the password was set, which ends the user's tokens
	roles    []string
}

// token is what a member gave out at a login. It is as good at any other member that saw it given.
type token struct {
	user    string
	at      *entry
	ended   int
	changed uint64
}

// with gives a copy that may be modified.
func (a authority) with() authority {
	a.users, a.roles = maps.Clone(a.users), maps.Clone(a.roles)
	if a.users == nil {
		a.users, a.roles = map[string]user{}, map[string][]etcd.Permission{}
	}
	a.changes++
	return a
}

// takes reports whether p saw t given out, and it still holds: auth/simple_token.go.
func (p *Process) takes(t *token) bool {
	if t == nil || p.data.log.at() < t.at.at() || !p.data.log.continues(t.at) || p.since.at() >= t.at.at() {
		return false
	}
	a := p.state().auth
	u, known := a.users[t.user]
	return known && u.changed == t.changed && a.ended == t.ended
}

// caller is whom p takes the client for, who logs in if need be; nobody, if the client has no name.
func (c *client) caller(p *Process) (string, error) {
	if c.target.Username == "" {
		return "", nil
	}
	if p.takes(c.token) {
		return c.token.user, nil
	}
	if err := c.login(p); err != nil {
		return "", err
	}
	if !p.takes(c.token) {
		return "", fmt.Errorf("%w: invalid auth token", etcd.ErrAuthRequired)
	}
	return c.token.user, nil
}

// login asks the member, or, if it is a learner, the voters in turn.
func (c *client) login(p *Process) error {
	if !p.state().learns(p.data.memberID) {
		return c.loginAt(p)
	}
	err := fmt.Errorf("%w: log in: %w", etcd.ErrAuthRequired, etcd.ErrLearnerRefuses)
	for _, endpoint := range c.target.LoginAt {
		q := c.world.find(func(p *Process) bool { return p.args.ClientURL == endpoint })
		if c.world.answers(q) != nil || q.state().learns(q.data.memberID) {
			continue
		}
		if err = c.loginAt(q); err == nil {
			break
		}
	}
	return err
}

// LogIn implements etcd.Authority.
func (c *client) LogIn(ctx context.Context) error {
	return c.call(ctx, "LogIn", false, func(p *Process) error {
		if p.state().auth.on {
			return c.login(p)
		}
		if p.state().learns(p.data.memberID) {
			return etcd.ErrLearnerRefuses
		}
		if err := c.world.reads(p); err != nil {
			return err
		}
		return etcd.ErrAuthOff
	})
}

// loginAt is v3_server.go, Authenticate: the token goes through the log.
func (c *client) loginAt(p *Process) error {
	name := c.target.Username
	u, known := p.state().auth.users[name]
	switch {
	case c.world.reads(p) != nil:
		return fmt.Errorf("%w: log in: %w", etcd.ErrAuthRequired, errNoAnswer)
	case !known || u.password != c.target.Password.Reveal():
		return fmt.Errorf("%w: log in", etcd.ErrAuthFailed)
	}
	if err := c.world.commit(p, p.state(), ""); err != nil {
		return fmt.Errorf("%w: log in: %w", etcd.ErrAuthRequired, err)
	}
	c.token = &token{user: name, at: p.data.log, ended: p.state().auth.ended, changed: u.changed}
	return nil
}

// by lets do be done by whom may allows, while authentication is on.
func (c *client) by(may func(a authority, caller string) error, do func(p *Process) error) func(p *Process) error {
	return func(p *Process) error {
		if a := p.state().auth; a.on {
			caller, err := c.caller(p)
			if err == nil {
				err = may(a, caller)
			}
			if err != nil {
				return err
			}
		}
		return do(p)
	}
}

func (c *client) byUser(do func(p *Process) error) func(p *Process) error {
	return c.by(anyUser, do)
}

func (c *client) byRoot(do func(p *Process) error) func(p *Process) error {
	return c.by(authority.administers, do)
}

func (c *client) byReader(do func(p *Process) error) func(p *Process) error {
	return c.by(authority.probes, do)
}

// anyUser is v3_server.go, requireAuthInfo.
func anyUser(_ authority, caller string) error {
	if caller == "" {
		return fmt.Errorf("%w: user name is empty", etcd.ErrAuthRequired)
	}
	return nil
}

// administers is auth/store.go, IsAdminPermitted.
func (a authority) administers(caller string) error {
	u, known := a.users[caller]
	switch {
	case caller == "":
		return anyUser(a, caller)
	case !known:
		return etcd.ErrUserNotFound
	case !slices.Contains(u.roles, etcd.Root):
		return etcd.ErrPermission
	}
	return nil
}

// probes is auth/store.go, isOpPermitted for reading the probe's key.
func (a authority) probes(caller string) error {
	u, known := a.users[caller]
	switch {
	case caller == "":
		return anyUser(a, caller)
	case !known:
		return etcd.ErrPermission
	case slices.Contains(u.roles, etcd.Root):
		return nil
	}
	for _, role := range u.roles {
		if slices.ContainsFunc(a.roles[role], readsProbe) {
			return nil
		}
	}
	return etcd.ErrPermission
}

func readsProbe(p etcd.Permission) bool {
	inside := p.Key == etcd.ProbeKey
	if p.RangeEnd != "" {
		inside = p.Key <= etcd.ProbeKey && (p.RangeEnd == "\x00" || etcd.ProbeKey < p.RangeEnd)
	}
	return inside && p.Access != etcd.Write
}

func before37(version string) bool {
	return before36(version) || strings.HasPrefix(version, "3.6.")
}

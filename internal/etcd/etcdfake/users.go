package etcdfake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// ask reads through the log what etcd tells only to root: apply/auth.go, needAdminPermission.
func (c *client) ask(ctx context.Context, method string, look func(p *Process)) error {
	return c.call(ctx, method, false, notByLearner(func(p *Process) error {
		if err := c.world.reads(p); err != nil {
			return err
		}
		return c.byRoot(func(p *Process) error {
			look(p)
			return c.world.commit(p, p.state(), "")
		})(p)
	}))
}

// govern changes users and roles, validated when it is applied. To change nothing is no error.
func (c *client) govern(ctx context.Context, method string, change func(a *authority) error) error {
	return c.call(ctx, method, true, notByLearner(func(p *Process) error {
		l := c.world.leaderOf(p)
		if l == nil || !c.world.commits(l) {
			return errNoAnswer
		}
		return c.byRoot(func(p *Process) error {
			next := *l.state()
			next.auth = next.auth.with()
			if err := change(&next.auth); errors.Is(err, errUnchanged) {
				return nil
			} else if err != nil {
				return err
			}
			return c.world.commit(p, &next, "")
		})(p)
	}))
}

// errUnchanged says that there is nothing to change.
var errUnchanged = errors.New("unchanged")

// AuthStatus implements etcd.Authority. 3.7 answers anybody.
func (c *client) AuthStatus(ctx context.Context) (etcd.AuthStatus, error) {
	var status etcd.AuthStatus
	look := func(p *Process) {
		a := p.state().auth
		status = etcd.AuthStatus{Enabled: a.on, Revision: 1 + a.changes}
	}
	open := func(p *Process) error {
		look(p)
		return c.world.commit(p, p.state(), "")
	}
	closed := c.byRoot(open)
	err := c.call(ctx, "AuthStatus", false, notByLearner(func(p *Process) error {
		if err := c.world.reads(p); err != nil {
			return err
		}
		if before37(p.args.Version) {
			return closed(p)
		}
		return open(p)
	}))
	return status, err
}

// EnableAuth implements etcd.Authority.
func (c *client) EnableAuth(ctx context.Context) error {
	return c.govern(ctx, "EnableAuth", func(a *authority) error {
		if a.on {
			return errUnchanged
		}
		if !slices.Contains(a.users[etcd.Root].roles, etcd.Root) {
			return etcd.ErrRootMissing
		}
		a.on = true
		a.changes--
		return nil
	})
}

// DisableAuth implements etcd.Authority.
func (c *client) DisableAuth(ctx context.Context) error {
	return c.govern(ctx, "DisableAuth", func(a *authority) error {
		if !a.on {
			return errUnchanged
		}
		a.on = false
		a.ended++
		return nil
	})
}

// Users implements etcd.Authority.
func (c *client) Users(ctx context.Context) ([]etcd.User, error) {
	var users []etcd.User
	err := c.ask(ctx, "Users", func(p *Process) {
		known := p.state().auth.users
		for _, name := range slices.Sorted(maps.Keys(known)) {
			users = append(users, etcd.User{Name: name, Roles: slices.Clone(known[name].roles)})
		}
	})
	return users, err
}

// AddUser implements etcd.Authority.
func (c *client) AddUser(ctx context.Context, name string, password etcd.Secret) error {
	if err := etcd.CheckPassword(password); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	if name == "" {
		return errors.New("add user: the name is empty")
	}
	return c.govern(ctx, "AddUser", func(a *authority) error {
		if _, known := a.users[name]; known {
			return etcd.ErrUserExists
		}
		a.users[name] = user{password: password.Reveal(), changed: a.changes}
		return nil
	})
}

// ChangePassword implements etcd.Authority.
func (c *client) ChangePassword(ctx context.Context, name string, password etcd.Secret) error {
	if err := etcd.CheckPassword(password); err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return c.governUser(ctx, "ChangePassword", name, func(a *authority, u user) error {
		a.users[name] = user{password: password.Reveal(), changed: a.changes, roles: u.roles}
		return nil
	})
}

// DeleteUser implements etcd.Authority.
func (c *client) DeleteUser(ctx context.Context, name string) error {
	return c.govern(ctx, "DeleteUser", func(a *authority) error {
		if _, known := a.users[name]; a.on && name == etcd.Root {
			return etcd.ErrRootProtected
		} else if !known {
			return etcd.ErrUserNotFound
		}
		delete(a.users, name)
		return nil
	})
}

func (c *client) governUser(ctx context.Context, method, name string, change func(a *authority, u user) error) error {
	return c.govern(ctx, method, func(a *authority) error {
		u, known := a.users[name]
		if !known {
			return etcd.ErrUserNotFound
		}
		return change(a, u)
	})
}

// GrantRole implements etcd.Authority.
func (c *client) GrantRole(ctx context.Context, name, role string) error {
	return c.governUser(ctx, "GrantRole", name, func(a *authority, u user) error {
		if _, known := a.roles[role]; !known && role != etcd.Root {
			return etcd.ErrRoleNotFound
		}
		if slices.Contains(u.roles, role) {
			return errUnchanged
		}
		u.roles = sorted(append(slices.Clone(u.roles), role))
		a.users[name] = u
		return nil
	})
}

// RevokeRole implements etcd.Authority.
func (c *client) RevokeRole(ctx context.Context, name, role string) error {
	return c.govern(ctx, "RevokeRole", func(a *authority) error {
		u, known := a.users[name]
		switch {
		case a.on && name == etcd.Root && role == etcd.Root:
			return etcd.ErrRootProtected
		case !known:
			return etcd.ErrUserNotFound
		case !slices.Contains(u.roles, role):
			return etcd.ErrNotGranted
		}
		u.roles = without(u.roles, role)
		a.users[name] = u
		return nil
	})
}

func without(roles []string, role string) []string {
	return slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return r == role })
}

// Roles implements etcd.Authority.
func (c *client) Roles(ctx context.Context) ([]etcd.Role, error) {
	var roles []etcd.Role
	err := c.ask(ctx, "Roles", func(p *Process) {
		known := p.state().auth.roles
		for _, name := range slices.Sorted(maps.Keys(known)) {
			roles = append(roles, etcd.Role{Name: name, Permissions: slices.Clone(known[name])})
		}
	})
	return roles, err
}

// AddRole implements etcd.Authority.
func (c *client) AddRole(ctx context.Context, name string) error {
	return c.govern(ctx, "AddRole", func(a *authority) error {
		if name == "" {
			return errors.New("etcdserver: role name is empty")
		}
		if _, known := a.roles[name]; known {
			return etcd.ErrRoleExists
		}
		a.roles[name] = nil
		return nil
	})
}

// DeleteRole implements etcd.Authority.
func (c *client) DeleteRole(ctx context.Context, name string) error {
	return c.govern(ctx, "DeleteRole", func(a *authority) error {
		if _, known := a.roles[name]; a.on && name == etcd.Root {
			return etcd.ErrRootProtected
		} else if !known {
			return etcd.ErrRoleNotFound
		}
		delete(a.roles, name)
		for _, user := range slices.Collect(maps.Keys(a.users)) {
			u := a.users[user]
			u.roles = without(u.roles, name)
			a.users[user] = u
		}
		return nil
	})
}

// GrantPermission implements etcd.Authority. Like auth/store.go, it looks for what to replace only at the first of the role's
// permissions with the same key.
func (c *client) GrantPermission(ctx context.Context, role string, p etcd.Permission) error {
	if err := p.Check(); err != nil {
		return fmt.Errorf("grant permission: %w", err)
	}
	return c.govern(ctx, "GrantPermission", func(a *authority) error {
		permissions, known := a.roles[role]
		if !known {
			return etcd.ErrRoleNotFound
		}
		permissions = slices.Clone(permissions)
		i := slices.IndexFunc(permissions, func(other etcd.Permission) bool { return other.Key >= p.Key })
		if i >= 0 && permissions[i].Key == p.Key && permissions[i].RangeEnd == p.RangeEnd {
			permissions[i] = p
		} else {
			permissions = append(permissions, p)
			slices.SortStableFunc(permissions, func(a, b etcd.Permission) int { return strings.Compare(a.Key, b.Key) })
		}
		a.roles[role] = permissions
		return nil
	})
}

// RevokePermission implements etcd.Authority.
func (c *client) RevokePermission(ctx context.Context, role string, p etcd.Permission) error {
	return c.govern(ctx, "RevokePermission", func(a *authority) error {
		permissions, known := a.roles[role]
		if !known {
			return etcd.ErrRoleNotFound
		}
		rest := slices.DeleteFunc(slices.Clone(permissions), func(other etcd.Permission) bool {
			return other.Key == p.Key && other.RangeEnd == p.RangeEnd
		})
		if len(rest) == len(permissions) {
			return etcd.ErrNotGranted
		}
		a.roles[role] = rest
		return nil
	})
}

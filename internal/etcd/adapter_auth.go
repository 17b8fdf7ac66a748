package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// MostPassword is the longest password, in bytes: bcrypt refuses longer ones.
const MostPassword = 72

// accesses are etcd's types of permissions.
var accesses = map[Access]authpb.Permission_Type{
	Read: authpb.Permission_READ, Write: authpb.Permission_WRITE, ReadWrite: authpb.Permission_READWRITE,
}

// AuthStatus implements Authority.
func (c *client) AuthStatus(ctx context.Context) (AuthStatus, error) {
	var status AuthStatus
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.AuthStatus(ctx)
		if err == nil {
			status = AuthStatus{Enabled: answer.Enabled, Revision: answer.AuthRevision}
		}
		return err
	})
	return status, err
}

// EnableAuth implements Authority.
func (c *client) EnableAuth(ctx context.Context) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.AuthEnable(ctx)
		return err
	})
}

// DisableAuth implements Authority.
func (c *client) DisableAuth(ctx context.Context) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.AuthDisable(ctx)
		return err
	})
}

// Users implements Authority. A user that goes while they are listed is left out.
func (c *client) Users(ctx context.Context) ([]User, error) {
	var names []string
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.UserList(ctx)
		if err == nil {
			names = slices.Sorted(slices.Values(answer.Users))
		}
		return err
	})
	users := make([]User, 0, len(names))
	for _, name := range names {
		if err != nil {
			return nil, err
		}
		err = c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
			answer, err := etcd.UserGet(ctx, name)
			if err == nil {
				users = append(users, User{Name: name, Roles: slices.Sorted(slices.Values(answer.Roles))})
			}
			return err
		})
		if errors.Is(err, ErrUserNotFound) {
			err = nil
		}
	}
	return users, err
}

// AddUser implements Authority.
func (c *client) AddUser(ctx context.Context, name string, password Secret) error {
	if err := CheckPassword(password); err != nil {
		return fmt.Errorf("add user: %w", err)
	}
	if name == "" { // etcd would say that it wants to know who asks
		return errors.New("add user: the name is empty")
	}
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserAdd(ctx, name, password.Reveal())
		return err
	})
}

// Check says whether etcd can grant a permission.
func (p Permission) Check() error {
	if _, known := accesses[p.Access]; !known {
		return fmt.Errorf("%q is no access", p.Access)
	}
	if p.Key == "" || p.RangeEnd != "" && p.RangeEnd != openEnd && p.Key >= p.RangeEnd {
		return fmt.Errorf("%w: from %q to %q", ErrBadRange, p.Key, p.RangeEnd)
	}
	return nil
}

// CheckPassword says whether etcd can take a password.
func CheckPassword(password Secret) error {
	if n := len(password.Reveal()); n == 0 || n > MostPassword {
		return fmt.Errorf("%w: it is %d bytes long, not 1 to %d", ErrBadPassword, n, MostPassword)
	}
	return nil
}

// ChangePassword implements Authority.
func (c *client) ChangePassword(ctx context.Context, name string, password Secret) error {
	if err := CheckPassword(password); err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserChangePassword(ctx, name, password.Reveal())
		return err
	})
}

// DeleteUser implements Authority.
func (c *client) DeleteUser(ctx context.Context, name string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserDelete(ctx, name)
		return err
	})
}

// GrantRole implements Authority.
func (c *client) GrantRole(ctx context.Context, user, role string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserGrantRole(ctx, user, role)
		return err
	})
}

// RevokeRole implements Authority.
func (c *client) RevokeRole(ctx context.Context, user, role string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.UserRevokeRole(ctx, user, role)
		return err
	})
}

// Roles implements Authority. A role that goes while they are listed is left out.
func (c *client) Roles(ctx context.Context) ([]Role, error) {
	var names []string
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.RoleList(ctx)
		if err == nil {
			names = slices.Sorted(slices.Values(answer.Roles))
		}
		return err
	})
	roles := make([]Role, 0, len(names))
	for _, name := range names {
		if err != nil {
			return nil, err
		}
		err = c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
			answer, err := etcd.RoleGet(ctx, name)
			if err == nil {
				roles = append(roles, roleOf(name, answer.Perm))
			}
			return err
		})
		if errors.Is(err, ErrRoleNotFound) {
			err = nil
		}
	}
	return roles, err
}

// roleOf leaves out what 3.7 lists for Root and the others do not.
func roleOf(name string, permissions []*authpb.Permission) Role {
	role := Role{Name: name}
	for _, p := range permissions {
		for access, kind := range accesses {
			if name != Root && kind == p.PermType {
				role.Permissions = append(role.Permissions, Permission{Key: string(p.Key), RangeEnd: string(p.RangeEnd), Access: access})
			}
		}
	}
	return role
}

// AddRole implements Authority.
func (c *client) AddRole(ctx context.Context, name string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.RoleAdd(ctx, name)
		return err
	})
}

// DeleteRole implements Authority.
func (c *client) DeleteRole(ctx context.Context, name string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.RoleDelete(ctx, name)
		return err
	})
}

// GrantPermission implements Authority.
func (c *client) GrantPermission(ctx context.Context, role string, p Permission) error {
	if err := p.Check(); err != nil {
		return fmt.Errorf("grant permission: %w", err)
	}
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.RoleGrantPermission(ctx, role, p.Key, p.RangeEnd, clientv3.PermissionType(accesses[p.Access]))
		return err
	})
}

// RevokePermission implements Authority.
func (c *client) RevokePermission(ctx context.Context, role string, p Permission) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.RoleRevokePermission(ctx, role, p.Key, p.RangeEnd)
		return err
	})
}

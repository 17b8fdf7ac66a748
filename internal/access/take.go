package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// ErrNotForEtcd: the step is one for the record.
var ErrNotForEtcd = errors.New("step is not for etcd")

// Take takes a step that is a write to etcd, once. That what is to go is gone already is no error; that what is to be made is
// there is one, for nobody knows who made it with which password.
func (d Door) Take(ctx context.Context, client etcd.Authority, step plan.AuthStep) error {
	switch s := step.(type) {
	case plan.EnableAuth:
		return client.EnableAuth(ctx)
	case plan.DisableAuth:
		return client.DisableAuth(ctx)
	case plan.AddUser:
		return d.withPassword(ctx, s.User, s.Password, client.AddUser)
	case plan.SetPassword:
		return d.withPassword(ctx, s.User, s.Password, client.ChangePassword)
	case plan.DeleteUser:
		return unless(etcd.ErrUserNotFound, client.DeleteUser(ctx, s.User))
	case plan.GrantRole:
		return client.GrantRole(ctx, s.User, s.Role)
	case plan.RevokeRole:
		return unless(etcd.ErrNotGranted, client.RevokeRole(ctx, s.User, s.Role))
	default:
		return takeRole(ctx, client, step)
	}
}

func takeRole(ctx context.Context, client etcd.Authority, step plan.AuthStep) error {
	switch s := step.(type) {
	case plan.AddRole:
		return unless(etcd.ErrRoleExists, client.AddRole(ctx, s.Role))
	case plan.DeleteRole:
		return unless(etcd.ErrRoleNotFound, client.DeleteRole(ctx, s.Role))
	case plan.GrantPermission:
		return client.GrantPermission(ctx, s.Role, permission(s.Permission))
	case plan.RevokePermission:
		return unless(etcd.ErrNotGranted, client.RevokePermission(ctx, s.Role, permission(s.Permission)))
	default:
		return fmt.Errorf("%w: %T", ErrNotForEtcd, step)
	}
}

func (d Door) withPassword(ctx context.Context, user, password string, do func(context.Context, string, etcd.Secret) error) error {
	secret, held := d.Passwords[password]
	if !held {
		return fmt.Errorf("set the password of user %s: it is not at hand", user)
	}
	return do(ctx, user, secret)
}

func permission(p plan.Permission) etcd.Permission {
	return etcd.Permission{Key: p.Key, RangeEnd: p.RangeEnd, Access: etcd.Access(p.Access)}
}

func unless(done, err error) error {
	if errors.Is(err, done) {
		return nil
	}
	return err
}

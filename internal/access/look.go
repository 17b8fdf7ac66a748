package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Door is the way to one cluster.
type Door struct {
	Dialer    etcd.Dialer
	Target    etcd.Target // a voter with a quorum behind it; no name and no password
	Passwords Passwords
}

// Look sees what etcd has. It goes through etcd's log several times, so it is not for polling. The client may take the next
// step; it is to be closed.
func (d Door) Look(ctx context.Context, a plan.Auth) (plan.AuthSeen, etcd.Client, error) {
	seen, client, err := d.enter(ctx, a)
	if err != nil {
		return plan.AuthSeen{}, nil, err
	}
	if seen.In {
		if err := list(ctx, client, &seen); err != nil {
			_ = client.Close()
			return plan.AuthSeen{}, nil, err
		}
	}
	return seen, client, nil
}

// enter looks whether etcd asks who calls, and gets in as root if it does.
func (d Door) enter(ctx context.Context, a plan.Auth) (plan.AuthSeen, etcd.Client, error) {
	client, err := d.Dialer.Dial(d.Target)
	if err != nil {
		return plan.AuthSeen{}, nil, err
	}
	status, err := client.AuthStatus(ctx)
	switch {
	case err != nil && !refused(err):
		_ = client.Close()
		return plan.AuthSeen{}, nil, fmt.Errorf("read whether authentication is on: %w", err)
	case err == nil && !status.Enabled:
		return plan.AuthSeen{In: true}, client, nil
	}
	for _, password := range a.Passwords() {
		root, err := d.asRoot(ctx, password)
		if errors.Is(err, etcd.ErrAuthFailed) {
			continue
		}
		_ = client.Close()
		return plan.AuthSeen{On: true, In: true, Password: password}, root, err
	}
	_, err = client.Users(ctx)
	if err != nil && !refused(err) {
		_ = client.Close()
		return plan.AuthSeen{}, nil, fmt.Errorf("look whether the certificate is that of root: %w", err)
	}
	return plan.AuthSeen{On: true, In: err == nil}, client, nil
}

// refused says whether etcd did not answer because of who asked.
func refused(err error) bool {
	return errors.Is(err, etcd.ErrAuthRequired) || errors.Is(err, etcd.ErrPermission) || errors.Is(err, etcd.ErrUserNotFound)
}

// asRoot logs in with a password. Over a connection that is shared with others and was logged in before, listing users shows as
// much, and costs less; unless it is the certificate that lets the operator in.
func (d Door) asRoot(ctx context.Context, password string) (etcd.Client, error) {
	secret, held := d.Passwords[password]
	if !held {
		return nil, fmt.Errorf("%w: a password of root that is on record is not at hand", etcd.ErrAuthFailed)
	}
	target := d.Target
	target.Username, target.Password = etcd.Root, secret
	client, err := d.Dialer.Dial(target)
	if err != nil {
		return nil, err
	}
	if certified(target) {
		err = client.LogIn(ctx)
	} else {
		_, err = client.Users(ctx)
	}
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("log in as root: %w", err)
	}
	return client, nil
}

func certified(t etcd.Target) bool {
	return t.TLS != nil && (len(t.TLS.Certificates) > 0 || t.TLS.GetClientCertificate != nil)
}

func list(ctx context.Context, client etcd.Client, seen *plan.AuthSeen) error {
	users, err := client.Users(ctx)
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	roles, err := client.Roles(ctx)
	if err != nil {
		return fmt.Errorf("list roles: %w", err)
	}
	for _, u := range users {
		seen.Users = append(seen.Users, plan.AuthUser{Name: u.Name, Roles: u.Roles})
	}
	for _, r := range roles {
		role := plan.AuthRole{Name: r.Name}
		for _, p := range r.Permissions {
			role.Permissions = append(role.Permissions, plan.Permission{Key: p.Key, RangeEnd: p.RangeEnd, Access: plan.Access(p.Access)})
		}
		seen.Roles = append(seen.Roles, role)
	}
	return nil
}

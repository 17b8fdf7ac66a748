package authentication

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/access"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// scene is all that is known of a cluster's authentication in one pass.
type scene struct {
	cluster   *v1alpha2.EtcdCluster
	secret    *corev1.Secret // the operator's own, nil if there is none
	root      resource.Root  // what it holds
	passwords access.Passwords
	auth      plan.Auth
	troubles  []string // what is wrong with Secrets, for people
	door      access.Door
	forgotten bool // nothing is kept any more
}

// survey reads what is declared and what is on record.
func (r *Reconciler) survey(ctx context.Context, c *v1alpha2.EtcdCluster, whole bool) (*scene, error) {
	s := &scene{cluster: c, passwords: access.Passwords{}, auth: plan.Auth{Whole: whole, Restored: resource.RestoreOf(c) != nil}}
	var err error
	if s.secret, err = r.secret(ctx, c.Namespace, resource.OperatorRootName(c.Name)); err != nil {
		return nil, err
	}
	s.root = resource.ParseRoot(s.secret)
	s.auth.Record = s.record()
	if c.Spec.Auth == nil {
		return s, nil
	}
	return s, r.declared(ctx, s)
}

// record is what was written down.
func (s *scene) record() plan.AuthRecord {
	record := plan.AuthRecord{Users: map[string]string{}, Next: s.digest(s.root.Next)}
	if kept := s.cluster.Status.Auth; kept != nil {
		record.Enabled, record.Adopted, record.Roles = kept.KeptOn, kept.Adopted, slices.Clone(kept.Roles)
		for _, u := range kept.Users {
			record.Users[u.Name] = u.PasswordDigest
		}
	}
	if s.root.Kept {
		record.Users[resource.RootUser] = s.digest(s.root.Password)
	}
	return record
}

func (s *scene) digest(password string) string {
	return s.passwords.Add(s.root.Digest, etcd.NewSecret(password))
}

// declared fills in what the spec says, with the passwords of the Secrets that it names.
func (r *Reconciler) declared(ctx context.Context, s *scene) (err error) {
	spec, want := s.cluster.Spec.Auth, &s.auth.Want
	want.Enabled = spec.Enabled
	if ref := spec.RootCredentialsSecretRef; ref != nil {
		if want.Root, err = r.password(ctx, s, ref.Name, resource.RootUser, "auth.rootCredentialsSecretRef"); err != nil {
			return err
		}
	}
	for i := range spec.Roles {
		want.Roles = append(want.Roles, roleOf(&spec.Roles[i]))
	}
	for i := range spec.Users {
		u := &spec.Users[i]
		password, err := r.password(ctx, s, u.PasswordSecretRef.Name, "", "the password of user "+u.Name)
		if err != nil {
			return err
		}
		want.Users = append(want.Users, plan.AuthUser{Name: u.Name, Roles: u.Roles, Password: password})
	}
	return nil
}

// password is the digest of the password in a Secret, empty if there is none that etcd takes.
func (r *Reconciler) password(ctx context.Context, s *scene, name, username, of string) (string, error) {
	secret, err := r.secret(ctx, s.cluster.Namespace, name)
	if err != nil {
		return "", err
	}
	var trouble string
	switch {
	case secret == nil:
		trouble = "is not there"
	case len(secret.Data[corev1.BasicAuthPasswordKey]) == 0:
		trouble = "has no key " + corev1.BasicAuthPasswordKey
	case username != "" && cmp.Or(string(secret.Data[corev1.BasicAuthUsernameKey]), username) != username:
		trouble = "is for another user than " + username
	default:
		password := etcd.NewSecret(string(secret.Data[corev1.BasicAuthPasswordKey]))
		if err := etcd.CheckPassword(password); err == nil {
			return s.passwords.Add(s.root.Digest, password), nil
		}
		trouble = fmt.Sprintf("holds a password of %d bytes, and etcd takes 1 to %d", len(password.Reveal()), etcd.MostPassword)
	}
	s.troubles = append(s.troubles, fmt.Sprintf("Secret %s (%s) %s", name, of, trouble))
	return "", nil
}

func roleOf(declared *v1alpha2.AuthRole) plan.AuthRole {
	role := plan.AuthRole{Name: declared.Name}
	for _, p := range declared.Permissions {
		access := accesses[p.Access]
		permission := etcd.Permission{Access: access}
		switch {
		case p.Key != nil:
			permission.Key = *p.Key
		case p.Prefix != nil:
			permission = etcd.Prefix(*p.Prefix, access)
		}
		role.Permissions = append(role.Permissions, plan.Permission{
			Key: permission.Key, RangeEnd: permission.RangeEnd, Access: plan.Access(permission.Access),
		})
	}
	return role
}

var accesses = map[v1alpha2.AuthAccess]etcd.Access{
	v1alpha2.AuthRead: etcd.Read, v1alpha2.AuthWrite: etcd.Write, v1alpha2.AuthReadWrite: etcd.ReadWrite,
}

// forgettable is true when nothing is declared, and etcd was seen to have nothing left of what was.
func (s *scene) forgettable() bool {
	users := len(s.auth.Record.Users)
	if _, root := s.auth.Record.Users[resource.RootUser]; root {
		users--
	}
	return s.cluster.Spec.Auth == nil && s.looked() && !s.auth.Seen.On && !s.auth.Record.Enabled && users == 0 && len(s.auth.Record.Roles) == 0
}

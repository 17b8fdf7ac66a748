package etcdtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// What the scenarios log in with.
var (
	rootPassword = etcd.NewSecret("root's own")
	appPassword  = etcd.NewSecret("app's own")
	newPassword  = etcd.NewSecret("another one")
)

func governing(t *testing.T, c *cluster) {
	c.found(t, "a")
	a := c.to(t, "a")

	step(t, "it is off, nobody is asked, and any name will do", func(t *testing.T) {
		status, err := a.AuthStatus(within(t, patience))
		if err != nil || status.Enabled || status.Revision != 1 {
			t.Errorf("got %+v, %v", status, err)
		}
		stranger := c.as(t, "a", "stranger", appPassword)
		wantOK(t, "read", stranger.Read(within(t, patience)))
		_, err = stranger.Status(within(t, patience))
		wantOK(t, "read status", err)
	})
	step(t, "it cannot be enabled before root has the role root", func(t *testing.T) {
		wantErr(t, "enable without root", a.EnableAuth(within(t, patience)), etcd.ErrRootMissing)
		wantOK(t, "add root", a.AddUser(within(t, patience), etcd.Root, rootPassword))
		wantErr(t, "enable without the role", a.EnableAuth(within(t, patience)), etcd.ErrRootMissing)
		wantOK(t, "disable what is off", a.DisableAuth(within(t, patience)))
	})
	step(t, "users are listed with their roles, and roles with their permissions", func(t *testing.T) { c.checkUsers(t, a) })
	step(t, "what is not there is named", func(t *testing.T) { checkMissing(t, a) })
	step(t, "what cannot be is refused", func(t *testing.T) {
		wantErr(t, "add a user twice", a.AddUser(within(t, patience), "app", appPassword), etcd.ErrUserExists)
		wantErr(t, "add a role twice", a.AddRole(within(t, patience), "reader"), etcd.ErrRoleExists)
		for _, password := range []string{"", strings.Repeat("x", 73)} {
			wantErr(t, "add", a.AddUser(within(t, patience), "new", etcd.NewSecret(password)), etcd.ErrBadPassword)
			wantErr(t, "change", a.ChangePassword(within(t, patience), "app", etcd.NewSecret(password)), etcd.ErrBadPassword)
		}
		longest := etcd.NewSecret(strings.Repeat("x", 72))
		wantOK(t, "change to the longest password", a.ChangePassword(within(t, patience), "app", longest))
		for _, keys := range [][2]string{{"", ""}, {"", "b"}, {"b", "b"}, {"b", "a"}} {
			p := etcd.Permission{Key: keys[0], RangeEnd: keys[1], Access: etcd.Read}
			wantErr(t, "grant", a.GrantPermission(within(t, patience), "reader", p), etcd.ErrBadRange)
		}
		if a.AddUser(within(t, patience), "", appPassword) == nil || a.AddRole(within(t, patience), "") == nil {
			t.Error("an empty name is taken")
		}
	})
	step(t, "a permission is replaced, unless another one begins with the same key", func(t *testing.T) { checkPermissions(t, a) })
	step(t, "a deleted role is taken from its users, and a user may go with roles", func(t *testing.T) {
		wantOK(t, "delete role", a.DeleteRole(within(t, patience), "reader"))
		wantUsers(t, a, etcd.User{Name: "app", Roles: []string{"writer"}}, etcd.User{Name: etcd.Root, Roles: []string{etcd.Root}})
		wantOK(t, "delete user", a.DeleteUser(within(t, patience), "app"))
		wantOK(t, "delete root", a.DeleteUser(within(t, patience), etcd.Root))
		wantUsers(t, a)
	})
}

func (c *cluster) checkUsers(t *testing.T, a etcd.Client) {
	t.Helper()
	before, err := a.AuthStatus(within(t, patience))
	wantOK(t, "read status", err)
	for _, role := range []string{etcd.Root, "writer", "reader"} {
		wantOK(t, "add role", a.AddRole(within(t, patience), role))
	}
	wantOK(t, "add user", a.AddUser(within(t, patience), "app", appPassword))
	for _, role := range []string{"writer", "reader", "writer"} {
		wantOK(t, "grant role", a.GrantRole(within(t, patience), "app", role))
	}
	wantOK(t, "grant root", a.GrantRole(within(t, patience), etcd.Root, etcd.Root))
	wantUsers(t, a, etcd.User{Name: "app", Roles: []string{"reader", "writer"}}, etcd.User{Name: etcd.Root, Roles: []string{etcd.Root}})

	everything, mine := etcd.Prefix("", etcd.Read), etcd.Prefix("app/", etcd.Write)
	one := etcd.Permission{Key: "b", Access: etcd.ReadWrite}
	wantOK(t, "grant all keys", a.GrantPermission(within(t, patience), "reader", everything))
	wantOK(t, "grant a key", a.GrantPermission(within(t, patience), "writer", one))
	wantOK(t, "grant a prefix", a.GrantPermission(within(t, patience), "writer", mine))
	wantRoles(t, a,
		etcd.Role{Name: "reader", Permissions: []etcd.Permission{everything}}, etcd.Role{Name: etcd.Root},
		etcd.Role{Name: "writer", Permissions: []etcd.Permission{mine, one}})
	after, err := a.AuthStatus(within(t, patience))
	if err != nil || after.Revision != before.Revision+10 {
		t.Errorf("revision %d, %v, after 10 changes since revision %d", after.Revision, err, before.Revision)
	}
}

func checkMissing(t *testing.T, a etcd.Client) {
	t.Helper()
	p := etcd.Prefix("x/", etcd.Read)
	wantErr(t, "password of nobody", a.ChangePassword(within(t, patience), "nobody", appPassword), etcd.ErrUserNotFound)
	wantErr(t, "delete nobody", a.DeleteUser(within(t, patience), "nobody"), etcd.ErrUserNotFound)
	wantErr(t, "grant to nobody", a.GrantRole(within(t, patience), "nobody", "reader"), etcd.ErrUserNotFound)
	wantErr(t, "revoke from nobody", a.RevokeRole(within(t, patience), "nobody", "reader"), etcd.ErrUserNotFound)
	wantErr(t, "grant nothing", a.GrantRole(within(t, patience), "app", "nothing"), etcd.ErrRoleNotFound)
	wantErr(t, "revoke nothing", a.RevokeRole(within(t, patience), "app", "nothing"), etcd.ErrNotGranted)
	wantErr(t, "delete nothing", a.DeleteRole(within(t, patience), "nothing"), etcd.ErrRoleNotFound)
	wantErr(t, "permit nothing", a.GrantPermission(within(t, patience), "nothing", p), etcd.ErrRoleNotFound)
	wantErr(t, "forbid nothing", a.RevokePermission(within(t, patience), "nothing", p), etcd.ErrRoleNotFound)
	wantErr(t, "forbid what was not allowed", a.RevokePermission(within(t, patience), "reader", p), etcd.ErrNotGranted)
}

func checkPermissions(t *testing.T, a etcd.Client) {
	t.Helper()
	one := etcd.Permission{Key: "k", Access: etcd.Read}
	all := etcd.Prefix("k", etcd.Read)
	allWritable := etcd.Prefix("k", etcd.ReadWrite)
	wantOK(t, "add role", a.AddRole(within(t, patience), "keys"))
	grant := func(p etcd.Permission, want ...etcd.Permission) {
		t.Helper()
		wantOK(t, "grant", a.GrantPermission(within(t, patience), "keys", p))
		wantPermissions(t, a, "keys", want...)
	}
	grant(all, all)
	grant(allWritable, allWritable)
	wantOK(t, "revoke, whatever the access", a.RevokePermission(within(t, patience), "keys", all))
	grant(one, one)
	grant(all, one, all)
	grant(allWritable, one, all, allWritable) // the trap: the old access stays
	wantOK(t, "revoke both", a.RevokePermission(within(t, patience), "keys", all))
	grant(allWritable, one, allWritable)
	wantOK(t, "delete role", a.DeleteRole(within(t, patience), "keys"))
}

func wantUsers(t *testing.T, a etcd.Client, want ...etcd.User) {
	t.Helper()
	got, err := a.Users(within(t, patience))
	if err != nil || !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func wantRoles(t *testing.T, a etcd.Client, want ...etcd.Role) {
	t.Helper()
	got, err := a.Roles(within(t, patience))
	if err != nil || !cmp.Equal(got, want, cmpopts.EquateEmpty()) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func wantPermissions(t *testing.T, a etcd.Client, role string, want ...etcd.Permission) {
	t.Helper()
	roles, err := a.Roles(within(t, patience))
	wantOK(t, "list roles", err)
	i := slices.IndexFunc(roles, func(r etcd.Role) bool { return r.Name == role })
	if i < 0 || !cmp.Equal(roles[i].Permissions, want, cmpopts.EquateEmpty(), cmpopts.SortSlices(lessPermission)) {
		t.Errorf("got %+v, want %s with %+v", roles, role, want)
	}
}

func lessPermission(p, q etcd.Permission) bool {
	return p.Key+p.RangeEnd+string(p.Access) < q.Key+q.RangeEnd+string(q.Access)
}

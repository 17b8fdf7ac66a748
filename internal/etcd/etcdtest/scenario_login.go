package etcdtest

import (
	"context"
	"errors"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// enable makes root, app with its role, and switches authentication on. From then on members are dialled as root.
func (c *cluster) enable(t *testing.T, via string) {
	t.Helper()
	client := c.to(t, via)
	wantOK(t, "add root", client.AddUser(within(t, patience), etcd.Root, rootPassword))
	wantOK(t, "add role root", client.AddRole(within(t, patience), etcd.Root))
	wantOK(t, "grant role root", client.GrantRole(within(t, patience), etcd.Root, etcd.Root))
	wantOK(t, "add app", client.AddUser(within(t, patience), "app", appPassword))
	wantOK(t, "add role app", client.AddRole(within(t, patience), "app"))
	wantOK(t, "grant role app", client.GrantRole(within(t, patience), "app", "app"))
	wantOK(t, "grant prefix app/", client.GrantPermission(within(t, patience), "app", etcd.Prefix("app/", etcd.ReadWrite)))
	wantOK(t, "enable", client.EnableAuth(within(t, patience)))
	c.user, c.password = etcd.Root, rootPassword
	c.wantAuth(t, via, true)
}

func (c *cluster) wantAuth(t *testing.T, via string, on bool) {
	t.Helper()
	status, err := c.to(t, via).AuthStatus(within(t, patience))
	if err != nil || status.Enabled != on {
		t.Errorf("%s says %+v, %v, want enabled %t", via, status, err, on)
	}
}

// right is what a call takes.
type right int

const (
	none right = iota
	anyUser
	reading // of the probe's key
	root
)

// request is a call, the right that it takes, and what it is answered who has that.
type request struct {
	name   string
	needs  right
	make   func(context.Context, etcd.Client) error
	answer error
}

// requests harm nothing: whatever would change the members is about somebody who is not there.
func (c *cluster) requests() []request {
	ofStatus := root
	if differencesOf(c.h.Version()).statusOfAuth {
		ofStatus = none
	}
	return []request{
		{"read status", anyUser, func(ctx context.Context, e etcd.Client) error { _, err := e.Status(ctx); return err }, nil},
		{"list members", anyUser, func(ctx context.Context, e etcd.Client) error { _, err := e.Members(ctx); return err }, nil},
		{"list alarms", anyUser, func(ctx context.Context, e etcd.Client) error { _, err := e.Alarms(ctx); return err }, nil},
		{"read", reading, func(ctx context.Context, e etcd.Client) error { return e.Read(ctx) }, nil},
		{"read locally", reading, func(ctx context.Context, e etcd.Client) error { return e.ReadLocal(ctx) }, nil},
		{"hash", root, func(ctx context.Context, e etcd.Client) error { _, err := e.HashKV(ctx, 0); return err }, nil},
		{"move leader", root, func(ctx context.Context, e etcd.Client) error { return e.MoveLeader(ctx, unknown) }, etcd.ErrBadTransferee},
		{"disarm", root, func(ctx context.Context, e etcd.Client) error {
			return e.Disarm(ctx, etcd.Alarm{MemberID: unknown, Type: etcd.AlarmNoSpace})
		}, nil},
		{"validate a downgrade", root, func(ctx context.Context, e etcd.Client) error {
			return e.ValidateDowngrade(ctx, "3.1.0")
		}, etcd.ErrDowngradeTarget},
		{"enable a downgrade", root, func(ctx context.Context, e etcd.Client) error {
			return e.EnableDowngrade(ctx, "3.1.0")
		}, etcd.ErrDowngradeTarget},
		{"cancel a downgrade", root, func(ctx context.Context, e etcd.Client) error { return e.CancelDowngrade(ctx) }, nil},
		{"add a learner", root, func(ctx context.Context, e etcd.Client) error {
			url, _ := c.h.Address("a")
			_, err := e.AddLearner(ctx, url)
			return err
		}, etcd.ErrPeerURLExists},
		{"promote", root, func(ctx context.Context, e etcd.Client) error { return e.Promote(ctx, unknown) }, etcd.ErrMemberNotFound},
		{"readdress", root, func(ctx context.Context, e etcd.Client) error {
			return e.Readdress(ctx, unknown, "http://127.0.0.1:1")
		}, etcd.ErrMemberNotFound},
		{"remove", root, func(ctx context.Context, e etcd.Client) error { return e.Remove(ctx, unknown) }, etcd.ErrMemberNotFound},
		{"read auth status", ofStatus, func(ctx context.Context, e etcd.Client) error { _, err := e.AuthStatus(ctx); return err }, nil},
		{"list users", root, func(ctx context.Context, e etcd.Client) error { _, err := e.Users(ctx); return err }, nil},
		{"list roles", root, func(ctx context.Context, e etcd.Client) error { _, err := e.Roles(ctx); return err }, nil},
		{"enable", root, func(ctx context.Context, e etcd.Client) error { return e.EnableAuth(ctx) }, nil},
		{"add user", root, func(ctx context.Context, e etcd.Client) error { return e.AddUser(ctx, "app", appPassword) }, etcd.ErrUserExists},
		{"delete user", root, func(ctx context.Context, e etcd.Client) error { return e.DeleteUser(ctx, etcd.Root) }, etcd.ErrRootProtected},
		{"delete role", root, func(ctx context.Context, e etcd.Client) error { return e.DeleteRole(ctx, etcd.Root) }, etcd.ErrRootProtected},
		{"revoke role", root, func(ctx context.Context, e etcd.Client) error {
			return e.RevokeRole(ctx, etcd.Root, etcd.Root)
		}, etcd.ErrRootProtected},
		{"permit", root, func(ctx context.Context, e etcd.Client) error {
			return e.GrantPermission(ctx, "nothing", etcd.Prefix("", etcd.Read))
		}, etcd.ErrRoleNotFound},
	}
}

// checkRights makes all requests as somebody who has a right, and wants a refusal of those that take more.
func (c *cluster) checkRights(t *testing.T, client etcd.Client, has right, refusal error) {
	t.Helper()
	for _, r := range c.requests() {
		want := r.answer
		if r.needs > has {
			want = refusal
		}
		if err := r.make(within(t, patience), client); want == nil && err != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", r.name, err, want)
		}
	}
}

func authenticating(t *testing.T, c *cluster) {
	c.found(t, "a")
	early := c.as(t, "a", etcd.Root, rootPassword)
	nobody := c.as(t, "a", "", etcd.Secret{})
	wantOK(t, "read, before anybody is asked", early.Read(within(t, patience)))
	wantErr(t, "log in, before anybody is asked", early.LogIn(within(t, patience)), etcd.ErrAuthOff)
	c.enable(t, "a")
	app := c.as(t, "a", "app", appPassword)

	step(t, "root may do everything, also over a connection from before", func(t *testing.T) {
		c.checkRights(t, early, root, nil)
		c.checkRights(t, c.to(t, "a"), root, nil)
	})
	step(t, "who does not say who he is may do nothing", func(t *testing.T) { c.checkRights(t, nobody, none, etcd.ErrAuthRequired) })
	step(t, "nor who has no password that is right", func(t *testing.T) {
		c.checkRights(t, c.as(t, "a", etcd.Root, appPassword), none, etcd.ErrAuthFailed)
		c.checkRights(t, c.as(t, "a", "stranger", appPassword), none, etcd.ErrAuthFailed)
	})
	step(t, "logging in shows whether a password is right", func(t *testing.T) {
		wantOK(t, "root", c.to(t, "a").LogIn(within(t, patience)))
		wantOK(t, "app", app.LogIn(within(t, patience)))
		wantErr(t, "app as root", c.as(t, "a", etcd.Root, appPassword).LogIn(within(t, patience)), etcd.ErrAuthFailed)
		wantErr(t, "nobody", nobody.LogIn(within(t, patience)), etcd.ErrAuthFailed)
	})
	step(t, "any user may look at the members", func(t *testing.T) { c.checkRights(t, app, anyUser, etcd.ErrPermission) })
	step(t, "and read what its role says", func(t *testing.T) {
		probe := etcd.Permission{Key: etcd.ProbeKey, Access: etcd.Read}
		wantOK(t, "permit", c.to(t, "a").GrantPermission(within(t, patience), "app", probe))
		c.checkRights(t, app, reading, etcd.ErrPermission)
	})
	step(t, "a changed password ends what was logged in with the old one", func(t *testing.T) {
		wantOK(t, "change", early.ChangePassword(within(t, patience), etcd.Root, newPassword))
		wantErr(t, "read with the old one", early.Read(within(t, patience)), etcd.ErrAuthFailed)
		_, err := early.Status(within(t, patience))
		wantErr(t, "read status with the old one", err, etcd.ErrAuthFailed)
		c.password = newPassword
		c.checkRights(t, c.to(t, "a"), root, nil)
		wantOK(t, "read as another user", app.Read(within(t, patience)))
	})
	step(t, "a deleted user is nobody", func(t *testing.T) {
		wantOK(t, "delete", c.to(t, "a").DeleteUser(within(t, patience), "app"))
		wantErr(t, "read", app.Read(within(t, patience)), etcd.ErrAuthFailed)
	})
	step(t, "only root disables it, users and roles stay, and nobody is asked any more", func(t *testing.T) {
		wantErr(t, "disable", nobody.DisableAuth(within(t, patience)), etcd.ErrAuthRequired)
		wantOK(t, "disable", c.to(t, "a").DisableAuth(within(t, patience)))
		c.wantAuth(t, "a", false)
		wantOK(t, "read", nobody.Read(within(t, patience)))
		wantOK(t, "read with an old password", early.Read(within(t, patience)))
		wantUsers(t, nobody, etcd.User{Name: etcd.Root, Roles: []string{etcd.Root}})
	})
	step(t, "enabled again, it takes the password that root has", func(t *testing.T) {
		root := c.to(t, "a")
		wantOK(t, "read", root.Read(within(t, patience)))
		wantOK(t, "enable", nobody.EnableAuth(within(t, patience)))
		wantOK(t, "read", root.Read(within(t, patience)))
		wantErr(t, "read with an old password", early.Read(within(t, patience)), etcd.ErrAuthFailed)
	})
}

func belonging(t *testing.T, c *cluster) {
	voters := []string{"a", "b", "c"}
	c.found(t, voters...)
	c.enable(t, "b")
	leader, followers := c.roles(t, voters...)
	clients := map[string]etcd.Client{}
	for _, name := range voters {
		clients[name] = c.to(t, name)
		wantOK(t, "read", clients[name].Read(within(t, patience)))
	}
	c.h.Pass(healthy)

	step(t, "a member that restarts still asks, and knows no token", func(t *testing.T) {
		c.h.Kill(t, followers[0])
		c.restart(t, followers[0])
		c.waitServing(t, followers[0])
		wantOK(t, "read", clients[followers[0]].Read(within(t, patience)))
		wantErr(t, "read as nobody", c.as(t, followers[0], "", etcd.Secret{}).ReadLocal(within(t, patience)), etcd.ErrAuthRequired)
	})
	step(t, "a learner lets nobody log in, and takes what a voter gives out", func(t *testing.T) {
		added := c.add(t, leader, "d")
		c.join(t, "d", voters...)
		_, clientURL := c.h.Address("d")
		alone, err := c.h.Dialer().Dial(etcd.Target{Endpoint: clientURL, Username: etcd.Root, Password: rootPassword})
		wantOK(t, "dial", err)
		defer alone.Close()
		_, err = alone.Status(within(t, patience))
		wantErr(t, "read status", err, etcd.ErrAuthRequired)
		wantErr(t, "log in", alone.LogIn(within(t, patience)), etcd.ErrLearnerRefuses)
		wantOK(t, "log in at a voter", c.to(t, "d").LogIn(within(t, patience)))
		if s := c.status(t, "d"); !s.Learner {
			t.Errorf("it says %+v", s)
		}
		wantOK(t, "read locally", c.to(t, "d").ReadLocal(within(t, patience)))
		c.promote(t, leader, added.ID)
		c.waitServing(t, "d")
		wantOK(t, "read", c.to(t, "d").Read(within(t, patience)))
	})
	step(t, "without a quorum nobody logs in, and who is logged in is answered", func(t *testing.T) {
		last := followers[1]
		wantOK(t, "read", clients[last].Read(within(t, patience)))
		for _, name := range []string{leader, followers[0], "d"} {
			c.h.Kill(t, name)
		}
		c.h.Pass(noticed)
		wantOK(t, "read locally", clients[last].ReadLocal(within(t, patience)))
		_, err := clients[last].Status(within(t, patience))
		wantOK(t, "read status", err)
		_, err = c.to(t, last).Status(within(t, deadline))
		wantErr(t, "read status over a new connection", err, etcd.ErrAuthRequired)
	})
}

package plan

import (
	"slices"
	"strings"
	"testing"
)

// settled is a cluster with authentication on, in which all is as declared.
func settled() Auth {
	return Auth{
		Whole: true,
		Want:  AuthWant{Enabled: true, Root: "A", Roles: roleR, Users: userU("A", "r")},
		Record: AuthRecord{
			Enabled: true, Users: map[string]string{"root": "A", "u": "A"}, Roles: []string{"r"},
		},
		Seen: AuthSeen{
			On: true, In: true, Password: "A",
			Users: []AuthUser{{Name: "root", Roles: []string{"root"}}, {Name: "u", Roles: []string{"r"}}},
			Roles: []AuthRole{{Name: "r", Permissions: []Permission{permOne, permMany}}, {Name: "root"}},
		},
	}
}

// permissions sets what role r has, and what is declared for it if that is another thing.
func permissions(have []Permission, want ...Permission) func(*Auth) {
	return func(a *Auth) {
		a.Seen.Roles[0].Permissions = have
		if len(want) > 0 {
			a.Want.Roles = []AuthRole{{Name: "r", Permissions: want}}
		}
	}
}

func TestAuthTakesTheStepThatIsNextAndSaysWhy(t *testing.T) {
	key := func(access Access) Permission { return Permission{Key: "a", Access: access} }
	prefix := func(access Access) Permission { return Permission{Key: "a", RangeEnd: "b", Access: access} }
	for _, tc := range []struct {
		claim   string
		change  func(*Auth)
		step    AuthStep
		outlook Outlook
		reason  string
		says    string
	}{
		{"what is as declared is left alone", func(*Auth) {}, Nothing{}, Fulfilled, "AsDesired",
			"authentication is on; users as declared: 1, roles as declared: 1"},
		{"what somebody else enabled is left on", func(a *Auth) { a.Want.Enabled, a.Record.Enabled = false, false }, Nothing{}, Fulfilled,
			"AsDesired", "on, and not by this operator"},
		{"no credentials are said to be missing", func(a *Auth) {
			a.Seen.In, a.Seen.Password, a.Want, a.Record = false, "", AuthWant{}, AuthRecord{}
		}, Nothing{}, Stuck, "AuthRequiredNotConfigured", "no credentials are configured"},
		{"wrong ones are counted", func(a *Auth) { a.Seen.In, a.Seen.Password, a.Want.Root, a.Record.Next = false, "", "B", "C" },
			Nothing{}, Stuck, "RootRefused", "(3 tried)"},
		{"nothing is enabled before the cluster is whole", func(a *Auth) { a.Seen.On, a.Seen.Password, a.Whole = false, "", false },
			Nothing{}, Waiting, "AwaitingWholeCluster", "waiting for all members"},
		{"that it will be enabled is recorded first", func(a *Auth) { a.Seen.On, a.Seen.Password, a.Record.Enabled = false, "", false },
			RecordAuth{true}, Working, "EnablingAuth", "about to be enabled"},
		{"nothing is enabled before the users are there", func(a *Auth) {
			a.Seen.On, a.Seen.Password, a.Seen.Users = false, "", a.Seen.Users[:1]
			a.Record.Users["u"] = ""
		}, AddUser{"u", "A"}, Working, "KeepingUsers", "making user u"},
		{"with root's Secret gone all else is kept", func(a *Auth) { a.Want.Root, a.Seen.Users[1].Roles = "", nil }, GrantRole{"u", "r"},
			Working, "KeepingUsers", "granting role r to user u"},
		{"and it is said to be missing", func(a *Auth) { a.Want.Root = "" }, Nothing{}, Waiting, "CredentialsMissing", "the password of root"},
		{"a new password of root is recorded beside the old one", func(a *Auth) { a.Want.Root = "B" }, RecordNext{"B"}, Working,
			"ChangingRootPassword", "beside the one that root has"},
		{"a change of root's password is finished before the next begins", func(a *Auth) { a.Want.Root, a.Record.Next = "C", "B" },
			SetPassword{"root", "B"}, Working, "ChangingRootPassword", "changing the password of root"},
		{"it is finished when root is let in", func(a *Auth) { a.Want.Root, a.Record.Next, a.Seen.Password = "C", "B", "B" },
			RecordPassword{"root", "B"}, Working, "ChangingRootPassword", "has its new password"},
		{"a password that etcd takes without effect is said", func(a *Auth) { a.Record.Next, a.Seen.Password = "B", "" },
			SetPassword{"root", "B"}, Working, "ChangingRootPassword", "root was made without one"},
		{"a missing permission is granted", permissions([]Permission{permOne}), GrantPermission{"r", permMany}, Working, "KeepingRoles",
			`granting role r write access to keys from "b" up to "c"`},
		{"a permission too many is revoked", permissions([]Permission{permOne, permMany, {Key: "z", RangeEnd: "\x00", Access: AccessRead}}),
			RevokePermission{"r", Permission{"z", "\x00", AccessRead}}, Working, "KeepingRoles", `keys from "z" on: it is not declared`},
		{"another access is replaced", permissions([]Permission{key(AccessWrite)}, key(AccessRead)), GrantPermission{"r", key(AccessRead)},
			Working, "KeepingRoles", `granting role r read access to key "a"`},
		{"beside one that begins with the same key it is revoked first",
			permissions([]Permission{key(AccessRead), prefix(AccessWrite)}, key(AccessRead), prefix(AccessRead)),
			RevokePermission{"r", prefix(AccessRead)}, Working, "KeepingRoles", "to grant read"},
		{"so is one that is there twice", permissions([]Permission{key(AccessRead), key(AccessWrite)}, key(AccessRead)),
			RevokePermission{"r", key(AccessRead)}, Working, "KeepingRoles", "to grant read"},
		{"two that are declared for the same keys are one", permissions([]Permission{key(AccessReadWrite)}, key(AccessRead), key(AccessWrite)),
			Nothing{}, Fulfilled, "AsDesired", ""},
		{"a role too many is revoked", func(a *Auth) { a.Seen.Users[1].Roles = []string{"r", "root"} }, RevokeRole{"u", "root"}, Working,
			"KeepingUsers", "revoking role root from user u"},
		{"a role that is not there is waited for", func(a *Auth) { a.Want.Users = userU("A", "r", "s") }, Nothing{}, Waiting,
			"CredentialsMissing", "role s of user u"},
		{"a user whose Secret is gone stays", func(a *Auth) { a.Want.Users = userU("", "r") }, Nothing{}, Waiting, "CredentialsMissing",
			"the password of user u"},
		{"that a password changes is recorded first", func(a *Auth) { a.Want.Users = userU("B", "r") }, RecordUser{"u"}, Working,
			"KeepingUsers", "about to get a password"},
		{"then it is set", func(a *Auth) { a.Want.Users, a.Record.Users["u"] = userU("B", "r"), "" }, SetPassword{"u", "B"}, Working,
			"KeepingUsers", "setting the password of user u"},
		{"somebody else's user and role are left alone", func(a *Auth) {
			a.Record.Roles = nil
			delete(a.Record.Users, "u")
			a.Seen.Users[1].Roles, a.Seen.Roles[0].Permissions = nil, nil
		}, Nothing{}, Stuck, "AuthConflict", "left alone (2): role r, user u"},
		{"but for those that came with a snapshot, which are taken over", func(a *Auth) { a.Restored, a.Record.Roles = true, nil },
			RecordRole{"r"}, Working, "KeepingRoles", "role r is the operator's"},
		{"those that came with a snapshot are taken over once", func(a *Auth) { a.Restored = true }, RecordAdopted{}, Working,
			"KeepingUsers", "were taken over"},
		{"root is nobody's user", func(a *Auth) { a.Want.Users = []AuthUser{{Name: "root", Password: "B"}}; delete(a.Record.Users, "u") },
			Nothing{}, Stuck, "AuthConflict", "(1): user root"},
		{"users go before their roles", func(a *Auth) { a.Want.Users, a.Want.Roles = nil, nil }, DeleteUser{"u"}, Working, "KeepingUsers",
			"not declared any more"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			a := settled()
			tc.change(&a)
			d := NextAuth(a)
			if d.Step != tc.step || d.Outlook != tc.outlook || d.Reason != tc.reason || !strings.Contains(d.Message, tc.says) {
				t.Errorf("got %+v, want %+v, %s, %s and %q in it", d, tc.step, tc.outlook, tc.reason, tc.says)
			}
		})
	}
}

func TestAuthTriesThePasswordThatIsOnRecordFirst(t *testing.T) {
	a := settled()
	a.Want.Root, a.Record.Next = "C", "B"
	if got := a.Passwords(); !slices.Equal(got, []string{"A", "B", "C"}) {
		t.Errorf("got %v", got)
	}
	a.Want.Root, a.Record.Next = "A", ""
	if got := a.Passwords(); !slices.Equal(got, []string{"A"}) {
		t.Errorf("got %v", got)
	}
}

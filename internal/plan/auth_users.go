package plan

import (
	"fmt"
	"maps"
	"slices"
)

// foreignRole says whether a role that is declared is somebody else's.
func (a Auth) foreignRole(name string) bool {
	return name == rootName || !a.adopting() && a.Seen.hasRole(name) && !slices.Contains(a.Record.Roles, name)
}

// foreignUser says whether a user that is declared is somebody else's.
func (a Auth) foreignUser(name string) bool {
	_, exists := a.Seen.user(name)
	_, ours := a.Record.Users[name]
	return name == rootName || !a.adopting() && exists && !ours
}

// grantable says whether a role is there and is what is meant: not one that is declared and that somebody else made.
func (a Auth) grantable(role string) bool {
	declared := slices.ContainsFunc(a.Want.Roles, func(r AuthRole) bool { return r.Name == role })
	return a.Seen.hasRole(role) && (!declared || !a.foreignRole(role))
}

func keepRoles(a Auth) (AuthDecision, bool) {
	for _, want := range a.Want.Roles {
		if a.foreignRole(want.Name) {
			continue
		}
		have, exists := a.Seen.role(want.Name)
		switch {
		case !slices.Contains(a.Record.Roles, want.Name):
			return authStep(RecordRole{want.Name}, "KeepingRoles", "recording that role %s is the operator's", want.Name)
		case !exists:
			return authStep(AddRole{want.Name}, "KeepingRoles", "making role %s", want.Name)
		}
		if d, ok := keepPermissions(want.Name, merged(want.Permissions), have.Permissions); ok {
			return d, ok
		}
	}
	return AuthDecision{}, false
}

// merged gives one permission for the same keys that allows all that several do.
func merged(permissions []Permission) (all []Permission) {
	for _, p := range permissions {
		i := slices.IndexFunc(all, p.sameKeys)
		switch {
		case i < 0:
			all = append(all, p)
		case all[i].Access != p.Access:
			all[i].Access = AccessReadWrite
		}
	}
	return all
}

func (p Permission) sameKeys(other Permission) bool {
	return p.Key == other.Key && p.RangeEnd == other.RangeEnd
}

// keepPermissions grants before it revokes. Where a role has several permissions that begin with the same key, etcd may leave
// the one that is to be replaced, so that must go first.
func keepPermissions(role string, want, have []Permission) (AuthDecision, bool) {
	for _, p := range want {
		same := count(have, p.sameKeys)
		switch {
		case same == 1 && slices.Contains(have, p):
		case same > 1, same == 1 && count(have, func(other Permission) bool { return other.Key == p.Key }) > 1:
			return authStep(RevokePermission{role, p}, "KeepingRoles", "revoking the access of role %s to %s, to grant %s", role, p.keys(), p.Access)
		default:
			return authStep(GrantPermission{role, p}, "KeepingRoles", "granting role %s %s access to %s", role, p.Access, p.keys())
		}
	}
	for _, p := range have {
		if !slices.ContainsFunc(want, p.sameKeys) {
			return authStep(RevokePermission{role, p}, "KeepingRoles", "revoking the access of role %s to %s: it is not declared", role, p.keys())
		}
	}
	return AuthDecision{}, false
}

func count(permissions []Permission, is func(Permission) bool) (n int) {
	for _, p := range permissions {
		if is(p) {
			n++
		}
	}
	return n
}

// keys are the keys of p, for people.
func (p Permission) keys() string {
	switch p.RangeEnd {
	case "":
		return fmt.Sprintf("key %q", p.Key)
	case "\x00":
		return fmt.Sprintf("keys from %q on", p.Key)
	}
	return fmt.Sprintf("keys from %q up to %q", p.Key, p.RangeEnd)
}

func keepUsers(a Auth) (AuthDecision, bool) {
	for _, want := range a.Want.Users {
		if a.foreignUser(want.Name) {
			continue
		}
		have, exists := a.Seen.user(want.Name)
		if d, ok := a.keepUser(want, exists); ok {
			return d, ok
		}
		if !exists {
			continue
		}
		if d, ok := a.keepGrants(want, have.Roles); ok {
			return d, ok
		}
	}
	return AuthDecision{}, false
}

// keepUser makes a user, and gives it its password. That a password is about to change is recorded first: else, cut off in
// between and the Secret set back, nobody would know that etcd has another one.
func (a Auth) keepUser(want AuthUser, exists bool) (AuthDecision, bool) {
	known, ours := a.Record.Users[want.Name]
	switch {
	case want.Password == "" || exists && known == want.Password:
		return AuthDecision{}, false
	case !ours:
		return authStep(RecordUser{want.Name}, "KeepingUsers", "recording that user %s is the operator's", want.Name)
	case known != "":
		return authStep(RecordUser{want.Name}, "KeepingUsers", "recording that user %s is about to get a password", want.Name)
	case !exists:
		return authStep(AddUser{want.Name, want.Password}, "KeepingUsers", "making user %s", want.Name)
	default:
		return authStep(SetPassword{want.Name, want.Password}, "KeepingUsers", "setting the password of user %s", want.Name)
	}
}

func (a Auth) keepGrants(want AuthUser, have []string) (AuthDecision, bool) {
	for _, role := range want.Roles {
		if !slices.Contains(have, role) && a.grantable(role) {
			return authStep(GrantRole{want.Name, role}, "KeepingUsers", "granting role %s to user %s", role, want.Name)
		}
	}
	for _, role := range have {
		if !slices.Contains(want.Roles, role) {
			return authStep(RevokeRole{want.Name, role}, "KeepingUsers", "revoking role %s from user %s: it is not declared", role, want.Name)
		}
	}
	return AuthDecision{}, false
}

// dropSurplus deletes what is ours and not declared any more, but for root.
func dropSurplus(a Auth) (AuthDecision, bool) {
	for _, name := range slices.Sorted(maps.Keys(a.Record.Users)) {
		declared := slices.ContainsFunc(a.Want.Users, func(u AuthUser) bool { return u.Name == name })
		if _, exists := a.Seen.user(name); name == rootName || declared {
			continue
		} else if exists {
			return authStep(DeleteUser{name}, "KeepingUsers", "deleting user %s: it is not declared any more", name)
		}
		return authStep(ForgetUser{name}, "KeepingUsers", "recording that user %s is gone", name)
	}
	for _, name := range a.Record.Roles {
		switch declared := slices.ContainsFunc(a.Want.Roles, func(r AuthRole) bool { return r.Name == name }); {
		case declared:
		case a.Seen.hasRole(name):
			return authStep(DeleteRole{name}, "KeepingRoles", "deleting role %s: it is not declared any more", name)
		default:
			return authStep(ForgetRole{name}, "KeepingRoles", "recording that role %s is gone", name)
		}
	}
	return AuthDecision{}, false
}

package plan

import "slices"

// keepRoot makes root and its role before authentication is enabled, and gives it the password of its Secret.
//
// A password is set in three steps: it is recorded beside the one that root has, etcd gets it, and it is recorded as the only
// one. Wherever that is cut off, root is let in by one of the two, whatever the Secret says by then.
func keepRoot(a Auth) (AuthDecision, bool) {
	_, ours := a.Record.Users[rootName]
	switch {
	case !a.Want.Enabled, a.Want.Root == "" && a.Record.Next == "":
		return AuthDecision{}, false
	case !ours:
		return authStep(RecordUser{rootName}, "PreparingRoot", "recording that user root is the operator's to keep")
	case a.Seen.On:
		return a.changeRoot()
	default:
		return a.prepareRoot()
	}
}

// rememberRoot keeps what root is let in with where it is others who keep authentication on, so that the operator gets in everywhere.
// While nobody asks for it, anybody may change it.
func rememberRoot(a Auth) (AuthDecision, bool) {
	known, in := a.Record.Users[rootName], a.Seen.Password
	switch {
	case a.Want.Enabled:
		return AuthDecision{}, false
	case a.Seen.On && in != "" && in != known:
		return authStep(RecordPassword{rootName, in}, "KeepingAccess", "recording the password that root is let in with")
	case !a.Seen.On && known != "":
		return authStep(RecordAuth{false}, "KeepingAccess", "recording that the password of root is not known any more")
	}
	return AuthDecision{}, false
}

// changeRoot works while etcd asks for passwords, so that it shows which one root has.
func (a Auth) changeRoot() (AuthDecision, bool) {
	known, next, in := a.Record.Users[rootName], a.Record.Next, a.Seen.Password
	switch {
	case next != "" && in == next:
		return authStep(RecordPassword{rootName, next}, "ChangingRootPassword", "recording that root has its new password")
	case next != "":
		d, ok := authStep(SetPassword{rootName, next}, "ChangingRootPassword", "changing the password of root")
		if in == "" { // by a certificate: a user that was made without a password keeps having none
			d.Recheck = patient
			d.Message += "; if that does not end, root was made without one: disable authentication for a moment"
		}
		return d, ok
	case in == a.Want.Root && known != in:
		return authStep(RecordPassword{rootName, in}, "ChangingRootPassword", "recording that root has the password of its Secret")
	case in != a.Want.Root:
		return a.beginRoot()
	case !a.Record.Enabled:
		return authStep(RecordAuth{true}, "EnablingAuth", "recording that authentication is on, as it is declared")
	}
	return AuthDecision{}, false
}

func (a Auth) beginRoot() (AuthDecision, bool) {
	return authStep(RecordNext{a.Want.Root}, "ChangingRootPassword", "recording the password of root's Secret beside the one that root has")
}

// prepareRoot works while etcd asks nobody, so that a password cannot be tried. A root whose password etcd has not
// acknowledged to us is made anew: it may be somebody else's, even one that takes no password.
func (a Auth) prepareRoot() (AuthDecision, bool) {
	known, next := a.Record.Users[rootName], a.Record.Next
	u, exists := a.Seen.user(rootName)
	switch {
	case exists && known == "":
		return authStep(DeleteUser{rootName}, "PreparingRoot", "deleting user root, to make it anew with the password of its Secret")
	case !exists && known != "":
		return authStep(RecordUser{rootName}, "PreparingRoot", "recording that user root is gone")
	case next == "" && known != a.Want.Root:
		return a.beginRoot()
	case !exists:
		return authStep(AddUser{rootName, next}, "PreparingRoot", "making user root")
	case next != "":
		return authStep(SetPassword{rootName, next}, "ChangingRootPassword", "changing the password of root")
	case !a.Seen.hasRole(rootName):
		return authStep(AddRole{rootName}, "PreparingRoot", "making role root")
	case !slices.Contains(u.Roles, rootName):
		return authStep(GrantRole{rootName, rootName}, "PreparingRoot", "granting role root to user root")
	}
	return AuthDecision{}, false
}

// rootReady says whether root would be let in, and could do everything.
func (a Auth) rootReady() bool {
	u, exists := a.Seen.user(rootName)
	known := a.Record.Users[rootName]
	return exists && slices.Contains(u.Roles, rootName) && known != "" && known == a.Want.Root && a.Record.Next == ""
}

func (s AuthSeen) user(name string) (AuthUser, bool) {
	i := slices.IndexFunc(s.Users, func(u AuthUser) bool { return u.Name == name })
	if i < 0 {
		return AuthUser{}, false
	}
	return s.Users[i], true
}

func (s AuthSeen) role(name string) (AuthRole, bool) {
	i := slices.IndexFunc(s.Roles, func(r AuthRole) bool { return r.Name == name })
	if i < 0 {
		return AuthRole{}, false
	}
	return s.Roles[i], true
}

func (s AuthSeen) hasRole(name string) bool {
	_, has := s.role(name)
	return has
}

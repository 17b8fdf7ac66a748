package plan

import (
	"fmt"
	"slices"
	"time"
)

// rootName is the user that etcd wants before authentication can be enabled, and the role that may do everything.
const rootName = "root"

// Auth is everything that the next step towards the declared authentication may depend on. It knows passwords by their
// fingerprints only; the empty fingerprint means that there is none, or that it is not known.
type Auth struct {
	Whole    bool // all members are there and healthy
	Restored bool // the cluster was made from a snapshot
	Want     AuthWant
	Record   AuthRecord
	Seen     AuthSeen
}

// AuthWant is what is declared.
type AuthWant struct {
	Enabled bool
	Root    string // password in root's Secret
	Roles   []AuthRole
	Users   []AuthUser
}

// AuthRecord is what the operator keeps. It is written before what it speaks of is made, so that a crash never makes a user
// or role of ours look like somebody else's, and changed after that is gone. For root it comes with the passwords themselves,
// in a Secret of the operator's own: what the people's Secret says may change at any time.
type AuthRecord struct {
	Enabled bool              // it is the operator that keeps authentication on
	Users   map[string]string // those that are ours, with the password that etcd acknowledged last
	Roles   []string          // those that are ours
	Next    string            // the password that root is being given: etcd may have it already or not
	Adopted bool              // of what came with a snapshot, what was declared has been taken over
}

// AuthSeen is what etcd has.
type AuthSeen struct {
	On       bool
	In       bool   // the operator may act as root: nobody is asked, or root is let in by a password or a certificate
	Password string // one of Passwords that root is let in with; only known while On
	Users    []AuthUser
	Roles    []AuthRole
}

// AuthUser is a user. Its password is known only of one that is wanted.
type AuthUser struct {
	Name     string
	Roles    []string
	Password string
}

// AuthRole is a role.
type AuthRole struct {
	Name        string
	Permissions []Permission
}

// Access is what a permission allows, as in package etcd.
type Access string

// What a permission may allow.
const (
	AccessRead      Access = "read"
	AccessWrite     Access = "write"
	AccessReadWrite Access = "readwrite"
)

// Permission allows access to a key, or to those from Key up to RangeEnd, as in package etcd.
type Permission struct {
	Key, RangeEnd string
	Access        Access
}

// AuthDecision is the step to take and why.
type AuthDecision struct {
	Step    AuthStep
	Rule    string // the rule that decided
	Outlook Outlook
	Reason  string        // one CamelCase word
	Message string        // for people; never a password nor its fingerprint
	Recheck time.Duration // how long to wait before looking again even if nothing changes
}

type authRule struct {
	name   string
	decide func(Auth) (AuthDecision, bool)
}

// authRules are tried in order and the first that answers decides. Roles come before the users that get them, and both before
// authentication is enabled, so that nobody is locked out who is declared.
var authRules = []authRule{
	{"let-in", letIn},
	{"disable", disableAuth},
	{"remember", rememberRoot},
	{"root", keepRoot},
	{"roles", keepRoles},
	{"users", keepUsers},
	{"surplus", dropSurplus},
	{"adopted", adopted},
	{"enable", enableAuth},
	{"unresolved", unresolved},
}

// NextAuth decides.
func NextAuth(a Auth) AuthDecision {
	for _, r := range authRules {
		if d, ok := r.decide(a); ok {
			d.Rule = r.name
			return d
		}
	}
	state := "off"
	switch {
	case a.Seen.On && !a.Want.Enabled:
		state = "on, and not by this operator"
	case a.Seen.On:
		state = "on"
	}
	return AuthDecision{Step: Nothing{}, Rule: "steady", Outlook: Fulfilled, Reason: "AsDesired", Recheck: rest,
		Message: fmt.Sprintf("authentication is %s; users as declared: %d, roles as declared: %d", state, len(a.Want.Users), len(a.Want.Roles))}
}

// Passwords are those that root may be let in with, the likeliest first.
func (a Auth) Passwords() []string {
	var passwords []string
	for _, p := range []string{a.Record.Users[rootName], a.Record.Next, a.Want.Root} {
		if p != "" && !slices.Contains(passwords, p) {
			passwords = append(passwords, p)
		}
	}
	return passwords
}

func authStep(s AuthStep, reason, format string, args ...any) (AuthDecision, bool) {
	return AuthDecision{Step: s, Outlook: Working, Reason: reason, Message: fmt.Sprintf(format, args...), Recheck: now}, true
}

func authWait(o Outlook, reason, message string) (AuthDecision, bool) {
	return AuthDecision{Step: Nothing{}, Outlook: o, Reason: reason, Message: message, Recheck: patient}, true
}

// letIn stops everything else while etcd does not let the operator in.
func letIn(a Auth) (AuthDecision, bool) {
	switch n := len(a.Passwords()); {
	case !a.Seen.On || a.Seen.In:
		return AuthDecision{}, false
	case n == 0:
		return authWait(Stuck, "AuthRequiredNotConfigured",
			"authentication is on, and no credentials are configured: give a Secret with root's password")
	default:
		return authWait(Stuck, "RootRefused", fmt.Sprintf("authentication is on, and root is let in with none of the passwords that are known "+
			"(%d tried): put the one that etcd has into root's Secret; then it may be changed", n))
	}
}

// disableAuth ends only what the operator keeps up: whoever enabled authentication otherwise has reasons of his own.
func disableAuth(a Auth) (AuthDecision, bool) {
	switch {
	case a.Want.Enabled || !a.Record.Enabled:
		return AuthDecision{}, false
	case a.Seen.On:
		return authStep(DisableAuth{}, "DisablingAuth", "disabling authentication; users and roles stay as they are declared")
	default:
		return authStep(RecordAuth{false}, "DisablingAuth", "recording that authentication is off")
	}
}

// enableAuth waits until root is as it must be, and the cluster whole: a member that comes later cannot be asked before
// somebody has logged in.
func enableAuth(a Auth) (AuthDecision, bool) {
	switch {
	case !a.Want.Enabled || a.Seen.On || !a.rootReady():
		return AuthDecision{}, false
	case !a.Whole:
		return authWait(Waiting, "AwaitingWholeCluster", "not enabling authentication: waiting for all members to be healthy")
	case !a.Record.Enabled:
		return authStep(RecordAuth{true}, "EnablingAuth", "recording that authentication is about to be enabled")
	default:
		return authStep(EnableAuth{}, "EnablingAuth", "enabling authentication; users declared beside root: %d", len(a.Want.Users))
	}
}

// adopting says whether users and roles came with a snapshot: those that are declared were made by this operator, or are meant to
// be, although they are not on record. Whoever restores a cluster under its name expects that.
func (a Auth) adopting() bool { return a.Restored && !a.Record.Adopted }

// adopted ends that, so that what people make later is theirs.
func adopted(a Auth) (AuthDecision, bool) {
	if !a.adopting() {
		return AuthDecision{}, false
	}
	return authStep(RecordAdopted{}, "KeepingUsers", "recording that the declared users and roles that came with the snapshot were taken over")
}

// unresolved says what people have to resolve. All else is done by then.
func unresolved(a Auth) (AuthDecision, bool) {
	if conflicts := a.conflicts(); len(conflicts) > 0 {
		return authWait(Stuck, "AuthConflict", fmt.Sprintf("not made by this operator, and left alone (%d): %s; "+
			"take other names, or delete them in etcd", len(conflicts), list(conflicts)))
	}
	if missing := a.missing(); len(missing) > 0 {
		return authWait(Waiting, "CredentialsMissing", fmt.Sprintf("waiting for %s", list(missing)))
	}
	return AuthDecision{}, false
}

// conflicts are those that are declared and belong to somebody else, or to etcd.
func (a Auth) conflicts() (names []string) {
	for _, r := range a.Want.Roles {
		if a.foreignRole(r.Name) {
			names = append(names, "role "+r.Name)
		}
	}
	for _, u := range a.Want.Users {
		if a.foreignUser(u.Name) {
			names = append(names, "user "+u.Name)
		}
	}
	return names
}

// missing is what is declared and cannot be made.
func (a Auth) missing() (what []string) {
	if a.Want.Enabled && a.Want.Root == "" {
		what = append(what, "the Secret with the password of root")
	}
	for _, u := range a.Want.Users {
		if a.foreignUser(u.Name) {
			continue
		}
		if u.Password == "" {
			what = append(what, "the Secret with the password of user "+u.Name)
		}
		for _, r := range u.Roles {
			if !a.grantable(r) {
				what = append(what, fmt.Sprintf("role %s of user %s", r, u.Name))
			}
		}
	}
	return what
}

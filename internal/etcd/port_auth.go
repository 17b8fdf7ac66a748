package etcd

import "context"

// Root is the user that etcd wants before it lets authentication be enabled, and the role that may do everything. Neither can
// be deleted, nor taken from the other, while authentication is on.
const Root = "root"

// AuthStatus says whether a cluster asks its clients who they are.
type AuthStatus struct {
	Enabled  bool
	Revision uint64 // grows with each change of users, roles and permissions
}

// Access is what a permission allows.
type Access string

// What a permission may allow.
const (
	Read      Access = "read"
	Write     Access = "write"
	ReadWrite Access = "readwrite"
)

// openEnd is the end of a range that has none.
const openEnd = "\x00"

// Permission allows access to keys.
type Permission struct {
	Key      string
	RangeEnd string // up to which, and without which; empty means Key alone
	Access   Access
}

// Prefix is the permission for all keys that begin with prefix. The empty prefix means all keys.
func Prefix(prefix string, access Access) Permission {
	if prefix == "" {
		return Permission{Key: "\x00", RangeEnd: openEnd, Access: access}
	}
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return Permission{Key: prefix, RangeEnd: string(end[:i+1]), Access: access}
		}
	}
	return Permission{Key: prefix, RangeEnd: openEnd, Access: access}
}

// User is a user and the names of its roles, sorted.
type User struct {
	Name  string
	Roles []string
}

// Role is a role and its permissions, ordered by key. That of Root is not listed: it is everything.
type Role struct {
	Name        string
	Permissions []Permission
}

// Authority is asked about users and roles, and changes them. Every call, also one that only asks, goes through the log: it
// takes a quorum and writes an entry, so none is for polling. While authentication is on, all take root.
//
// What the rest takes then, as package etcdtest holds real members to it:
//   - nobody in particular: AuthStatus on 3.7, and what the metrics port answers
//   - any user: Status (root up to 3.6.11), Members, Alarms
//   - a user with read access to ProbeKey: Read, ReadLocal
//   - root: HashKV, MoveLeader, Disarm, AddLearner, Promote, Readdress, Remove; also snapshots and defragmentation
//
// Who logs in with a password takes a quorum for that, and a voter (Target.LoginAt). Who is logged in stays so until the member
// restarts, the password is changed, or nothing was asked for 5 minutes. A client certificate that names root needs neither.
type Authority interface {
	// LogIn shows whether the name and the password of the Target are right, also where a certificate would do: ErrAuthFailed if
	// not, ErrAuthOff while etcd does not look at them.
	LogIn(ctx context.Context) error
	// AuthStatus is refused with ErrAuthRequired or ErrPermission where it takes root: then authentication is on.
	AuthStatus(ctx context.Context) (AuthStatus, error)
	// EnableAuth takes a user root that has the role root: ErrRootMissing otherwise. Enabling twice is no error.
	EnableAuth(ctx context.Context) error
	// DisableAuth keeps users and roles. Disabling twice is no error.
	DisableAuth(ctx context.Context) error

	// Users lists all users, sorted.
	Users(ctx context.Context) ([]User, error)
	// AddUser adds a user without roles; ErrUserExists. A password is 1 to 72 bytes long: ErrBadPassword.
	AddUser(ctx context.Context, name string, password Secret) error
	// ChangePassword ends what the user is logged in to. For a user who was made without a password, etcd does nothing and
	// says nothing: only logging in shows what came of it.
	ChangePassword(ctx context.Context, name string, password Secret) error
	// DeleteUser takes ErrRootProtected for Root while authentication is on.
	DeleteUser(ctx context.Context, name string) error
	// GrantRole may be repeated. The role must exist, other than Root.
	GrantRole(ctx context.Context, user, role string) error
	// RevokeRole of a role that the user does not have is ErrNotGranted.
	RevokeRole(ctx context.Context, user, role string) error

	// Roles lists all roles, sorted.
	Roles(ctx context.Context) ([]Role, error)
	// AddRole adds a role without permissions; ErrRoleExists.
	AddRole(ctx context.Context, name string) error
	// DeleteRole also takes the role from every user.
	DeleteRole(ctx context.Context, name string) error
	// GrantPermission replaces the access of a permission for the same keys; but if the role has another permission with the same
	// Key, etcd may keep the old access beside the new one. Revoking takes both.
	GrantPermission(ctx context.Context, role string, permission Permission) error
	// RevokePermission takes a permission by its keys, whatever access it gives; ErrNotGranted if there is none.
	RevokePermission(ctx context.Context, role string, permission Permission) error
}

package plan

// AuthStep is one write for authentication: to the record, or to etcd. Steps are comparable.
//
// etcd shows no passwords. So what AddUser and SetPassword have done is known only while they are taken: once etcd has
// acknowledged, the password is recorded as by RecordPassword, in the same pass. Root's, while authentication is on, is not:
// it is recorded when root is let in with it.
//
//sumtype:decl
type AuthStep interface{ authStep() }

type (
	// RecordAuth records whether the operator keeps authentication on. If not, root's password is not known any more: anybody may
	// change it then.
	RecordAuth struct{ Enabled bool }
	// RecordAdopted records that nothing more is taken over of what came with a snapshot.
	RecordAdopted struct{}
	// RecordRole records that a role is ours, before it is made.
	RecordRole struct{ Role string }
	// ForgetRole records that a role of ours is gone.
	ForgetRole struct{ Role string }
	// RecordUser records that a user is ours, before it is made, and that its password is not known, before that is changed.
	RecordUser struct{ User string }
	// ForgetUser records that a user of ours is gone.
	ForgetUser struct{ User string }
	// RecordNext records the password that root is about to be given, and keeps it beside the one that it has.
	RecordNext struct{ Password string }
	// RecordPassword records the password that a user has. Of root's, it drops all others.
	RecordPassword struct{ User, Password string }

	// AddRole makes a role without permissions.
	AddRole struct{ Role string }
	// DeleteRole deletes a role, also from those that have it.
	DeleteRole struct{ Role string }
	// GrantPermission gives a role a permission, in the place of one for the same keys.
	GrantPermission struct {
		Role       string
		Permission Permission
	}
	// RevokePermission takes all permissions for the same keys from a role.
	RevokePermission struct {
		Role       string
		Permission Permission
	}
	// AddUser makes a user without roles.
	AddUser struct{ User, Password string }
	// SetPassword changes a user's password.
	SetPassword struct{ User, Password string }
	// DeleteUser deletes a user.
	DeleteUser struct{ User string }
	// GrantRole gives a user a role.
	GrantRole struct{ User, Role string }
	// RevokeRole takes a role from a user.
	RevokeRole struct{ User, Role string }
	// EnableAuth makes etcd ask its clients who they are.
	EnableAuth struct{}
	// DisableAuth makes it stop that.
	DisableAuth struct{}
)

func (Nothing) authStep()          {}
func (RecordAuth) authStep()       {}
func (RecordAdopted) authStep()    {}
func (RecordRole) authStep()       {}
func (ForgetRole) authStep()       {}
func (RecordUser) authStep()       {}
func (ForgetUser) authStep()       {}
func (RecordNext) authStep()       {}
func (RecordPassword) authStep()   {}
func (AddRole) authStep()          {}
func (DeleteRole) authStep()       {}
func (GrantPermission) authStep()  {}
func (RevokePermission) authStep() {}
func (AddUser) authStep()          {}
func (SetPassword) authStep()      {}
func (DeleteUser) authStep()       {}
func (GrantRole) authStep()        {}
func (RevokeRole) authStep()       {}
func (EnableAuth) authStep()       {}
func (DisableAuth) authStep()      {}

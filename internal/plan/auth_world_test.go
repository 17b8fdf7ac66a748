package plan

import (
	"slices"
	"testing"
)

// authWorld is an etcd, its operator's record and what is declared. What is not ours in it must stay as it is: user u and
// role r may be somebody else's, and user f and role g always are.
type authWorld struct {
	on, whole, certificate bool
	root, u                account
	roleRoot, r            bool
	one, many              Access // what role r allows
	foreignU, foreignR     bool
	byUs                   bool // the operator has enabled it
	restored               bool // u and r, which are not on record, came with a snapshot

	adopted bool

	enabled       bool
	recRoot, recU string // password on record; absent if the user is not
	recR          bool
	next          string
	want          int
}

type account struct {
	there, r, root bool
	password       string
}

const (
	absent       = "absent"
	passwordless = "none" // made without a password: etcd takes another one and does nothing
)

var (
	permOne  = Permission{Key: "a", Access: AccessRead}
	permMany = Permission{Key: "b", RangeEnd: "c", Access: AccessWrite}
	roleR    = []AuthRole{{Name: "r", Permissions: []Permission{permOne, permMany}}}
	roleR2   = []AuthRole{{Name: "r", Permissions: []Permission{{Key: "a", Access: AccessReadWrite}}}}
)

func userU(password string, roles ...string) []AuthUser {
	return []AuthUser{{Name: "u", Roles: roles, Password: password}}
}

// authWants are what may be declared, in any order.
var authWants = []AuthWant{
	{},
	{Enabled: true, Root: "A"},
	{Enabled: true, Root: "B", Roles: roleR, Users: userU("A", "r")},
	{Enabled: true, Root: "A", Roles: roleR2, Users: userU("B", "r")},
	{Enabled: true, Roles: roleR, Users: userU("A")}, // root's Secret is gone
	{Root: "A", Roles: roleR, Users: userU("A", "r")},
	{Enabled: true, Root: "B", Users: userU("", "r", "s")}, // u's Secret is gone, and so are its roles
}

func (w authWorld) auth() Auth {
	a := Auth{Whole: w.whole, Restored: w.restored, Want: authWants[w.want], Record: w.record()}
	a.Seen.On, a.Seen.In = w.on, !w.on || w.certificate
	if w.on && slices.Contains(a.Passwords(), w.root.password) {
		a.Seen.In, a.Seen.Password = true, w.root.password
	}
	if a.Seen.In {
		a.Seen.Users, a.Seen.Roles = w.users(), w.roles()
	}
	return a
}

func (w authWorld) record() AuthRecord {
	record := AuthRecord{Enabled: w.enabled, Next: w.next, Adopted: w.adopted, Users: map[string]string{}}
	if w.recRoot != absent {
		record.Users["root"] = w.recRoot
	}
	if w.recU != absent {
		record.Users["u"] = w.recU
	}
	if w.recR {
		record.Roles = []string{"r"}
	}
	return record
}

func (w authWorld) users() []AuthUser {
	users := []AuthUser{{Name: "f", Roles: []string{"g"}}}
	for name, acc := range map[string]account{"root": w.root, "u": w.u} {
		if !acc.there {
			continue
		}
		user := AuthUser{Name: name}
		if acc.r {
			user.Roles = append(user.Roles, "r")
		}
		if acc.root {
			user.Roles = append(user.Roles, "root")
		}
		users = append(users, user)
	}
	return users
}

func (w authWorld) roles() []AuthRole {
	roles := []AuthRole{{Name: "g", Permissions: []Permission{permOne}}}
	if w.roleRoot {
		roles = append(roles, AuthRole{Name: "root"})
	}
	if w.r {
		r := AuthRole{Name: "r"}
		for p, access := range map[Permission]Access{permOne: w.one, permMany: w.many} {
			if access != "" {
				r.Permissions = append(r.Permissions, Permission{p.Key, p.RangeEnd, access})
			}
		}
		roles = append(roles, r)
	}
	return roles
}

func (w *authWorld) account(name string) *account {
	if name == "root" {
		return &w.root
	}
	return &w.u
}

func (w *authWorld) recorded(name string) *string {
	if name == "root" {
		return &w.recRoot
	}
	return &w.recU
}

// take does what a step says. A password step that is cut off leaves no record.
func (w authWorld) take(t *testing.T, s AuthStep, cut bool) authWorld {
	t.Helper()
	if next, ours := w.note(s); ours {
		return next
	}
	switch s := s.(type) {
	case AddUser:
		acc := w.account(s.User)
		w.refuse(t, acc.there, s)
		*acc = account{there: true, password: s.Password}
		return w.acknowledge(s, cut)
	case SetPassword:
		acc := w.account(s.User)
		w.refuse(t, !acc.there, s)
		if acc.password != passwordless {
			acc.password = s.Password
		}
		return w.acknowledge(s, cut)
	case EnableAuth:
		w.refuse(t, !w.root.there || !w.root.root || !w.whole, s)
		w.on, w.byUs = true, true
	case DisableAuth:
		w.on, w.byUs = false, false
	case Nothing:
	default:
		return w.govern(t, s)
	}
	return w
}

// note writes down what a step says.
func (w authWorld) note(s AuthStep) (authWorld, bool) {
	record, ours := w.record().With(s)
	if record.Adopted && !w.adopted { // what has not been taken over by now is somebody else's
		w.foreignU, w.foreignR = w.u.there && w.recU == absent, w.r && !w.recR
	}
	w.enabled, w.next, w.adopted, w.recR = record.Enabled, record.Next, record.Adopted, len(record.Roles) > 0
	w.recRoot, w.recU = absent, absent
	for name, password := range record.Users {
		*w.recorded(name) = password
	}
	return w, ours
}

func (w authWorld) acknowledge(s AuthStep, cut bool) authWorld {
	if password, ours := (AuthSeen{On: w.on}).Acknowledged(s); ours && !cut {
		w, _ = w.note(password)
	}
	return w
}

func (w authWorld) govern(t *testing.T, s AuthStep) authWorld {
	t.Helper()
	switch s := s.(type) {
	case AddRole:
		there := &w.r
		if s.Role == "root" {
			there = &w.roleRoot
		}
		w.refuse(t, *there, s)
		*there = true
	case DeleteRole:
		w.refuse(t, s.Role != "r" || !w.r, s)
		w.r, w.one, w.many, w.u.r = false, "", "", false
	case GrantPermission:
		w.refuse(t, s.Role != "r" || !w.r, s)
		*w.access(s.Permission) = s.Permission.Access
	case RevokePermission:
		w.refuse(t, s.Role != "r" || !w.r || *w.access(s.Permission) == "", s)
		*w.access(s.Permission) = ""
	case DeleteUser:
		acc := w.account(s.User)
		w.refuse(t, !acc.there || s.User == "root" && w.on, s)
		*acc = account{}
	case GrantRole:
		acc := w.account(s.User)
		w.refuse(t, !acc.there || s.Role == "r" && !w.r, s)
		acc.r, acc.root = acc.r || s.Role == "r", acc.root || s.Role == "root"
	case RevokeRole:
		acc := w.account(s.User)
		w.refuse(t, !acc.there || s.User == "root" && s.Role == "root" && w.on, s)
		acc.r, acc.root = acc.r && s.Role != "r", acc.root && s.Role != "root"
	default:
		t.Fatalf("no such step: %#v", s)
	}
	return w
}

func (w *authWorld) access(p Permission) *Access {
	if p.Key == permOne.Key {
		return &w.one
	}
	return &w.many
}

// refuse fails the test if etcd would refuse a step.
func (w authWorld) refuse(t *testing.T, no bool, s AuthStep) {
	t.Helper()
	if no {
		t.Fatalf("etcd refuses %#v in %+v", s, w)
	}
}

// allAuthWorlds are the worlds that everything begins in: no record, and an etcd that is empty, or was restored, or is somebody
// else's.
func allAuthWorlds() (worlds []authWorld) {
	for bits := range 1 << 6 {
		next := bitsOf(bits)
		w := authWorld{
			on: next(), foreignU: next(), foreignR: next(), roleRoot: next(), certificate: next(), recRoot: absent, recU: absent,
		}
		if w.certificate && disturbOneIn > 1 {
			continue
		}
		for _, password := range []string{absent, "A", "X", passwordless} {
			w.root = account{there: password != absent, password: password}
			w.root.root = w.root.there && (w.on || bits&(1<<5) != 0)
			if w.on && (!w.root.root || w.certificate && password == passwordless) {
				continue // the latter cannot be mended while authentication is on
			}
			w.u = account{there: w.foreignU, password: "X", r: w.foreignU && w.foreignR}
			if !w.foreignU {
				w.u = account{}
			}
			w.r, w.one = w.foreignR, ""
			if w.foreignR {
				w.one = AccessWrite
			}
			worlds = append(worlds, w)
			if (w.foreignU || w.foreignR) && (disturbOneIn == 1 || w.on && password == "A") {
				restored := w
				restored.restored, restored.foreignU, restored.foreignR = true, false, false
				worlds = append(worlds, restored)
			}
		}
	}
	return worlds
}

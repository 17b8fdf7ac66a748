package plan

import (
	"maps"
	"slices"
)

// With gives the record after a step, and false if the step is one for etcd.
func (r AuthRecord) With(s AuthStep) (AuthRecord, bool) {
	next := r
	next.Users, next.Roles = maps.Clone(r.Users), slices.Clone(r.Roles)
	if next.Users == nil {
		next.Users = map[string]string{}
	}
	switch s := s.(type) {
	case RecordAuth:
		next.Enabled = s.Enabled
		if !s.Enabled {
			next.forget(rootName)
		}
	case RecordAdopted:
		next.Adopted = true
	case RecordNext:
		next.Next = s.Password
	case RecordRole:
		next.Roles = append(next.Roles, s.Role)
	case ForgetRole:
		next.Roles = slices.DeleteFunc(next.Roles, func(role string) bool { return role == s.Role })
	default:
		return next.withUser(s)
	}
	return next, true
}

func (r AuthRecord) withUser(s AuthStep) (AuthRecord, bool) {
	switch s := s.(type) {
	case RecordUser:
		r.Users[s.User] = ""
	case ForgetUser:
		delete(r.Users, s.User)
	case RecordPassword:
		r.Users[s.User] = s.Password
		if s.User == rootName {
			r.Next = ""
		}
	default:
		return r, false
	}
	return r, true
}

func (r AuthRecord) forget(user string) {
	if _, ours := r.Users[user]; ours {
		r.Users[user] = ""
	}
}

// Acknowledged is what has to be recorded once etcd has acknowledged a step that was decided upon what was seen.
func (s AuthSeen) Acknowledged(step AuthStep) (RecordPassword, bool) {
	user, password := "", ""
	switch step := step.(type) {
	case AddUser:
		user, password = step.User, step.Password
	case SetPassword:
		user, password = step.User, step.Password
	default:
	}
	return RecordPassword{user, password}, user != "" && (user != rootName || !s.On)
}

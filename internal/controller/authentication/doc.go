// Package authentication carries etcd's authentication, its users and its roles towards the spec, one step per pass. It decides with
// plan.NextAuth, and looks and acts with package access.
//
// What is remembered is on record before what it speaks of is made. Root's passwords, also one that is being set, are in the Secret
// <cluster>-operator-root, which all who talk to etcd log in with; which users and roles are the operator's is in status.auth, together
// with keyed digests of the passwords that etcd acknowledged last.
package authentication

// Package access looks at who may do what in an etcd, and takes the steps that plan.NextAuth decides upon.
//
// It stands between the plan, which knows passwords by their fingerprints, and etcd, which shows none. What is declared and what
// is on record come from its caller, who also writes the record.
package access

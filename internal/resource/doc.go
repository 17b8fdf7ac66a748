// Package resource builds the Kubernetes objects of an etcd cluster.
//
// It is pure: what is wanted goes in, an object comes out, nothing is read or written. It knows the API types and nothing
// of clients, controllers or etcd's API. testdata holds one golden file for each object; record them anew with
// go test ./internal/resource -update.
package resource

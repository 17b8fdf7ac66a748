// Package member makes one member of a cluster real: its volume and its Pod. It reports what it sees in the status of the
// EtcdMember and decides nothing about membership: what is to happen to a member, and whether it votes, is written into the
// EtcdMember by the controller of clusters. It never talks to etcd.
//
// What to do next is decided in plan.Realize. A pass makes at most one write besides status, planned from what the API
// server says, not the cache, and bound to what was seen by a precondition.
package member

// Package cluster runs EtcdClusters: observe, plan, act, publish. It has the only authority over membership: it makes, changes and
// deletes EtcdMembers and talks to etcd. What to do is decided in internal/plan; here it is looked at twice, done and told.
package cluster

// Package certificate gives every member of a cluster its certificates, tells whom members and clients are to trust, and carries
// changes of both through without an outage. It decides with plan.NextTrust, on each plane for itself, and never touches EtcdMembers
// or Pods: those who start members look at status.tls.
//
// Nothing is remembered in the process. What a member shows is seen by a handshake and written on the Secret of its certificate; what
// its process trusts is seen in its Pod, which names a ConfigMap that never changes; since when a CA has been announced is in status.
package certificate

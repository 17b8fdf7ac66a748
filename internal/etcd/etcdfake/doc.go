// Package etcdfake is etcd in memory: members, their volumes and the network between them, for tests.
//
// A World holds any number of clusters. Members start from what etcd's command line says, on volumes that outlive them, and
// refuse what etcd refuses; package etcdtest runs the same contract on this World and on real processes. Comments name the
// function of etcd (server/etcdserver unless said otherwise) that a refusal mirrors.
//
// Consensus is modelled on each member's own log. A log is a chain of immutable entries, so members that agree share it. After
// every event the World settles at once: who can reach a majority leads, who follows takes over the leader's log, and members
// that etcd would stop, stop. What no majority holds any more is lost here as it is there. So a voter that forgot its log
// loses acknowledged writes, if a majority forms without those who know them.
//
// Kinder or harsher than etcd, on purpose:
//   - Nothing takes time. A call that would block until its deadline fails at once, as if the deadline had passed.
//   - A proposal without a majority leaves no trace; in etcd it may come true later. Inject makes such calls.
//   - Tokens do not time out.
//   - A handshake shows what Present says; nobody is trusted or not for it.
//   - TLS, and with it users named by certificates, and the rules for mixed versions are not modelled.
package etcdfake

package etcd

import "errors"

// What etcd answers, as sentinels: compare with errors.Is.
var (
	// ErrMemberNotFound: the member is not listed, or was removed before.
	ErrMemberNotFound = errors.New("member not found")
	// ErrLearnerNotReady: the learner lags too far behind the leader to be promoted.
	ErrLearnerNotReady = errors.New("learner is not ready to be promoted")
	// ErrNotLearner: the member votes already.
	ErrNotLearner = errors.New("member is not a learner")
	// ErrTooManyLearners: there is a learner already.
	ErrTooManyLearners = errors.New("too many learners")
	// ErrPeerURLExists: a listed member has this peer URL.
	ErrPeerURLExists = errors.New("peer URL exists already")
	// ErrUnhealthyCluster: too few voters have been connected for etcd's HealthInterval (5 s) to change the membership.
	ErrUnhealthyCluster = errors.New("unhealthy cluster")
	// ErrNotEnoughStarted: the change would leave too few started voters.
	ErrNotEnoughStarted = errors.New("not enough started members")
	// ErrNotLeader: only the leader answers this.
	ErrNotLeader = errors.New("not the leader")
	// ErrBadTransferee: the target of a leader change cannot lead.
	ErrBadTransferee = errors.New("bad leader transferee")
	// ErrNoLeader: no quorum, or an election is going on.
	ErrNoLeader = errors.New("no leader")
	// ErrUnauthenticated: credentials are missing or wrong.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrLearnerRefuses: a learner answers only serializable reads.
	ErrLearnerRefuses = errors.New("not supported by a learner")
	// ErrCompacted: the history up to the revision is gone.
	ErrCompacted = errors.New("revision has been compacted")
	// ErrFutureRevision: the member has not come to the revision yet.
	ErrFutureRevision = errors.New("revision is yet to come")
	// ErrUnreachable: there is no connection to the member. A change was not sent.
	ErrUnreachable = errors.New("member cannot be reached")
	// ErrAmbiguous: no answer in time; a change may or may not have been made. Look before you repeat it.
	ErrAmbiguous = errors.New("no answer")
)

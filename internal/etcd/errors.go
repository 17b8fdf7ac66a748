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
	// ErrAuthRequired: the member wants to know who asks, and was not told: there are no credentials, or it could not be logged
	// in with them because there is no quorum or the member is a learner. Nothing was done.
	ErrAuthRequired = errors.New("authentication is required")
	// ErrAuthOff: nobody can log in, because nobody has to.
	ErrAuthOff = errors.New("authentication is off")
	// ErrAuthFailed: the name or the password is wrong.
	ErrAuthFailed = errors.New("authentication failed")
	// ErrPermission: the user may not do this.
	ErrPermission = errors.New("permission denied")
	// ErrAuthChanged: users or roles changed while the member looked. Nothing was done; ask again.
	ErrAuthChanged = errors.New("users or roles have changed meanwhile")
	// ErrRootMissing: authentication cannot be enabled, for want of the user root or of its role root.
	ErrRootMissing = errors.New("user root or its role root is missing")
	// ErrRootProtected: while authentication is on, root cannot be deleted, nor its role be taken from it.
	ErrRootProtected = errors.New("root cannot be given up while authentication is on")
	// ErrBadPassword: etcd cannot take the password.
	ErrBadPassword = errors.New("password cannot be used")
	// ErrUserExists: there is a user of this name.
	ErrUserExists = errors.New("user exists already")
	// ErrUserNotFound: there is no user of this name. Who asks under the name of a deleted user gets it as well.
	ErrUserNotFound = errors.New("user not found")
	// ErrRoleExists: there is a role of this name.
	ErrRoleExists = errors.New("role exists already")
	// ErrRoleNotFound: there is no role of this name.
	ErrRoleNotFound = errors.New("role not found")
	// ErrNotGranted: the user does not have the role, or the role not the permission.
	ErrNotGranted = errors.New("not granted")
	// ErrBadRange: no permission can be given for these keys: the first is empty, or not before the end.
	ErrBadRange = errors.New("no range of keys")
	// ErrLearnerRefuses: a learner answers only serializable reads.
	ErrLearnerRefuses = errors.New("not supported by a learner")
	// ErrDowngradeTarget: the cluster cannot be downgraded to this version.
	ErrDowngradeTarget = errors.New("invalid target of a downgrade")
	// ErrDowngrading: a downgrade is enabled.
	ErrDowngrading = errors.New("a downgrade is going on")
	// ErrNotDowngrading: no downgrade is enabled.
	ErrNotDowngrading = errors.New("no downgrade is going on")
	// ErrNoVersion: what answered does not tell the version of a cluster.
	ErrNoVersion = errors.New("no version of a cluster")
	// ErrCompacted: the history up to the revision is gone.
	ErrCompacted = errors.New("revision has been compacted")
	// ErrFutureRevision: the member has not come to the revision yet.
	ErrFutureRevision = errors.New("revision is yet to come")
	// ErrUnreachable: there is no connection to the member. A change was not sent.
	ErrUnreachable = errors.New("member cannot be reached")
	// ErrAmbiguous: no answer in time; a change may or may not have been made. Look before you repeat it.
	ErrAmbiguous = errors.New("no answer")
)

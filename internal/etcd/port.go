package etcd

import "context"

// Member is an entry of etcd's member list.
type Member struct {
	ID         uint64
	Name       string // empty until the member has started once
	PeerURLs   []string
	ClientURLs []string
	Learner    bool
}

// MemberList is etcd's member list and the cluster it is of.
type MemberList struct {
	ClusterID uint64
	Members   []Member
}

// Status is what one member says of itself.
type Status struct {
	ClusterID        uint64
	MemberID         uint64
	Version          string
	StorageVersion   string // empty on 3.5
	Leader           uint64 // member ID of the leader as this member sees it; 0 if it sees none
	Learner          bool
	RaftTerm         uint64
	RaftIndex        uint64
	RaftAppliedIndex uint64
	Revision         int64 // of the key space, as this member knows it
	DBSize           int64 // bytes
	DBSizeInUse      int64 // bytes
	DBSizeQuota      int64 // bytes; 0 where the server does not tell
	Errors           []string
	Alarms           []Alarm // those that this member knows of; unlike Reader.Alarms they cost nothing to read
	// Downgrade is the version that the cluster is being downgraded to, MAJOR.MINOR.0, as this member knows it; empty if it is not, and
	// always on 3.5, which does not tell.
	Downgrade string
}

// AlarmType is the kind of an alarm.
type AlarmType string

// The alarms that etcd knows.
const (
	AlarmNoSpace AlarmType = "NOSPACE"
	AlarmCorrupt AlarmType = "CORRUPT"
)

// Alarm is an alarm that a member has raised. The member is 0 where etcd cannot tell which one it is.
type Alarm struct {
	MemberID uint64
	Type     AlarmType
}

// HashKV is a hash of the key space. Two members hold the same data when their hashes at the same revision are equal; hashes with
// different compact revisions cannot be compared.
type HashKV struct {
	Hash            uint32
	Revision        int64 // up to which was hashed
	CompactRevision int64 // from which was hashed
}

// ProbeKey is the key that Read and ReadLocal ask for. It need not exist.
const ProbeKey = "etcd-operator/probe"

// Reader asks one member. Every call is bounded by its context.
type Reader interface {
	// Status is answered by the member from its own state.
	Status(ctx context.Context) (Status, error)
	// Read reads a key through the member's log: linearizable, so it needs a quorum.
	Read(ctx context.Context) error
	// ReadLocal reads a key from the member's own state: serializable, no quorum needed.
	ReadLocal(ctx context.Context) error
	// Members reads the member list linearizably.
	Members(ctx context.Context) (MemberList, error)
	// Alarms lists the alarms of all members. etcd answers through its log: it takes a quorum and writes an entry, so this
	// is not for polling.
	Alarms(ctx context.Context) ([]Alarm, error)
	// ClusterVersion is the version that the members have agreed on, MAJOR.MINOR.0, as this member knows it; empty until they have. It
	// follows the versions that they run within some seconds, and an older etcd than it does not start.
	ClusterVersion(ctx context.Context) (string, error)
	// HashKV hashes what this member holds up to a revision; 0 means its latest. It reads the whole database: not for polling.
	HashKV(ctx context.Context, revision int64) (HashKV, error)
}

// Changer changes the membership through one member.
type Changer interface {
	// AddLearner adds a learner under peerURL. It is not idempotent: look for the URL in the list first.
	AddLearner(ctx context.Context, peerURL string) (Member, error)
	// Promote makes a learner a voter; ErrLearnerNotReady while it lags.
	Promote(ctx context.Context, id uint64) error
	// Remove removes a member; ErrMemberNotFound if it is not listed (any more).
	Remove(ctx context.Context, id uint64) error
	// Readdress changes the peer URL under which a member is listed; ErrMemberNotFound if it is not. The others connect to it there
	// from then on, whether it listens there or not.
	Readdress(ctx context.Context, id uint64, peerURL string) error
	// MoveLeader must be asked of the leader; ErrNotLeader otherwise.
	MoveLeader(ctx context.Context, to uint64) error
	// Disarm takes an alarm back. An alarm that is not raised is no error.
	Disarm(ctx context.Context, alarm Alarm) error
}

// Downgrader lets a cluster be downgraded to the minor before. Versions are MAJOR.MINOR.PATCH; the patch says nothing.
type Downgrader interface {
	// ValidateDowngrade asks whether a downgrade to a version could be enabled: ErrDowngradeTarget if it is not the minor before that of
	// the cluster, ErrDowngrading if one is enabled already.
	ValidateDowngrade(ctx context.Context, version string) error
	// EnableDowngrade begins a downgrade: the cluster's version goes down at once, and every member makes its data ready for the older
	// etcd. Nobody can join until it is over. It fails like ValidateDowngrade. etcd ends it by itself when all members run the version.
	EnableDowngrade(ctx context.Context, version string) error
	// CancelDowngrade ends a downgrade. That none is enabled is no error. Ask a member of the newer version, if there is one.
	CancelDowngrade(ctx context.Context) error
}

// Client is a connection to one member.
type Client interface {
	Reader
	Changer
	Downgrader
	Authority
	Close() error
}

// PeerReader asks a member whom of its peers it hears, where the operator itself cannot tell.
type PeerReader interface {
	// ConnectedPeers are the member IDs, sorted, of those that have sent the member raft messages within the last 10 s. Only a
	// leader hears everybody; it hears a member that is slow, and none that is dead, hangs or is cut off. It takes two questions
	// to know, at least 10 s apart: a first answer names all from whom it ever heard. metricsURL is that of its metrics port,
	// without a path. No answer is an error, never an empty list.
	ConnectedPeers(ctx context.Context, metricsURL string) ([]uint64, error)
}

// Dialer connects to members. Connecting does not wait for the member: the first call does.
type Dialer interface {
	Dial(t Target) (Client, error)
}

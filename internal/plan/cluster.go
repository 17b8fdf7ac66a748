package plan

import (
	"time"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// Cluster is everything a decision may depend on, seen in one pass.
type Cluster struct {
	Want     int  // members asked for; 0 means paused
	Memory   bool // a member keeps its data in memory, or is to
	Disabled bool // reconciling was switched off for this cluster

	Founders  []string // recorded names of the members that form the cluster
	ClusterID uint64   // recorded, 0 until the cluster has formed
	SeenID    uint64   // cluster ID that a healthy member answered with in this pass, 0 if none
	Listed    bool     // etcd's member list was read linearizably in this pass; if not, roles come from the records

	Members   []Member   // those with an EtcdMember, ordered by ordinal
	Strangers []Stranger // entries of etcd's list without an EtcdMember

	Restore Restore // what the first data are made from

	Objects   []Object // Services and PodDisruptionBudget, in the order in which they are made
	Namesakes []string // objects of an earlier cluster of the same name that are still there, as "Kind name"
	Taken     []string // objects of needed names that belong to somebody else, as "Kind name"

	Orphans  []Orphan      // volumes of this cluster without an EtcdMember
	Aside    []Aside       // volumes that were taken out of use
	AsideFor time.Duration // how long such volumes are kept
	Owners   []Ownership   // volumes that stay or go with the cluster against its retention policy
	Retain   bool          // volumes of members that are removed by scaling down are kept

	Manual     bool    // people decide about replacements
	MaxPerHour int     // replacements that may begin within an hour
	Begun      []Begun // replacements that were recorded within the last hour
	DBSize     int64   // bytes of the largest database

	Unsecured bool // a plane is to be secured, and it is not known yet whom members are to trust there
	Severed   bool // no quorum of the members accepts each other's certificates as they run

	Rollout   Rollout
	Versions  Versions
	Rehearsal Rehearsal
	Space     Space

	AuthPending string // what the declared authentication waits for; empty when nothing is declared, or all is as declared

	Alarms []Alarm // that etcd has raised
	Agreed bool    // the data of exactly the voters that are listed now were compared, and are the same

	OrdinalsRecorded bool          // status records an ordinal at least as high as that of every member
	Idle             time.Duration // how long ago the last step was taken
	Deadline         time.Duration // after this long without a step, waiting is reported as a failure; 0 means never
}

func (c Cluster) formed() bool  { return c.ClusterID != 0 }
func (c Cluster) overdue() bool { return c.Deadline > 0 && c.Idle >= c.Deadline }

func (c Cluster) count(is func(Member) bool) (n int) {
	for _, m := range c.Members {
		if is(m) {
			n++
		}
	}
	return n
}

func (c Cluster) first(is func(Member) bool) (Member, bool) {
	for _, m := range c.Members {
		if is(m) {
			return m, true
		}
	}
	return Member{}, false
}

func (c Cluster) where(is func(Member) bool) (ms []Member) {
	for _, m := range c.Members {
		if is(m) {
			ms = append(ms, m)
		}
	}
	return ms
}

// Voters counts everybody who has a vote, also those that have no EtcdMember.
func (c Cluster) Voters() int {
	n := c.count(isVoter)
	for _, s := range c.Strangers {
		if !s.Learner {
			n++
		}
	}
	return n
}

func (c Cluster) learners() int {
	n := c.count(isLearner)
	for _, s := range c.Strangers {
		if s.Learner {
			n++
		}
	}
	return n
}

// HealthyVoters counts the voters that answered a linearizable read.
func (c Cluster) HealthyVoters() int { return c.count(isHealthyVoter) }

// Whole says whether exactly the members that are wanted are there, and all of them vote and are healthy.
func (c Cluster) Whole() bool {
	return c.formed() && c.Listed && c.Want > 0 && len(c.Members) == c.Want && c.Voters() == c.Want && c.HealthyVoters() == c.Want &&
		c.count(isStaying) == c.Want
}

// Barred says whether a majority would answer if the operator were let in.
func (c Cluster) Barred() bool {
	barred := c.count(func(m Member) bool { return m.Role == Voter && m.Barred })
	return barred > 0 && c.HealthyVoters() < quorum.Size(c.Voters()) && c.HealthyVoters()+barred >= quorum.Size(c.Voters())
}

const barredMessage = "etcd asks who calls, and does not let the operator in: spec.auth.rootCredentialsSecretRef has to name root's " +
	"credentials; if it does, the condition AuthReady says more"

// Member is one member, as its EtcdMember, its Pod and volume, and etcd's member list show it together.
type Member struct {
	Name string
	ID   uint64 // in etcd's list; 0 while not listed
	Role Role

	Founder  bool // it forms the cluster
	Admitted bool // its initial cluster is frozen: its Pod may start
	Recorded bool // its incarnation is recorded
	Votes    bool // it is recorded as a voter

	Answered bool // it answered in this pass, under the recorded cluster ID and its own member ID
	Barred   bool // it answered, and does not let the operator in: that is no sign of anything being wrong with it
	Healthy  bool // it answered a linearizable read (a learner: any read) in this pass
	Ready    bool // its Pod is ready
	Starting bool // it is on its way up: nothing is wrong with it yet
	Leader   bool
	CaughtUp bool          // learner only: etcd would promote it
	Silent   time.Duration // its process runs for so long, and does not answer

	Dormant   bool   // it is to be parked
	Stopping  bool   // its Pod was told to stop, or it has none
	Stopped   bool   // it has no Pod
	Down      bool   // etcd does not run
	Leaving   bool   // it is to be removed
	Confirmed bool   // etcd has let it go
	Gone      bool   // neither Pod nor volume is left
	Stale     bool   // its Pod was made with something else than its EtcdMember says now
	ByHand    bool   // which people change, by deleting the Pod
	Trouble   string // what is wrong with it, for people; empty when nothing is
	Disk      Disk

	Outdated string // what it lacks of what it is to have and only a new member can have, for people; empty if nothing
	Behind   string // what else it lacks that another Pod takes over
	Lowers   string // the minor of etcd that this takes it down to; empty if it does not
	Pressing bool   // some of that is not for people to decide: certificates, or where it listens
	Adapts   string // what else it lacks that is given to it as it runs
	Proven   bool   // it was given what is on record
	Trial    bool   // it was given the target, which is not on record
	AsAsked  bool   // it was given all that the spec asks for, be that the target or not

	Up        time.Duration // how long its process has been running
	Lag       uint64        // how many entries it is behind the leader
	Away      time.Duration // how long its Pod, as it is now, has not been ready
	Inherited bool          // what is wrong with it was seen of an earlier Pod

	StartsAt string // the peer URL that it is started with
	ListedAt string // the one that etcd lists a voter under; that of others is not looked at
	WantedAt string // the one that the spec asks for

	Lost       bool   // the evidence says that it is time to replace it
	Loss       string // the reason for that
	Soft       bool   // which may lie in its environment
	Await      string // what has to happen before it is replaced; empty if nothing, or if it never is
	Broken     bool   // its data cannot be used, as they are
	Hopeless   bool   // its data will not come back, whatever anybody does
	Excused    bool   // what keeps it heals without a replacement
	Condemned  bool   // its replacement is on record
	Remembered bool   // its volume says what is not on record: that it votes, and as whom
}

// Ref names m in a step.
func (m Member) Ref() Ref { return Ref{m.Name, m.ID} }

func isVoter(m Member) bool        { return m.Role == Voter }
func isLearner(m Member) bool      { return m.Role == Learner }
func isHealthyVoter(m Member) bool { return m.Role == Voter && m.Healthy }
func isHeard(m Member) bool        { return m.Answered || m.Barred }
func isStaying(m Member) bool      { return !m.Leaving }
func isJoiner(m Member) bool       { return m.Role != Voter && !m.Leaving }

// isDoomed members are on their way out although nothing has been done to them yet: a voter may still recover, a learner not.
func isDoomed(m Member) bool { return m.Condemned && !m.Leaving && (m.Lost || m.Role != Voter) }

// Restore is the snapshot that a cluster starts from. It is looked at until the cluster has formed.
type Restore struct {
	Wanted   bool
	Obstacle string // why no member can be made from it yet; empty if one can
	Reason   string // the reason of that: Restoring if it may pass by itself
}

// Orphan is a volume of this cluster without an EtcdMember.
type Orphan struct {
	Volume, Member string
	Voter          bool // a voter's vote is on it
}

// Begun is a replacement that is on record.
type Begun struct {
	Reason string
	Ago    time.Duration
}

// Aside is a volume that was taken out of use.
type Aside struct {
	Volume string
	For    time.Duration // since when
}

// Alarm is an alarm of etcd.
type Alarm struct {
	ID      uint64 // of the member, 0 if etcd does not know which
	Corrupt bool   // CORRUPT, else NOSPACE
}

// Stranger is an entry of etcd's member list without an EtcdMember.
type Stranger struct {
	ID      uint64
	Name    string // empty if it never started
	PeerURL string
	Member  string // whose peer URL it has, if that is one that this operator would have given
	Remains bool   // its Pod or volume is there
	Learner bool
}

// Role is a member's standing in etcd's own member list.
type Role int

// Roles, from the least to the most say.
const (
	Unlisted Role = iota
	Learner
	Voter
)

// ObjectKind is an object that the cluster as a whole owns.
type ObjectKind string

// The objects of a cluster.
const (
	HeadlessService  ObjectKind = "headless Service"
	ClientService    ObjectKind = "client Service"
	DisruptionBudget ObjectKind = "PodDisruptionBudget"
)

// Object is such an object as it was seen.
type Object struct {
	Kind    ObjectKind
	Exists  bool
	Current bool // it is as wanted
}

package plan

import "time"

// Cluster is everything a decision may depend on, seen in one pass.
type Cluster struct {
	Want     int  // members asked for; 0 means paused
	Memory   bool // members keep their data in memory
	Disabled bool // reconciling was switched off for this cluster

	Founders  []string // recorded names of the members that form the cluster
	ClusterID uint64   // recorded, 0 until the cluster has formed
	SeenID    uint64   // cluster ID that a healthy member answered with in this pass, 0 if none
	Listed    bool     // etcd's member list was read linearizably in this pass; if not, roles come from the records

	Members   []Member   // those with an EtcdMember, ordered by ordinal
	Strangers []Stranger // entries of etcd's list without an EtcdMember

	Objects   []Object // Services and PodDisruptionBudget, in the order in which they are made
	Namesakes []string // objects of an earlier cluster of the same name that are still there, as "Kind name"
	Orphans   []string // volumes of this cluster without an EtcdMember
	Taken     []string // objects of needed names that belong to somebody else, as "Kind name"

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
	Healthy  bool // it answered a linearizable read (a learner: any read) in this pass
	Ready    bool // its Pod is ready
	Starting bool // it is on its way up: nothing is wrong with it yet
	Leader   bool
	CaughtUp bool // learner only: etcd would promote it

	Dormant   bool   // it is to be parked
	Stopping  bool   // its Pod was told to stop, or it has none
	Stopped   bool   // it has no Pod
	Leaving   bool   // it is to be removed
	Confirmed bool   // etcd has let it go
	Gone      bool   // neither Pod nor volume is left
	Lost      bool   // its data cannot come back, and the operator replaces it
	Broken    bool   // its data cannot be used, and a human has to decide
	Outdated  bool   // its EtcdMember differs from what the spec asks for
	Trouble   string // what is wrong with it, for people; empty when nothing is
}

// Ref names m in a step.
func (m Member) Ref() Ref { return Ref{m.Name, m.ID} }

func isVoter(m Member) bool        { return m.Role == Voter }
func isLearner(m Member) bool      { return m.Role == Learner }
func isHealthyVoter(m Member) bool { return m.Role == Voter && m.Healthy }
func isStaying(m Member) bool      { return !m.Leaving }
func isJoiner(m Member) bool       { return m.Role != Voter && !m.Leaving }

// Stranger is an entry of etcd's member list without an EtcdMember.
type Stranger struct {
	ID      uint64
	Name    string // empty if it never started
	PeerURL string
	Ours    bool // its peer URL is one that this operator would have given
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

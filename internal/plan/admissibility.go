package plan

import (
	"fmt"

	"github.com/cozystack/etcd-operator/internal/quorum"
)

// Refusal says which invariant forbids a change, with the numbers. The zero Refusal forbids nothing.
type Refusal struct {
	Invariant string
	Why       string
}

// None is true when nothing forbids the change.
func (r Refusal) None() bool { return r.Invariant == "" }

func (r Refusal) String() string {
	if r.None() {
		return ""
	}
	return r.Invariant + ": " + r.Why
}

// Invariant is a named reason to refuse a change to member m of cluster c.
type Invariant struct {
	Name string
	Doc  string // for the reference page
	// broken says why the invariant forbids the change, "" if it does not.
	broken func(c Cluster, m Member) string
}

// MayRemove answers whether m may leave etcd's member list now. Nothing else in this repository answers that.
func MayRemove(c Cluster, m Member) Refusal { return check(RemovalInvariants, c, m) }

// MayAdd answers whether m may become a learner now. Nothing else in this repository answers that.
func MayAdd(c Cluster, m Member) Refusal { return check(AdditionInvariants, c, m) }

// MayPromote answers whether the learner m may become a voter now. Nothing else in this repository answers that.
func MayPromote(c Cluster, m Member) Refusal { return check(PromotionInvariants, c, m) }

// MayRestart answers whether m may be stopped now, to be started again. Nothing else in this repository answers that.
func MayRestart(c Cluster, m Member) Refusal { return check(RestartInvariants, c, m) }

func check(invariants []Invariant, c Cluster, m Member) Refusal {
	for _, inv := range invariants {
		if why := inv.broken(c, m); why != "" {
			return Refusal{inv.Name, why}
		}
	}
	return Refusal{}
}

// RemovalInvariants must hold for a member to be removed.
var RemovalInvariants = []Invariant{
	{"MemberListKnown", "etcd's member list was read linearizably in this pass.", memberListKnown},
	{"QuorumToAgree", "A majority of the voters is healthy, so that etcd can agree to the change.", quorumToAgree},
	{"NotTheLastVoter", "Another voter holds the data too.", notTheLastVoter},
	{"QuorumAfterwards", "Without the member, a majority of the remaining voters is healthy.", quorumAfterRemoval},
	{
		"SurviveOneMore",
		"After a healthy voter leaves three or more, one more may fail without losing the majority.",
		surviveOneMoreAfterRemoval,
	},
}

// RestartInvariants must hold for a member to be restarted.
var RestartInvariants = []Invariant{
	{"QuorumWithoutIt", "Without the member, a majority of the voters is healthy. One and two voters are exempt.", quorumWithout},
	{"VersionAdmits", "The version that the cluster has agreed on is not above that of the etcd that is to start.", versionAdmits},
}

// AdditionInvariants must hold for a member to be added as a learner.
var AdditionInvariants = []Invariant{
	{"MemberListKnown", "etcd's member list was read linearizably in this pass.", memberListKnown},
	{"QuorumToAgree", "A majority of the voters is healthy, so that etcd can agree to the change.", quorumToAgree},
	{"NoDowngrade", "No downgrade is enabled: etcd would list the member, and not let it start (isCompatibleWithCluster).", noDowngrade},
	{"OneLearnerAtATime", "etcd accepts one learner at a time (--max-learners).", oneLearner},
	{
		"QuorumWithOneMore",
		"The healthy voters are a majority also of a cluster with one voter more (etcd: mayAddMember). A single voter is exempt.",
		quorumWithOneMore,
	},
}

// PromotionInvariants must hold for a learner to become a voter.
var PromotionInvariants = []Invariant{
	{"MemberListKnown", "etcd's member list was read linearizably in this pass.", memberListKnown},
	{"QuorumToAgree", "A majority of the voters is healthy, so that etcd can agree to the change.", quorumToAgree},
	{
		"IncarnationRecorded",
		"The learner's member ID and volume are recorded, so that it can never vote from another volume.",
		incarnationRecorded,
	},
	{"LearnerCaughtUp", "The learner answers and has nearly all of the leader's log (etcd: isLearnerReady).", learnerCaughtUp},
	{"QuorumAfterwards", "Counting the learner, a majority of the voters is healthy.", quorumAfterPromotion},
}

func memberListKnown(c Cluster, _ Member) string {
	if c.Listed {
		return ""
	}
	return "no voter could be asked for the member list"
}

func quorumToAgree(c Cluster, _ Member) string {
	if n, healthy := c.Voters(), c.HealthyVoters(); healthy < quorum.Size(n) {
		return fmt.Sprintf("%d of %d voters are healthy, %d must agree", healthy, n, quorum.Size(n))
	}
	return ""
}

func notTheLastVoter(c Cluster, m Member) string {
	if m.Role == Voter && c.Voters() <= 1 {
		return "it holds the only copy of the data"
	}
	return ""
}

// without projects the voters, and the healthy ones among them, after m is removed.
func without(c Cluster, m Member) (n, healthy int) {
	n, healthy = c.Voters(), c.HealthyVoters()
	if m.Role != Voter {
		return n, healthy
	}
	if m.Healthy {
		healthy--
	}
	return n - 1, healthy
}

func quorumAfterRemoval(c Cluster, m Member) string {
	if n, healthy := without(c, m); healthy < quorum.Size(n) {
		return fmt.Sprintf("without it %d of %d voters would be healthy, %d must agree", healthy, n, quorum.Size(n))
	}
	return ""
}

// Removing an unhealthy voter never makes the cluster tolerate less, so this concerns healthy ones only.
func surviveOneMoreAfterRemoval(c Cluster, m Member) string {
	n, healthy := without(c, m)
	if !isHealthyVoter(m) || n < 3 || healthy-1 >= quorum.Size(n) {
		return ""
	}
	return fmt.Sprintf("without it %d of %d voters would be healthy, and losing one more would leave fewer than %d",
		healthy, n, quorum.Size(n))
}

func oneLearner(c Cluster, _ Member) string {
	if n := c.learners(); n > 0 {
		return fmt.Sprintf("%d member is a learner already", n)
	}
	return ""
}

func quorumWithOneMore(c Cluster, _ Member) string {
	n, healthy := c.Voters(), c.HealthyVoters()
	if n == 1 || healthy >= quorum.Size(n+1) {
		return ""
	}
	return fmt.Sprintf("%d of %d voters are healthy, etcd wants %d before it adds one", healthy, n, quorum.Size(n+1))
}

func incarnationRecorded(_ Cluster, m Member) string {
	if m.Recorded {
		return ""
	}
	return "its member ID and volume are not recorded yet"
}

func learnerCaughtUp(_ Cluster, m Member) string {
	switch {
	case !m.Healthy:
		return "it does not answer"
	case !m.CaughtUp:
		return "it lacks a part of the leader's log"
	}
	return ""
}

func quorumAfterPromotion(c Cluster, _ Member) string {
	n, healthy := c.Voters()+1, c.HealthyVoters()+1
	if healthy < quorum.Size(n) {
		return fmt.Sprintf("with it %d of %d voters would be healthy, %d must agree", healthy, n, quorum.Size(n))
	}
	return ""
}

// MayOpen answers whether the client Service may be made: only when the cluster ID and the incarnations of a majority of
// its voters are recorded, so that no write is acknowledged by a voter that could still be mistaken for a new one.
func MayOpen(c Cluster) bool {
	onRecord := c.count(func(m Member) bool { return isVoter(m) && m.Recorded && m.Votes })
	return c.formed() && c.Listed && onRecord >= quorum.Size(c.Voters())
}

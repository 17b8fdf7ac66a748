package plugin

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Schema is the apiVersion of what -o json and -o yaml print. Fields are added to it and never renamed or removed; a change
// that breaks readers makes another version.
const Schema = "plugin.etcd-operator.cozystack.io/v1"

// Health is how a cluster is, in a word.
type Health string

// The words for the health of a cluster.
const (
	Healthy     Health = "Healthy"     // every voter answers
	Paused      Health = "Paused"      // its members are parked, as asked for
	Degraded    Health = "Degraded"    // it serves, but a member does not, or an alarm is raised
	Stalled     Health = "Stalled"     // it serves, and only a human can fulfil the spec
	Forming     Health = "Forming"     // it has not formed yet
	Starting    Health = "Starting"    // its members are on their way up
	Unavailable Health = "Unavailable" // it does not serve linearizable reads and writes
	Unknown     Health = "Unknown"     // nobody has looked at it yet
)

// Source is where figures come from.
type Source string

// The sources of figures.
const (
	Live       Source = "Live"       // the member was asked
	FromStatus Source = "FromStatus" // the status of the EtcdCluster, as the operator wrote it last
)

// ClusterStatus is what "status" tells about one cluster.
type ClusterStatus struct {
	metav1.TypeMeta `json:",inline"`
	Name            string `json:"name"`
	Namespace       string `json:"namespace"`
	// Health is the health in a word; the exit code follows it.
	Health Health `json:"health"`
	// Source is Live, or FromStatus if the members could not be asked.
	Source Source `json:"source"`
	// StatusAgeSeconds is how long ago the operator last wrote the status, absent if it never did.
	StatusAgeSeconds *int64 `json:"statusAgeSeconds,omitempty"`
	// MembersWanted is spec.replicas; 0 means paused.
	MembersWanted int `json:"membersWanted"`
	// MembersReady counts the voters that are healthy and whose Pods are ready.
	MembersReady int    `json:"membersReady"`
	Quorum       Quorum `json:"quorum"`
	// Version is the lowest etcd version that a member runs, else the one that is asked for.
	Version string `json:"version"`
	// StorageVersion is that of the data; etcd 3.5 does not tell it.
	StorageVersion string `json:"storageVersion,omitempty"`
	// ClusterID is etcd's cluster ID in hexadecimal, empty until the cluster has formed.
	ClusterID string `json:"clusterID,omitempty"`
	// Endpoint is the URL for clients within the Kubernetes cluster.
	Endpoint string `json:"endpoint"`
	// Leader is the name of the member that leads.
	Leader string `json:"leader,omitempty"`
	// Revision of the key space, as the member that is furthest knows it.
	Revision int64 `json:"revision,omitempty"`
	// Database is that of the member whose file is the largest.
	Database *Database `json:"database,omitempty"`
	// LastSnapshot is the newest complete EtcdSnapshot of the cluster, absent if there is none.
	LastSnapshot *LastSnapshot `json:"lastSnapshot,omitempty"`
	// Alarms that members have raised, as "NOSPACE on demo-abc12".
	Alarms   []string `json:"alarms,omitempty"`
	Operator Operator `json:"operator"`
	// Rollout is how far members are with what the spec asks for, absent when all of them have it.
	Rollout *Rollout `json:"rollout,omitempty"`
	// FromHere is what the operator's own rules say to what the plugin sees, if that is something else.
	FromHere *Answer  `json:"fromHere,omitempty"`
	Members  []Member `json:"members"`
	// Notes say what is missing from this picture, and why.
	Notes []string `json:"notes,omitempty"`
}

// ClusterStatusList is what "status" tells about many clusters, from the status that the operator wrote.
type ClusterStatusList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []ClusterStatus `json:"items"`
}

// Quorum counts voters.
type Quorum struct {
	Voters  int `json:"voters"`
	Healthy int `json:"healthy"`
	// MustAgree is a majority of the voters.
	MustAgree int `json:"mustAgree"`
	// MayFail is how many of the healthy voters may fail before the cluster stops serving.
	MayFail int `json:"mayFail"`
}

// Database is the size of etcd's database.
type Database struct {
	SizeBytes  int64 `json:"sizeBytes"`
	InUseBytes int64 `json:"inUseBytes,omitempty"`
	// QuotaBytes is the size at which etcd stops accepting writes.
	QuotaBytes int64 `json:"quotaBytes,omitempty"`
}

// LastSnapshot is the newest snapshot of a cluster.
type LastSnapshot struct {
	Name       string `json:"name"`
	AgeSeconds int64  `json:"ageSeconds"`
	SizeBytes  int64  `json:"sizeBytes"`
	Revision   int64  `json:"revision,omitempty"`
	// Verified says that a drill has restored it.
	Verified bool `json:"verified"`
}

// Answer is what the operator's rules say.
type Answer struct {
	// Outlook is fulfilled, working, waiting or stuck.
	Outlook string `json:"outlook,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Operator is what the operator does and why, in its own words.
type Operator struct {
	Answer `json:",inline"`
	// Behind says that it has not seen the current spec, and since when; empty if it has.
	Behind string `json:"behind,omitempty"`
}

// Member is one member.
type Member struct {
	Name string `json:"name"`
	// ID is etcd's member ID in hexadecimal.
	ID string `json:"id,omitempty"`
	// Role is leader, follower, learner or unlisted; voter where it is not known who leads.
	Role string `json:"role"`
	// State is how it is, in a word or two; "ok" if nothing is wrong.
	State string `json:"state"`
	// Trouble is what is wrong with it, for people.
	Trouble string `json:"trouble,omitempty"`
	Healthy bool   `json:"healthy"`
	// Ready says whether its Pod is.
	Ready bool `json:"ready"`
	// Source of the figures below.
	Source           Source `json:"source"`
	Version          string `json:"version,omitempty"`
	StorageVersion   string `json:"storageVersion,omitempty"`
	RaftIndex        uint64 `json:"raftIndex,omitempty"`
	RaftAppliedIndex uint64 `json:"raftAppliedIndex,omitempty"`
	// Lag is how many entries of the leader's log it has not applied.
	Lag      *int64    `json:"lag,omitempty"`
	Term     uint64    `json:"term,omitempty"`
	Database *Database `json:"database,omitempty"`
	Alarms   []string  `json:"alarms,omitempty"`
	// Node that its Pod runs on.
	Node string `json:"node,omitempty"`
	// Restarts of its etcd container, absent without a Pod.
	Restarts *int32 `json:"restarts,omitempty"`
	// Turn is how far a rollout is with it, empty when there is none.
	Turn Turn `json:"turn,omitempty"`
	// Endpoint is the URL of the member for clients within the Kubernetes cluster.
	Endpoint string `json:"endpoint,omitempty"`
}

// Explanation is what "explain" tells: the decision of the operator's rules on what the plugin sees, and all that they forbid.
type Explanation struct {
	metav1.TypeMeta `json:",inline"`
	Name            string `json:"name"`
	Namespace       string `json:"namespace"`
	// Decision is absent if the members could not be asked: then nothing can be decided from here.
	Decision *Decision `json:"decision,omitempty"`
	// Operator is what the operator said last.
	Operator Operator `json:"operator"`
	// OperatorAgeSeconds is how long ago the operator last wrote the status, absent if it never did.
	OperatorAgeSeconds *int64 `json:"operatorAgeSeconds,omitempty"`
	// Rollout is how far members are with what the spec asks for, absent when all of them have it.
	Rollout *Rollout `json:"rollout,omitempty"`
	// Agrees says whether the operator said the same as Decision.
	Agrees bool `json:"agrees"`
	// Difference says what the two not agreeing may mean; empty if they agree.
	Difference string `json:"difference,omitempty"`
	// Verdicts answer, for each member, what may be done to it now.
	Verdicts []Verdict `json:"verdicts"`
	Notes    []string  `json:"notes,omitempty"`
}

// Decision is the answer of the rules with its grounds.
type Decision struct {
	Answer `json:",inline"`
	// Rule that decided, and what it is for.
	Rule    string `json:"rule"`
	RuleDoc string `json:"ruleDoc"`
	// Step that is taken next, such as "Promote demo-abc12"; empty if none is.
	Step string `json:"step,omitempty"`
	// Refusal is the invariant, with the numbers, that forbids what the rule wants; empty if none does.
	Refusal string `json:"refusal,omitempty"`
	// RecheckSeconds is how long until the operator looks again even if nothing changes.
	RecheckSeconds float64 `json:"recheckSeconds"`
}

// Verdict answers whether something may be done to a member now.
type Verdict struct {
	// Member is empty for one that does not exist yet.
	Member string `json:"member,omitempty"`
	// Change is add, promote or remove.
	Change  string `json:"change"`
	Allowed bool   `json:"allowed"`
	// Invariant that forbids it, and why, with the numbers.
	Invariant string `json:"invariant,omitempty"`
	Why       string `json:"why,omitempty"`
}

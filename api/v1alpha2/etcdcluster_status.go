package v1alpha2

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdClusterStatus is what the operator sees and does.
type EtcdClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of. -1 means that the operator has not looked yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are Ready, Reconciling and Stalled (kstatus), Available, Progressing and Degraded, EvenSize and QuotaNearVolumeSize.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ReadyMembers is the number of voters whose Pod is ready.
	// +optional
	ReadyMembers int32 `json:"readyMembers"`

	// UpdatedMembers is the number of members whose Pod is made from the current spec.
	// +optional
	UpdatedMembers int32 `json:"updatedMembers"`

	// BrokenMembers is the number of members whose data cannot be used.
	// +optional
	BrokenMembers int32 `json:"brokenMembers"`

	// Selector matches exactly the member Pods, for the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`

	// ClusterID is etcd's cluster ID in hexadecimal. It is recorded once, when the cluster has formed, and never changes afterwards.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`

	// ClusterToken is etcd's initial cluster token, <namespace>-<cluster>-<uid>. Recorded once.
	// +optional
	ClusterToken string `json:"clusterToken,omitempty"`

	// InitialMembers are the names of the members that form the cluster. Recorded once, before the first of them is created.
	// +optional
	InitialMembers []string `json:"initialMembers,omitempty"`

	// LastOrdinal is the highest member number given out. Numbers are never used twice.
	// +optional
	LastOrdinal int64 `json:"lastOrdinal,omitempty"`

	// AuthEnabled says whether etcd's authentication is on.
	// +optional
	AuthEnabled bool `json:"authEnabled,omitempty"`

	// Auth is what the operator remembers of authentication.
	// +optional
	Auth *AuthStatus `json:"auth,omitempty"`

	// TLS is how far the certificates are.
	// +optional
	TLS *TLSStatus `json:"tls,omitempty"`

	// Version is the lowest etcd version that a member runs.
	//
	// +kubebuilder:validation:MaxLength=32
	// +optional
	Version string `json:"version,omitempty"`

	// Leader is the name of the member that leads.
	// +optional
	Leader string `json:"leader,omitempty"`

	// DBSize is the size of the largest member's database on disk. It is refreshed when it has changed noticeably.
	// +optional
	DBSize *resource.Quantity `json:"dbSize,omitempty"`

	// VolumeSize is the capacity of the largest volume that a member has; unset while there is none.
	// +optional
	VolumeSize *resource.Quantity `json:"volumeSize,omitempty"`

	// Members are the members, as etcd and Kubernetes show them together.
	//
	// +listType=map
	// +listMapKey=name
	// +optional
	Members []MemberSummary `json:"members,omitempty"`

	// Replacements are those begun within the last hour, each recorded before its first step.
	//
	// +optional
	Replacements []ReplacementRecord `json:"replacements,omitempty"`

	// Consistency is the last comparison of the members' data.
	// +optional
	Consistency *ConsistencyCheck `json:"consistency,omitempty"`

	// Template is what all members were last brought to, completely and in health. While what the spec asks for cannot be carried out,
	// members that are added or repaired get this.
	// +optional
	Template *MemberTemplate `json:"template,omitempty"`

	// Rollout is how far members are with what the spec asks for.
	// +optional
	Rollout *RolloutStatus `json:"rollout,omitempty"`

	// LastSnapshot is the newest complete EtcdSnapshot of the cluster.
	// +optional
	LastSnapshot *LastSnapshot `json:"lastSnapshot,omitempty"`

	// LastProgressTime is when the operator last took a step or came to rest. ProgressDeadlineSeconds counts from it.
	// +optional
	LastProgressTime *metav1.Time `json:"lastProgressTime,omitempty"`
}

// LastSnapshot is the newest complete snapshot of a cluster.
type LastSnapshot struct {
	// Name of the EtcdSnapshot.
	Name        string      `json:"name"`
	CompletedAt metav1.Time `json:"completedAt"`
	Revision    int64       `json:"revision,omitempty"`
	SizeBytes   int64       `json:"sizeBytes"`
	// Verified is true once a drill has restored it.
	// +optional
	Verified bool `json:"verified,omitempty"`
}

// ReplacementRecord is a replacement that was begun.
type ReplacementRecord struct {
	// Member is the name of the member that is replaced.
	Member string `json:"member"`
	// Reason is the failure that it is replaced for.
	Reason string `json:"reason"`
	// Time is when it was decided.
	Time metav1.Time `json:"time"`
}

// ConsistencyVerdict is what a comparison of the members' data came to.
type ConsistencyVerdict string

const (
	// ConsistencyAgreed: all voters that answered hold the same data, and they are a majority.
	ConsistencyAgreed ConsistencyVerdict = "Agreed"
	// ConsistencyDiverged: a majority holds the same data, and the members in Diverged hold other data.
	ConsistencyDiverged ConsistencyVerdict = "Diverged"
	// ConsistencyUnclear: no majority holds the same data, or too few answered.
	ConsistencyUnclear ConsistencyVerdict = "Unclear"
)

// ConsistencyCheck is a comparison of the members' data at one revision, by etcd's HashKV.
type ConsistencyCheck struct {
	// CheckedAt is when it was made.
	CheckedAt metav1.Time `json:"checkedAt"`
	// Revision at which the data were compared.
	Revision int64 `json:"revision"`
	// Verdict is Agreed, Diverged or Unclear.
	Verdict ConsistencyVerdict `json:"verdict"`
	// Compared are the member IDs of the voters that answered, in hexadecimal, sorted.
	// +optional
	Compared []string `json:"compared,omitempty"`
	// Diverged are the member IDs of those whose data differ from what a majority holds.
	// +optional
	Diverged []string `json:"diverged,omitempty"`
	// Message says it for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// MemberRole is a member's standing in etcd's member list.
type MemberRole string

const (
	// MemberRoleVoter is a member that votes.
	MemberRoleVoter MemberRole = "voter"
	// MemberRoleLearner is a member that receives the log and does not vote.
	MemberRoleLearner MemberRole = "learner"
	// MemberRoleUnlisted is a member that etcd does not list, or whose listing is not known.
	MemberRoleUnlisted MemberRole = "unlisted"
)

// MemberSummary is one line about a member.
type MemberSummary struct {
	Name string `json:"name"`
	// MemberID is etcd's member ID in hexadecimal.
	// +optional
	MemberID string `json:"memberID,omitempty"`
	// Role is voter, learner or unlisted.
	// +optional
	Role MemberRole `json:"role,omitempty"`
	// Version that the member runs.
	// +optional
	Version string `json:"version,omitempty"`
	// Healthy is true when the member answered a linearizable read (a learner: any read) just now.
	Healthy bool `json:"healthy"`
	// UnhealthySince is when a member that votes stopped to be healthy.
	// +optional
	UnhealthySince *metav1.Time `json:"unhealthySince,omitempty"`
	// DBSize is the size of its database on disk.
	// +optional
	DBSize *resource.Quantity `json:"dbSize,omitempty"`
	// DBSizeInUse is the part of it that holds data.
	// +optional
	DBSizeInUse *resource.Quantity `json:"dbSizeInUse,omitempty"`
	// VolumeSize is the capacity of its volume.
	// +optional
	VolumeSize *resource.Quantity `json:"volumeSize,omitempty"`
	// RaftIndexLag is how many log entries it is behind the leader.
	// +optional
	RaftIndexLag *int64 `json:"raftIndexLag,omitempty"`
	// Alarms are NOSPACE or CORRUPT.
	// +optional
	Alarms []string `json:"alarms,omitempty"`
	// Message says what is wrong with the member, empty when nothing is.
	// +optional
	Message string `json:"message,omitempty"`
}

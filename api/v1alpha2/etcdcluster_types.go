package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdCluster is an etcd cluster that the operator runs.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=etcd,categories={all,etcd-operator}
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.readyMembers,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Replicas",type=integer,JSONPath=`.spec.replicas`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.readyMembers`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Leader",type=string,priority=1,JSONPath=`.status.leader`
// +kubebuilder:printcolumn:name="DB size",type=string,priority=1,JSONPath=`.status.dbSize`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 56 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS-1035 label of at most 56 characters (lower-case letters, digits and '-', starting with a letter): Services and Pods carry it"
type EtcdCluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EtcdClusterSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status EtcdClusterStatus `json:"status,omitzero"`
}

// EtcdClusterList is a list of EtcdClusters.
//
// +kubebuilder:object:root=true
type EtcdClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EtcdCluster `json:"items"`
}

// EtcdClusterSpec is the cluster that is wanted.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.replicas) && self.replicas == 0 && has(self.storage) && has(self.storage.medium) && self.storage.medium == 'Memory')",message="replicas 0 pauses a cluster by stopping its Pods, and a Memory cluster would lose its data with them: use storage.medium \"\" or keep at least one replica"
// +kubebuilder:validation:XValidation:rule="!has(self.tls)",message="tls is not supported yet by this version of the operator: remove spec.tls"
// +kubebuilder:validation:XValidation:rule="!has(self.auth)",message="auth is not supported yet by this version of the operator: remove spec.auth"
// +kubebuilder:validation:XValidation:rule="!has(self.bootstrap)",message="bootstrap (restore from a snapshot) is not supported yet by this version of the operator: remove spec.bootstrap"
// +kubebuilder:validation:XValidation:rule="self.version == oldSelf.version",message="version cannot be changed on an existing cluster yet: this version of the operator does no rolling upgrades"
type EtcdClusterSpec struct {
	// Replicas is the number of members wanted. 0 pauses the cluster: all members stop, all volumes and identities are kept.
	// Odd numbers are advised: an even size tolerates no more failures than one less. Until the cluster has formed
	// for the first time a change waits.
	//
	// +kubebuilder:default=3
	// +kubebuilder:validation:XValidation:rule="self >= 0",message="replicas must be 0 (paused) or more"
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Version is the etcd version, for example 3.6.16. The image tag is "v" followed by it.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+[.][0-9]+[.][0-9]+$')",message="version must be MAJOR.MINOR.PATCH without a leading v, for example 3.6.16"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^[0-9]+[.][0-9]+[.][0-9]+$') || self.matches('^3[.](5|6|7)[.][0-9]+$')",message="version must be of a supported minor: 3.5, 3.6 or 3.7"
	Version string `json:"version"`

	// Storage is where each member keeps its data.
	//
	// +kubebuilder:default={size:"1Gi"}
	// +optional
	Storage StorageSpec `json:"storage,omitzero"`

	// ProgressDeadlineSeconds is how long the cluster may make no progress before the condition Progressing turns False with the
	// reason DeadlineExceeded. It is a report: the operator goes on trying.
	//
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=1
	// +optional
	ProgressDeadlineSeconds *int32 `json:"progressDeadlineSeconds,omitempty"`

	// TLS is transport security for clients and peers, each on its own. Not supported yet: refused at admission.
	// +optional
	TLS *EtcdClusterTLS `json:"tls,omitempty"`

	// Auth is etcd's own authentication. Not supported yet: refused at admission.
	// +optional
	Auth *AuthSpec `json:"auth,omitempty"`

	// Bootstrap says how the cluster comes by its first data. Not supported yet: refused at admission.
	// +optional
	Bootstrap *BootstrapSpec `json:"bootstrap,omitempty"`

	// Resources of the etcd container. Unset means requests of 100m CPU and 128Mi memory, and no limits.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`

	// AdditionalMetadata is put on every object that the operator creates for this cluster. The operator's own keys win.
	// +optional
	AdditionalMetadata *AdditionalMetadata `json:"additionalMetadata,omitempty"`

	// Affinity of the member Pods. When it and topologySpreadConstraints are both unset, members prefer different nodes
	// and different zones.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// TopologySpreadConstraints of the member Pods.
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// Options are settings of etcd itself.
	// +optional
	Options *EtcdOptions `json:"options,omitempty"`

	// ImagePullSecrets of the member Pods.
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// MemberReplacement says when a member whose data cannot come back is replaced by a new one. A change takes effect at once.
	//
	// +kubebuilder:default={}
	// +optional
	MemberReplacement MemberReplacement `json:"memberReplacement,omitzero"`
}

// ReplacementMode says who decides that a member is replaced.
//
// +kubebuilder:validation:Enum=Automatic;Manual
type ReplacementMode string

const (
	// ReplacementAutomatic: the operator replaces members by itself.
	ReplacementAutomatic ReplacementMode = "Automatic"
	// ReplacementManual: the operator says which member it would replace, and waits for AnnotationReplace on it.
	ReplacementManual ReplacementMode = "Manual"
)

// MemberReplacement is the policy of self-healing.
type MemberReplacement struct {
	// Mode is Automatic or Manual. With Manual a lost member is named in the condition Stalled, and replaced when its EtcdMember
	// is annotated with etcd-operator.cozystack.io/replace.
	//
	// +kubebuilder:default=Automatic
	// +optional
	Mode ReplacementMode `json:"mode,omitempty"`

	// NodeLossGracePeriodSeconds is how long a node may be gone or down, or a member out of reach of all others, before a
	// member whose data are only there is replaced.
	//
	// +kubebuilder:default=300
	// +kubebuilder:validation:Minimum=0
	// +optional
	NodeLossGracePeriodSeconds *int32 `json:"nodeLossGracePeriodSeconds,omitempty"`

	// MaxPerHour is how many replacements may begin within an hour. What is beyond waits, with the reason ReplacementBudgetSpent.
	//
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +optional
	MaxPerHour *int32 `json:"maxPerHour,omitempty"`
}

// StorageMedium is what a member's data lies on.
//
// +kubebuilder:validation:XValidation:rule="self.size() == 0 || self == 'Memory'",message="storage.medium must be \"\" (a PersistentVolumeClaim) or \"Memory\" (tmpfs)"
type StorageMedium string

const (
	// StorageMediumDefault keeps data on a PersistentVolumeClaim.
	StorageMediumDefault StorageMedium = ""
	// StorageMediumMemory keeps data in memory: fast, and lost with the Pod. A member whose Pod is gone is replaced.
	StorageMediumMemory StorageMedium = "Memory"
)

// StorageSpec says where a member keeps its data.
//
// +kubebuilder:validation:XValidation:rule="quantity(string(self.size)).isGreaterThan(quantity('0'))",message="storage.size must be greater than zero, for example 1Gi"
// +kubebuilder:validation:XValidation:rule="!quantity(string(self.size)).isLessThan(quantity(string(oldSelf.size)))",message="storage.size cannot shrink: etcd's data may not fit; create a new cluster and move the data instead"
// +kubebuilder:validation:XValidation:rule="(has(self.medium) && self.medium == 'Memory') == (has(oldSelf.medium) && oldSelf.medium == 'Memory')",message="storage.medium cannot be changed on an existing cluster yet"
// +kubebuilder:validation:XValidation:rule="has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",message="storage.storageClassName cannot be changed on an existing cluster yet"
type StorageSpec struct {
	// Size of the volume of each member; with medium Memory the limit of the tmpfs. Default 1Gi. It may grow, not shrink.
	//
	// +kubebuilder:default="1Gi"
	// +optional
	Size resource.Quantity `json:"size,omitzero"`

	// Medium is "" for a PersistentVolumeClaim, or Memory for tmpfs.
	// +optional
	Medium StorageMedium `json:"medium,omitempty"`

	// StorageClassName of the PersistentVolumeClaims. Unset means the default class.
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`

	// ReplacedVolumeTTLSeconds is how long the volume of a replaced member is kept aside, under the label
	// etcd-operator.cozystack.io/set-aside. It is never used again, and never deleted before the cluster is whole. 0 means until then.
	// A change takes effect at once, also for volumes that are aside already.
	//
	// +kubebuilder:default=86400
	// +kubebuilder:validation:Minimum=0
	// +optional
	ReplacedVolumeTTLSeconds *int64 `json:"replacedVolumeTTLSeconds,omitempty"`
}

// AdditionalMetadata is put on created objects.
type AdditionalMetadata struct {
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// CompactionMode is how etcd compacts by itself.
//
// +kubebuilder:validation:Enum=periodic;revision
type CompactionMode string

const (
	// CompactionPeriodic keeps the history of a period of time.
	CompactionPeriodic CompactionMode = "periodic"
	// CompactionRevision keeps a number of revisions.
	CompactionRevision CompactionMode = "revision"
)

// EtcdOptions are settings of etcd itself.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoCompactionRetention) || self.autoCompactionRetention.matches('^[0-9]+$') || (!(has(self.autoCompactionMode) && self.autoCompactionMode == 'revision') && self.autoCompactionRetention.matches('^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$'))",message="options.autoCompactionRetention must be an integer (revisions, or hours with mode periodic) or, with mode periodic, a duration such as 30m"
type EtcdOptions struct {
	// QuotaBackendBytes is the size of the database in bytes at which etcd stops accepting writes. 0 means etcd's default of 2 GiB.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	QuotaBackendBytes *int64 `json:"quotaBackendBytes,omitempty"`

	// AutoCompactionMode is periodic (etcd's default) or revision.
	// +optional
	AutoCompactionMode CompactionMode `json:"autoCompactionMode,omitempty"`

	// AutoCompactionRetention is a duration such as 30m or a number of hours (periodic), or a number of revisions (revision).
	// Unset or "0" means no automatic compaction.
	//
	// +kubebuilder:validation:MaxLength=64
	// +optional
	AutoCompactionRetention string `json:"autoCompactionRetention,omitempty"`

	// SnapshotCount is the number of committed transactions after which etcd writes a snapshot to disk. Unset means etcd's default.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	SnapshotCount *int64 `json:"snapshotCount,omitempty"`
}

// EtcdClusterStatus is what the operator sees and does.
type EtcdClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of. -1 means that the operator has not looked yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are Ready, Reconciling and Stalled (kstatus), Available, Progressing and Degraded, and EvenSize.
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

	// Version is the lowest etcd version that a member runs.
	// +optional
	Version string `json:"version,omitempty"`

	// Leader is the name of the member that leads.
	// +optional
	Leader string `json:"leader,omitempty"`

	// DBSize is the size of the largest member's database on disk. It is refreshed when it has changed noticeably.
	// +optional
	DBSize *resource.Quantity `json:"dbSize,omitempty"`

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

	// LastProgressTime is when the operator last took a step or came to rest. ProgressDeadlineSeconds counts from it.
	// +optional
	LastProgressTime *metav1.Time `json:"lastProgressTime,omitempty"`
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

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
// +kubebuilder:validation:XValidation:rule="!quantity(string(self.spec.storage.size)).isLessThan(quantity(string(oldSelf.spec.storage.size))) || has(self.status) && has(self.status.volumeSize) && !quantity(string(self.spec.storage.size)).isLessThan(quantity(string(self.status.volumeSize)))",message="spec.storage.size cannot be less than the volumes have (status.volumeSize): a volume never shrinks; create a new cluster and move the data instead"
// +kubebuilder:validation:XValidation:rule="!self.spec.version.matches('^[0-9]+[.][0-9]+[.][0-9]+$') || self.spec.version.matches('^3[.](5|6|7)[.]') || oldSelf.hasValue() && has(oldSelf.value().status) && has(oldSelf.value().status.clusterID) && self.spec.version.matches('^3[.]([89]|[1-9][0-9])[.]')",optionalOldSelf=true,fieldPath=".spec.version",message="version must be of a supported minor: 3.5, 3.6 or 3.7"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.startsWith('3.7.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.5.') : oldSelf.spec.version.startsWith('3.5.')))",message="version: etcd is upgraded one minor at a time, and members run 3.5: set version to 3.6.16 first (from a patch before 3.5.32 to 3.5.35)"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.startsWith('3.5.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.7.') : oldSelf.spec.version.startsWith('3.7.')))",message="version: etcd is downgraded one minor at a time, and members run 3.7: set version to 3.6.16 first"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.startsWith('3.6.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.matches('^3[.]5[.]([0-9]|[12][0-9]|3[01])$') : oldSelf.spec.version.matches('^3[.]5[.]([0-9]|[12][0-9]|3[01])$')))",message="version: etcd 3.5 cannot be upgraded to 3.6 before all members run at least 3.5.32: set version to 3.5.35 first"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.startsWith('3.7.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.matches('^3[.]6[.]([0-9]|10)$') : oldSelf.spec.version.matches('^3[.]6[.]([0-9]|10)$')))",message="version: etcd 3.6 cannot be upgraded to 3.7 before all members run at least 3.6.11: set version to 3.6.16 first"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.matches('^3[.]5[.]([0-9]|[12][0-9]|3[01])$') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.6.') : oldSelf.spec.version.startsWith('3.6.')))",message="version: the first that etcd 3.6 can be downgraded to is 3.5.32: set version to 3.5.35"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(self.spec.version.matches('^3[.]6[.]([0-9]|10)$') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.7.') : oldSelf.spec.version.startsWith('3.7.')))",message="version: the first that etcd 3.7 can be downgraded to is 3.6.11: set version to 3.6.16"
// +kubebuilder:validation:XValidation:rule="self.spec.version == oldSelf.spec.version || !has(oldSelf.status.clusterID) || !(has(self.spec.storage.medium) && self.spec.storage.medium == 'Memory' && (self.spec.version.startsWith('3.5.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.6.') : oldSelf.spec.version.startsWith('3.6.')) || self.spec.version.startsWith('3.6.') && (has(oldSelf.status.version) && oldSelf.status.version.size() > 0 ? oldSelf.status.version.startsWith('3.7.') : oldSelf.spec.version.startsWith('3.7.'))))",message="version: a cluster in memory cannot be downgraded, because etcd lets nobody join during a downgrade: change storage.medium to \"\" first"
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
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !(has(self.auth.enabled) && self.auth.enabled) && !(has(self.auth.users) && self.auth.users.size() > 0) || has(self.tls) && has(self.tls.client)",message="auth.enabled and auth.users need tls.client: passwords are not sent in plain"
// +kubebuilder:validation:XValidation:rule="has(self.bootstrap) == has(oldSelf.bootstrap) && (!has(self.bootstrap) || self.bootstrap == oldSelf.bootstrap)",message="bootstrap cannot be changed: it says how the cluster comes by its first data; create another EtcdCluster instead"
// +kubebuilder:validation:XValidation:rule="self.?options.?heartbeatIntervalMilliseconds.orValue(100) <= 5 * oldSelf.?options.?heartbeatIntervalMilliseconds.orValue(100) && oldSelf.?options.?heartbeatIntervalMilliseconds.orValue(100) <= 5 * self.?options.?heartbeatIntervalMilliseconds.orValue(100) && self.?options.?electionTimeoutMilliseconds.orValue(1000) <= 5 * oldSelf.?options.?electionTimeoutMilliseconds.orValue(1000) && oldSelf.?options.?electionTimeoutMilliseconds.orValue(1000) <= 5 * self.?options.?electionTimeoutMilliseconds.orValue(1000)",message="options.heartbeatIntervalMilliseconds and electionTimeoutMilliseconds may change by at most a factor of 5 at a time, because members with the old and the new timers run side by side while the change is rolled out: go there in steps"
// +kubebuilder:validation:XValidation:rule="self.?options.?electionTimeoutMilliseconds.orValue(1000) >= 3 * oldSelf.?options.?heartbeatIntervalMilliseconds.orValue(100) && oldSelf.?options.?electionTimeoutMilliseconds.orValue(1000) >= 3 * self.?options.?heartbeatIntervalMilliseconds.orValue(100)",message="options.electionTimeoutMilliseconds must be at least 3 times heartbeatIntervalMilliseconds also between old and new timers, or members would hold elections all the time while the change is rolled out: raise the election timeout first, or go there in steps"
// +kubebuilder:validation:XValidation:rule="!has(self.options) || !has(self.options.warningUnaryRequestDuration) || !self.version.startsWith('3.5.')",message="etcd 3.5 does not know options.warningUnaryRequestDuration: leave it out"
type EtcdClusterSpec struct {
	// Replicas is the number of members wanted. 0 pauses the cluster: all members stop, all volumes and identities are kept.
	// Odd numbers are advised: an even size tolerates no more failures than one less. Until the cluster has formed
	// for the first time a change waits.
	//
	// +kubebuilder:default=3
	// +kubebuilder:validation:XValidation:rule="self >= 0",message="replicas must be 0 (paused) or more"
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Version is the etcd version, for example 3.6.16. The image tag is "v" followed by it. It is changed by one minor at a time. A minor
	// that is newer than this operator is refused by the condition Stalled, and taken once an operator that knows it runs.
	//
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+[.][0-9]+[.][0-9]+$')",message="version must be MAJOR.MINOR.PATCH without a leading v, for example 3.6.16"
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

	// TLS is transport security for clients and peers, each on its own: from Secrets of yours, or from a CA of the cluster's own
	// (auto). All of it may be changed on a running cluster.
	// +optional
	TLS *EtcdClusterTLS `json:"tls,omitempty"`

	// Auth is etcd's own authentication, and its users and roles. It may be changed on a running cluster.
	// +optional
	Auth *AuthSpec `json:"auth,omitempty"`

	// Bootstrap says how the cluster comes by its first data. It cannot be changed, and is read only until the cluster has formed.
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

	// UpdateStrategy says how members take over changes that need a restart. A change takes effect at once.
	//
	// +kubebuilder:default={}
	// +optional
	UpdateStrategy UpdateStrategy `json:"updateStrategy,omitzero"`
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
type StorageSpec struct {
	// Size of the volume of each member; with medium Memory the limit of the tmpfs. Default 1Gi. It may grow: volumes are expanded in place
	// if their class allows it, else their members are replaced one by one. It may be lowered again as far as no volume has grown yet.
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

	// PersistentVolumeClaimRetentionPolicy says what becomes of volumes when the cluster is deleted or scaled down. A change takes effect
	// at once, for the volumes that are there.
	//
	// +optional
	PersistentVolumeClaimRetentionPolicy *PersistentVolumeClaimRetentionPolicy `json:"persistentVolumeClaimRetentionPolicy,omitempty"`
}

// AdditionalMetadata is put on created objects.
type AdditionalMetadata struct {
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

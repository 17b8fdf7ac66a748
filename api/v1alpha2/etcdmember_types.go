package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdMember is one member of an etcd cluster, and the operator's ledger of it: what is meant to happen to the member is
// written here before it is done. The operator makes, changes and deletes EtcdMembers; people only read them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=etcdm,categories={etcd-operator}
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterName`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Running",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Member ID",type=string,priority=1,JSONPath=`.status.memberID`
// +kubebuilder:printcolumn:name="Voter",type=boolean,priority=1,JSONPath=`.status.isVoter`
type EtcdMember struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EtcdMemberSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status EtcdMemberStatus `json:"status,omitzero"`
}

// EtcdMemberList is a list of EtcdMembers.
//
// +kubebuilder:object:root=true
type EtcdMemberList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EtcdMember `json:"items"`
}

// EtcdMemberSpec is the member that is wanted.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.removal) || has(self.removal)",message="removal cannot be taken back: etcd may have acted on it already"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.initialCluster) || oldSelf.initialCluster.size() == 0 || (has(self.initialCluster) && self.initialCluster == oldSelf.initialCluster)",message="initialCluster is frozen once it is set"
// +kubebuilder:validation:XValidation:rule="has(self.restore) == has(oldSelf.restore) && (!has(self.restore) || self.restore == oldSelf.restore)",message="restore is frozen: a member has its first data once"
type EtcdMemberSpec struct {
	// ClusterName is the EtcdCluster in the same namespace.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterName is immutable"
	ClusterName string `json:"clusterName"`

	// Version of etcd.
	Version string `json:"version"`

	// +optional
	Storage StorageSpec `json:"storage,omitzero"`
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
	// +optional
	AdditionalMetadata *AdditionalMetadata `json:"additionalMetadata,omitempty"`
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// +optional
	Options *EtcdOptions `json:"options,omitempty"`
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// RestartedAt is AnnotationRestartedAt of the cluster when the member was last let start anew.
	// +optional
	RestartedAt string `json:"restartedAt,omitempty"`

	// UpdateStrategy says who makes a Pod of an earlier start anew: the operator, or with OnDelete people, by deleting it.
	// +optional
	UpdateStrategy *UpdateStrategy `json:"updateStrategy,omitempty"`

	// Bootstrap is true for a member that forms the cluster, false for one that joins it later.
	// +optional
	Bootstrap bool `json:"bootstrap,omitempty"`

	// InitialCluster is etcd's --initial-cluster. A joining member has none until etcd has listed it: its Pod waits for it.
	// +optional
	InitialCluster string `json:"initialCluster,omitempty"`

	// ClusterToken is etcd's --initial-cluster-token, and part of the marker that ties a volume to its member.
	//
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterToken is immutable"
	ClusterToken string `json:"clusterToken"`

	// PeerURL is the address under which the other members reach this one. It is never used by another member. Its scheme changes
	// when TLS between members is turned on or off.
	//
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.replace('https://', 'http://') == oldSelf.replace('https://', 'http://')",message="only the scheme of peerURL can be changed"
	PeerURL string `json:"peerURL"`

	// Replicas is always 1; it is there for the scale subresource.
	//
	// +kubebuilder:default=1
	// +kubebuilder:validation:XValidation:rule="self == 1",message="a member cannot be scaled: change replicas of its EtcdCluster"
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Start counts how often the member was given settings that only another Pod takes over. A Pod of an earlier start is made anew.
	//
	// +kubebuilder:validation:XValidation:rule="self >= oldSelf",message="start counts upwards"
	// +optional
	Start int64 `json:"start,omitempty"`

	// Dormant stops the member's Pod and keeps its volume and identity.
	// +optional
	Dormant bool `json:"dormant,omitempty"`

	// Removal is set when the member is to leave the cluster for good.
	// +optional
	Removal *MemberRemoval `json:"removal,omitempty"`

	// TLS is what the member mounts.
	// +optional
	TLS *EtcdMemberTLS `json:"tls,omitempty"`

	// Restore is the snapshot that the member's first data are made from.
	// +optional
	Restore *MemberRestore `json:"restore,omitempty"`
}

// MemberRemoval is the recorded intent to remove a member.
//
// +kubebuilder:validation:XValidation:rule="!(has(oldSelf.confirmed) && oldSelf.confirmed) || (has(self.confirmed) && self.confirmed)",message="removal.confirmed cannot be taken back: the member's volume may be gone already"
type MemberRemoval struct {
	// Reason is why, in a word.
	Reason string `json:"reason"`
	// KeepVolume sets the member's volume aside under LabelSetAside instead of deleting it.
	// +optional
	KeepVolume bool `json:"keepVolume,omitempty"`
	// Confirmed is true once etcd no longer lists the member. Only then its Pod and its volume are deleted.
	// +optional
	Confirmed bool `json:"confirmed,omitempty"`
}

// EtcdMemberTLS is what a member mounts. Certificates change under the running process; whom it trusts changes with a restart.
type EtcdMemberTLS struct {
	// ClientServerSecretRef names the Secret with the certificate that clients see. Unset means that they connect in plain.
	// +optional
	ClientServerSecretRef *corev1.LocalObjectReference `json:"clientServerSecretRef,omitempty"`
	// ClientTrustRef names the ConfigMap with the CAs of clients. It is never changed: other CAs come in another one.
	// +optional
	ClientTrustRef *corev1.LocalObjectReference `json:"clientTrustRef,omitempty"`
	// ClientMTLS says that clients have to present a certificate.
	// +optional
	ClientMTLS bool `json:"clientMTLS,omitempty"`
	// ClientPlaintext lets clients connect without TLS too.
	// +optional
	ClientPlaintext bool `json:"clientPlaintext,omitempty"`
	// PeerSecretRef names the Secret with the certificate for other members. Unset means that the member speaks in plain only. Whether
	// it listens with it is the scheme of peerURL.
	// +optional
	PeerSecretRef *corev1.LocalObjectReference `json:"peerSecretRef,omitempty"`
	// PeerTrustRef names the ConfigMap with the CAs of the other members. It is never changed: other CAs come in another one.
	// +optional
	PeerTrustRef *corev1.LocalObjectReference `json:"peerTrustRef,omitempty"`
	// PeerAutoTLS is not used: etcd's own automatic certificates prove nobody's identity.
	// +optional
	PeerAutoTLS bool `json:"peerAutoTLS,omitempty"`
}

// EtcdMemberStatus is what the operator sees of a member.
type EtcdMemberStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are Ready, Joined, VersionDrifted, and VolumeExpanding while the volume is smaller than the spec asks for.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// MemberID is etcd's member ID in hexadecimal.
	// +optional
	MemberID string `json:"memberID,omitempty"`

	// IsVoter is true once the member votes and its incarnation is recorded.
	// +optional
	IsVoter bool `json:"isVoter,omitempty"`

	// Incarnation ties the member ID to the volume that holds its vote. Recorded once, before the member may vote for clients.
	// +optional
	Incarnation *MemberIncarnation `json:"incarnation,omitempty"`

	// Grant is the one permission to start on an empty volume. It is recorded as used before the Pod that holds it can start.
	// +optional
	Grant *StartGrant `json:"grant,omitempty"`

	// Failure is why the member cannot serve, absent when nothing is wrong.
	// +optional
	Failure *MemberFailure `json:"failure,omitempty"`

	// +optional
	PodName string `json:"podName,omitempty"`
	// +optional
	PodUID string `json:"podUID,omitempty"`
	// +optional
	PVCName string `json:"pvcName,omitempty"`
	// VolumeUID is the UID of the PersistentVolumeClaim; with medium Memory, of the Pod.
	// +optional
	VolumeUID string `json:"volumeUID,omitempty"`

	// Version that the Pod runs.
	// +optional
	Version string `json:"version,omitempty"`

	// Replicas is 1 when the Pod exists.
	// +optional
	Replicas int32 `json:"replicas"`
	// Selector matches the member's Pod.
	// +optional
	Selector string `json:"selector,omitempty"`
}

// MemberIncarnation ties a member ID to the volume that holds its vote.
type MemberIncarnation struct {
	MemberID  string `json:"memberID"`
	VolumeUID string `json:"volumeUID"`
}

// GrantState is what became of a StartGrant.
type GrantState string

const (
	// GrantOpen: no Pod that holds the grant has been let go to the scheduler.
	GrantOpen GrantState = "Open"
	// GrantUsed: the Pod with PodUID may have started etcd on the empty volume.
	GrantUsed GrantState = "Used"
)

// StartGrant is the one permission to start on an empty volume. The Pod that holds it is created behind a scheduling gate,
// then the grant is recorded as used, and only then the gate goes: so an open grant was never acted upon.
type StartGrant struct {
	State GrantState `json:"state"`
	// PodUID is the Pod that the grant was used for.
	// +optional
	PodUID string `json:"podUID,omitempty"`
	// VolumeUID is the volume it is for; with medium Memory, the Pod.
	// +optional
	VolumeUID string `json:"volumeUID,omitempty"`
}

// MemberFailure is why a member cannot serve.
type MemberFailure struct {
	// Reason is one of the failures named in this package, for example DataLost.
	Reason string `json:"reason"`
	// +optional
	Message string `json:"message,omitempty"`
	// Since is when this failure was seen first. Grace periods count from it.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Times is how often in a row the etcd container has ended for this reason; 0 if the failure is no end of a container.
	// +optional
	Times int32 `json:"times,omitempty"`
	// Proven is true if etcd has seen for itself that its data cannot be used: it need not end so a second time.
	// +optional
	Proven bool `json:"proven,omitempty"`
	// RestartCount of the etcd container when Times was counted last.
	// +optional
	RestartCount int32 `json:"restartCount,omitempty"`
	// ExitCode of the etcd container, when it ended.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`
}

package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdSnapshot is one snapshot of a cluster. It is Complete only once what was stored has been read back and verified.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=etcds,categories={etcd-operator}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterRef.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Verified",type=string,JSONPath=`.status.conditions[?(@.type=="Verified")].status`
// +kubebuilder:printcolumn:name="Size",type=integer,JSONPath=`.status.artifact.sizeBytes`
// +kubebuilder:printcolumn:name="Revision",type=integer,JSONPath=`.status.artifact.revision`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="URI",type=string,priority=1,JSONPath=`.status.artifact.uri`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type EtcdSnapshot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EtcdSnapshotSpec `json:"spec"`
	// +optional
	Status EtcdSnapshotStatus `json:"status,omitzero"`
}

// EtcdSnapshotList is a list of EtcdSnapshots.
//
// +kubebuilder:object:root=true
type EtcdSnapshotList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EtcdSnapshot `json:"items"`
}

// EtcdSnapshotSpec says what to save, and where. Of it only deletionPolicy can be changed.
//
// +kubebuilder:validation:XValidation:rule="self.clusterRef == oldSelf.clusterRef && self.destination == oldSelf.destination && self.compression == oldSelf.compression && self.activeDeadlineSeconds == oldSelf.activeDeadlineSeconds",message="a snapshot is taken once: only deletionPolicy can be changed; create another EtcdSnapshot instead"
type EtcdSnapshotSpec struct {
	// ClusterRef names an EtcdCluster in the same namespace.
	//
	// +kubebuilder:validation:XValidation:rule="has(self.name) && self.name.size() > 0",message="clusterRef.name must name an EtcdCluster"
	ClusterRef corev1.LocalObjectReference `json:"clusterRef"`

	// Destination is where the snapshot is stored, as <prefix>/<name>.db, with .zst behind it if it is compressed. An object that is there
	// already and does not belong to this EtcdSnapshot is never overwritten.
	Destination SnapshotLocation `json:"destination"`

	// Compression of what is stored: None or Zstd.
	//
	// +kubebuilder:default=None
	// +optional
	Compression SnapshotCompression `json:"compression,omitempty"`

	// DeletionPolicy says what becomes of what is stored when the EtcdSnapshot is deleted: Retain keeps it, Delete deletes it first.
	//
	// +kubebuilder:default=Retain
	// +optional
	DeletionPolicy SnapshotDeletionPolicy `json:"deletionPolicy,omitempty"`

	// ActiveDeadlineSeconds is how long it is tried, counted from the creation.
	//
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=30
	// +optional
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`
}

// SnapshotCompression is how what is stored is compressed.
//
// +kubebuilder:validation:Enum=None;Zstd
type SnapshotCompression string

// Compressions.
const (
	CompressionNone SnapshotCompression = "None"
	CompressionZstd SnapshotCompression = "Zstd"
)

// SnapshotDeletionPolicy says what becomes of what is stored.
//
// +kubebuilder:validation:Enum=Retain;Delete
type SnapshotDeletionPolicy string

// Deletion policies.
const (
	SnapshotRetain SnapshotDeletionPolicy = "Retain"
	SnapshotDelete SnapshotDeletionPolicy = "Delete"
)

// SnapshotPhase is how far a snapshot is.
//
// +kubebuilder:validation:Enum=Pending;Started;Complete;Failed
type SnapshotPhase string

// Phases of a snapshot. Complete and Failed are final.
const (
	SnapshotPending  SnapshotPhase = "Pending"
	SnapshotStarted  SnapshotPhase = "Started"
	SnapshotComplete SnapshotPhase = "Complete"
	SnapshotFailed   SnapshotPhase = "Failed"
)

// EtcdSnapshotStatus is what became of a snapshot.
type EtcdSnapshotStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	Phase SnapshotPhase `json:"phase,omitempty"`

	// StartedAt is when the first try began, CompletedAt when the phase became Complete or Failed.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`

	// Attempts is the number of tries begun.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// LastAttemptEndedAt is when the last try failed. The next one waits a little longer each time.
	// +optional
	LastAttemptEndedAt *metav1.Time `json:"lastAttemptEndedAt,omitempty"`

	// Progress of the try that runs.
	// +optional
	Progress *SnapshotProgress `json:"progress,omitempty"`

	// Artifact is what is stored. It is set once the snapshot is Complete.
	// +optional
	Artifact *SnapshotArtifact `json:"artifact,omitempty"`

	// Verification is the last restore drill.
	// +optional
	Verification *SnapshotVerification `json:"verification,omitempty"`

	// Conditions are Ready (kstatus: True once Complete), Reconciling, Stalled, Complete, Failed, and Verified once a drill has ended.
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SnapshotProgress is how far a try is.
type SnapshotProgress struct {
	// Step is Connecting, Streaming or Verifying.
	Step string `json:"step"`
	// Member is the etcd member that the snapshot comes from.
	// +optional
	Member string `json:"member,omitempty"`
	// Bytes that passed in this step.
	Bytes int64 `json:"bytes"`
	// TotalBytes expected, 0 if that is not known.
	// +optional
	TotalBytes int64 `json:"totalBytes,omitempty"`
}

// SnapshotArtifact is the stored snapshot.
type SnapshotArtifact struct {
	// URI is s3://<bucket>/<key> or pvc://<claim>/<path>.
	URI string `json:"uri"`
	// SizeBytes is the size of etcd's snapshot, with the sha256 trailer, before compression.
	SizeBytes int64 `json:"sizeBytes"`
	// StoredBytes is the size of the stored object.
	// +optional
	StoredBytes int64 `json:"storedBytes,omitempty"`
	// Checksum of the stored object: "sha256:" and the hexadecimal digest.
	Checksum string `json:"checksum"`
	// EtcdVersion of the member that it was taken from.
	// +optional
	EtcdVersion string `json:"etcdVersion,omitempty"`
	// Revision that the snapshot contains.
	// +optional
	Revision int64 `json:"revision,omitempty"`
	// CompactRevision is the last compaction that the snapshot contains.
	// +optional
	CompactRevision int64 `json:"compactRevision,omitempty"`
	// TotalKeys is the number of keys at the revision, as the member counted them; unset if it had compacted the revision already.
	// +optional
	TotalKeys *int64 `json:"totalKeys,omitempty"`
	// HashKV of the snapshot at its revision, in hexadecimal; empty if a compaction was under way.
	// +optional
	HashKV string `json:"hashKV,omitempty"`
	// ClusterID of etcd, in hexadecimal.
	// +optional
	ClusterID string `json:"clusterID,omitempty"`
	// Member that it was taken from.
	// +optional
	Member string `json:"member,omitempty"`
	// Duration of the successful try, reading back included.
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`
}

// SnapshotVerification is a restore drill: the snapshot was restored into a throwaway member, which was asked for its data.
type SnapshotVerification struct {
	// Request is the value of the annotation that asked for it.
	// +optional
	Request string `json:"request,omitempty"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`
	// Outcome is Verified, Failed (the data are not those that were saved) or Inconclusive (the drill itself could not be done).
	// +optional
	Outcome VerificationOutcome `json:"outcome,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
}

// VerificationOutcome is what a drill came to.
//
// +kubebuilder:validation:Enum=Verified;Failed;Inconclusive
type VerificationOutcome string

// Outcomes of a drill.
const (
	VerificationVerified     VerificationOutcome = "Verified"
	VerificationFailed       VerificationOutcome = "Failed"
	VerificationInconclusive VerificationOutcome = "Inconclusive"
)

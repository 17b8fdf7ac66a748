package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdSnapshot is one snapshot of a cluster. Not supported yet: refused at admission.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=etcds,categories={etcd-operator}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterRef.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="!has(self.spec)",message="EtcdSnapshot is not supported yet by this version of the operator: take a snapshot with etcdctl snapshot save"
type EtcdSnapshot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   EtcdSnapshotSpec   `json:"spec"`
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

// EtcdSnapshotSpec says what to save, and where.
type EtcdSnapshotSpec struct {
	// ClusterRef names an EtcdCluster in the same namespace.
	ClusterRef corev1.LocalObjectReference `json:"clusterRef"`
	// Destination is where the snapshot is stored, as <prefix>/<snapshot name>.db.
	Destination SnapshotLocation `json:"destination"`
}

// SnapshotLocation is exactly one of s3 and pvc.
type SnapshotLocation struct {
	// +optional
	S3 *S3Location `json:"s3,omitempty"`
	// +optional
	PVC *PVCLocation `json:"pvc,omitempty"`
}

// S3Location is a place in an S3-compatible store.
type S3Location struct {
	Endpoint string `json:"endpoint"`
	Bucket   string `json:"bucket"`
	// Key is a prefix for snapshots that are taken, and exact for one that is restored.
	// +optional
	Key string `json:"key,omitempty"`
	// CredentialsSecretRef names a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
	CredentialsSecretRef corev1.LocalObjectReference `json:"credentialsSecretRef"`
	// +optional
	Region string `json:"region,omitempty"`
	// +optional
	ForcePathStyle bool `json:"forcePathStyle,omitempty"`
}

// PVCLocation is a place on a PersistentVolumeClaim.
type PVCLocation struct {
	ClaimName string `json:"claimName"`
	// +optional
	SubPath string `json:"subPath,omitempty"`
}

// SnapshotPhase is how far a snapshot is.
//
// +kubebuilder:validation:Enum=Pending;Started;Complete;Failed
type SnapshotPhase string

// Phases of a snapshot.
const (
	SnapshotPending  SnapshotPhase = "Pending"
	SnapshotStarted  SnapshotPhase = "Started"
	SnapshotComplete SnapshotPhase = "Complete"
	SnapshotFailed   SnapshotPhase = "Failed"
)

// EtcdSnapshotStatus is what became of a snapshot.
type EtcdSnapshotStatus struct {
	// +optional
	Phase SnapshotPhase `json:"phase,omitempty"`
	// +optional
	Artifact *SnapshotArtifact `json:"artifact,omitempty"`
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SnapshotArtifact is the stored snapshot.
type SnapshotArtifact struct {
	URI       string `json:"uri"`
	SizeBytes int64  `json:"sizeBytes"`
	// Checksum is "sha256:" and the hexadecimal digest.
	Checksum string `json:"checksum"`
}

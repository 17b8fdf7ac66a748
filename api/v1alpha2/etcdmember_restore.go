package v1alpha2

// MemberRestore is the snapshot that a member's first data are made from, as it was known when the cluster was founded. It is never looked
// up again.
type MemberRestore struct {
	// Source is the exact place of the snapshot.
	Source SnapshotLocation `json:"source"`

	// Snapshot is the EtcdSnapshot that named it.
	// +optional
	Snapshot string `json:"snapshot,omitempty"`

	// Artifact is what that EtcdSnapshot knew of it. What is fetched must be the same.
	// +optional
	Artifact *SnapshotArtifact `json:"artifact,omitempty"`

	// RevisionBump is added to the revision, and everything before is marked as compacted. 0 leaves revisions alone.
	// +optional
	RevisionBump int64 `json:"revisionBump,omitempty"`
}

const (
	// AnnotationStoreAccess on a member's Pod tells the versions of the Secrets that its snapshot is fetched with.
	AnnotationStoreAccess = "etcd-operator.cozystack.io/store-access"

	// ReasonRestoring: the first member is being made from a snapshot, or waits for it.
	ReasonRestoring = "Restoring"
	// FailureRestore: the snapshot could not be fetched, or not be restored. It is tried again.
	FailureRestore = "RestoreFailed"
	// FailureSnapshotTooNew: the snapshot is of a newer minor of etcd than the cluster.
	FailureSnapshotTooNew = "SnapshotTooNew"
)

package v1alpha2

// VolumeRetention says what becomes of a volume that is not needed any more.
//
// +kubebuilder:validation:Enum=Delete;Retain
type VolumeRetention string

const (
	// VolumeDelete: it is deleted.
	VolumeDelete VolumeRetention = "Delete"
	// VolumeRetain: it is kept until somebody deletes it.
	VolumeRetain VolumeRetention = "Retain"
)

// PersistentVolumeClaimRetentionPolicy says what becomes of volumes, as that of a StatefulSet does. The volume of a member that was
// replaced is no concern of it: storage.replacedVolumeTTLSeconds is.
type PersistentVolumeClaimRetentionPolicy struct {
	// WhenDeleted is for the volumes that are there when the EtcdCluster is deleted. With Retain they do not belong to it: their
	// PersistentVolumeClaims have no owner.
	//
	// +kubebuilder:default=Delete
	// +optional
	WhenDeleted VolumeRetention `json:"whenDeleted,omitempty"`

	// WhenScaled is for the volumes of members that leave because replicas was lowered. With Retain they are set aside under the label
	// etcd-operator.cozystack.io/set-aside=ScaledDown, are never used again, and stay also if this is changed back; whenDeleted
	// counts for them too.
	//
	// +kubebuilder:default=Delete
	// +optional
	WhenScaled VolumeRetention `json:"whenScaled,omitempty"`
}

package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UpdateStrategyType says who restarts members that were given other settings.
//
// +kubebuilder:validation:Enum=RollingUpdate;OnDelete
type UpdateStrategyType string

const (
	// UpdateRolling: the operator restarts one member at a time.
	UpdateRolling UpdateStrategyType = "RollingUpdate"
	// UpdateOnDelete: members take new settings over when somebody deletes their Pod.
	UpdateOnDelete UpdateStrategyType = "OnDelete"
)

// UpdateStrategy says how members take over changes that need a restart.
type UpdateStrategy struct {
	// Type is RollingUpdate, one member at a time and the leader last, or OnDelete: members are given new settings at once and take them
	// over when somebody deletes their Pod. Changes of TLS are rolled out in any case.
	//
	// +kubebuilder:default=RollingUpdate
	// +optional
	Type UpdateStrategyType `json:"type,omitempty"`
}

// MemberTemplate is what members take over from the spec of their cluster, and what a restart or a new member may fail with. TLS is no
// part of it: it follows the certificates.
type MemberTemplate struct {
	// Version of etcd.
	Version string `json:"version"`
	// +optional
	Storage MemberStorage `json:"storage,omitzero"`
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// +optional
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// +optional
	Options *EtcdOptions `json:"options,omitempty"`
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// RestartedAt is AnnotationRestartedAt of the cluster.
	// +optional
	RestartedAt string `json:"restartedAt,omitempty"`
}

// MemberStorage is the part of StorageSpec that a volume is made from.
type MemberStorage struct {
	// +optional
	Size resource.Quantity `json:"size,omitzero"`
	// +optional
	Medium StorageMedium `json:"medium,omitempty"`
	// +optional
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// RolloutStatus is how far members are with what the spec asks for.
type RolloutStatus struct {
	// Failed is the template that a member did not come back with. It is not tried again before the spec changes.
	// +optional
	Failed *FailedRollout `json:"failed,omitempty"`

	// Checks is what has to be in order before members are given another version.
	//
	// +listType=map
	// +listMapKey=name
	// +optional
	Checks []RolloutCheck `json:"checks,omitempty"`

	// Downgrade is one of etcd's that was begun and is not over. It is written down before etcd is told.
	// +optional
	Downgrade *DowngradeStatus `json:"downgrade,omitempty"`

	// Rehearsal is what came of starting etcd on no data, before any member is touched.
	// +optional
	Rehearsal *RehearsalStatus `json:"rehearsal,omitempty"`
}

// FailedRollout is a template that a member did not come back with.
type FailedRollout struct {
	// Template identifies it.
	Template string `json:"template"`
	// Member that did not come back.
	Member string `json:"member"`
	// Reason is what was seen of the member, in a word.
	Reason string `json:"reason"`
	// Message is what the member said last.
	// +optional
	Message string `json:"message,omitempty"`
	// Time is when it was decided to go back.
	Time metav1.Time `json:"time"`
}

// RolloutCheck is one thing that has to be in order.
type RolloutCheck struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Message says it for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// RehearsalResult is what came of a rehearsal.
type RehearsalResult string

const (
	// RehearsalPassed: etcd started and served.
	RehearsalPassed RehearsalResult = "Passed"
	// RehearsalFailed: it did not, and would not another time.
	RehearsalFailed RehearsalResult = "Failed"
	// RehearsalPrevented: it could not be tried out: its image is out of reach, or its Pod not admitted. It is tried again.
	RehearsalPrevented RehearsalResult = "Prevented"
)

// RehearsalStatus is what came of starting etcd with a template on no data.
type RehearsalStatus struct {
	// Template identifies the version, the options and where the image may come from.
	Template string `json:"template"`
	// Result is Passed, Failed or Prevented.
	Result RehearsalResult `json:"result"`
	// Message is why it failed.
	// +optional
	Message string `json:"message,omitempty"`
	// Time is when it ended.
	// +optional
	Time metav1.Time `json:"time,omitzero"`
}

// DowngradePhase is how far a downgrade is.
type DowngradePhase string

// Phases of a downgrade, which package plan decides on.
const (
	// DowngradeEnabling: etcd is told, and every member makes its data ready for the older etcd.
	DowngradeEnabling DowngradePhase = "Enabling"
	// DowngradeLowering: members are restarted with the older etcd, one after the other.
	DowngradeLowering DowngradePhase = "Lowering"
	// DowngradeCancelling: etcd is told that it is over, and members go back up.
	DowngradeCancelling DowngradePhase = "Cancelling"
)

// DowngradeStatus is how far a downgrade is.
type DowngradeStatus struct {
	// Target is the minor that the cluster goes down to, MAJOR.MINOR.
	Target string `json:"target"`
	// Phase is Enabling, Lowering or Cancelling.
	Phase DowngradePhase `json:"phase"`
}

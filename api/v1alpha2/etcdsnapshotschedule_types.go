package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdSnapshotSchedule takes snapshots of a cluster again and again, keeps as many as asked for, and tries out whether they restore.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=etcdss,categories={etcd-operator}
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.clusterRef.name`
// +kubebuilder:printcolumn:name="Schedule",type=string,JSONPath=`.spec.schedule`
// +kubebuilder:printcolumn:name="Suspend",type=boolean,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="Last success",type=date,JSONPath=`.status.lastSuccessfulTime`
// +kubebuilder:printcolumn:name="Last verified",type=date,JSONPath=`.status.lastVerifiedTime`
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.nextScheduleTime`
// +kubebuilder:printcolumn:name="Ready",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 47",message="metadata.name must have at most 47 characters: snapshots are named <schedule>-<time>"
type EtcdSnapshotSchedule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec EtcdSnapshotScheduleSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status EtcdSnapshotScheduleStatus `json:"status,omitzero"`
}

// EtcdSnapshotScheduleList is a list of EtcdSnapshotSchedules.
//
// +kubebuilder:object:root=true
type EtcdSnapshotScheduleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []EtcdSnapshotSchedule `json:"items"`
}

// EtcdSnapshotScheduleSpec says when, what, where to, and for how long.
type EtcdSnapshotScheduleSpec struct {
	// Schedule is five fields of cron, or @hourly, @daily, @weekly, @monthly, @yearly, or @every and a duration of at least 10s, which is
	// counted from the creation of the schedule.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule="!self.contains('TZ=')",message="name the time zone in timeZone"
	Schedule string `json:"schedule"`

	// TimeZone is a name of the IANA database, for example Europe/Berlin. Default: UTC.
	//
	// +optional
	TimeZone string `json:"timeZone,omitempty"`

	// ClusterRef names an EtcdCluster in the same namespace.
	//
	// +kubebuilder:validation:XValidation:rule="has(self.name) && self.name.size() > 0",message="clusterRef.name must name an EtcdCluster"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterRef is immutable: make another schedule for another cluster"
	ClusterRef corev1.LocalObjectReference `json:"clusterRef"`

	// Destination is where snapshots are stored, as <prefix>/<name>.db.
	Destination SnapshotLocation `json:"destination"`

	// Compression of what is stored: None or Zstd.
	//
	// +kubebuilder:default=None
	// +optional
	Compression SnapshotCompression `json:"compression,omitempty"`

	// Suspend stops new snapshots. Retention and verification go on. When it ends, the last run that was missed is made up for.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// StartingDeadlineSeconds is how late a snapshot may begin; one that was missed by more is left out. Unset: however late. Of several
	// missed ones only the last is made up for.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	StartingDeadlineSeconds *int64 `json:"startingDeadlineSeconds,omitempty"`

	// ConcurrencyPolicy says what happens when one is due while another is not done: Forbid leaves it out, Allow begins it,
	// Replace deletes the one that is not done.
	//
	// +kubebuilder:default=Forbid
	// +optional
	ConcurrencyPolicy SnapshotConcurrency `json:"concurrencyPolicy,omitempty"`

	// ActiveDeadlineSeconds of each snapshot.
	//
	// +kubebuilder:default=3600
	// +kubebuilder:validation:Minimum=30
	// +optional
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// Retention says which snapshots are kept. Unset: all.
	//
	// +optional
	Retention *SnapshotRetention `json:"retention,omitempty"`

	// Verify has the newest snapshot restored into a throwaway member now and then.
	//
	// +optional
	Verify *SnapshotDrill `json:"verify,omitempty"`

	// DeletionPolicy says what becomes of the snapshots when the schedule is deleted: Retain keeps them, Delete deletes them and what
	// they stored.
	//
	// +kubebuilder:default=Retain
	// +optional
	DeletionPolicy SnapshotDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// SnapshotConcurrency says what happens when a snapshot is due while another is not done.
//
// +kubebuilder:validation:Enum=Forbid;Allow;Replace
type SnapshotConcurrency string

// Concurrency policies.
const (
	ConcurrencyForbid  SnapshotConcurrency = "Forbid"
	ConcurrencyAllow   SnapshotConcurrency = "Allow"
	ConcurrencyReplace SnapshotConcurrency = "Replace"
)

// SnapshotRetention says which snapshots of a schedule are kept: those that any of its rules keeps. What the others stored is deleted
// with them, oldest first; within one life of a cluster etcd's revision tells which is older, else the recorded time does. The newest
// complete one and the newest one that a drill has verified are always kept; one whose drill failed takes nobody's place. A snapshot that
// has no more the label of its schedule is not touched.
//
// +kubebuilder:validation:XValidation:rule="has(self.keepLast) || has(self.keepFor)",message="retention needs keepLast, keepFor or both"
// +kubebuilder:validation:XValidation:rule="!has(self.keepFor) || duration(self.keepFor) > duration('0s')",message="keepFor must be greater than zero, for example 168h"
type SnapshotRetention struct {
	// KeepLast is how many complete snapshots are kept.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	KeepLast *int32 `json:"keepLast,omitempty"`
	// KeepFor is how long complete snapshots are kept, for example 168h.
	//
	// +optional
	KeepFor *metav1.Duration `json:"keepFor,omitempty"`
}

// SnapshotDrill says how often the newest snapshot is tried out.
type SnapshotDrill struct {
	// Period is how long after a drill the next one begins, for example 24h. At least a minute.
	//
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="verify.period must be at least 1m"
	Period metav1.Duration `json:"period"`
}

// EtcdSnapshotScheduleStatus is what became of a schedule.
type EtcdSnapshotScheduleStatus struct {
	// ObservedGeneration is the generation of the spec that this status speaks of. -1 means that the operator has not looked yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// LastScheduleTime is the time of the last run that was taken or left out.
	// +optional
	LastScheduleTime *metav1.Time `json:"lastScheduleTime,omitempty"`
	// NextScheduleTime is when the next one is due.
	// +optional
	NextScheduleTime *metav1.Time `json:"nextScheduleTime,omitempty"`

	// Active are the snapshots that are not done.
	//
	// +listType=set
	// +optional
	Active []string `json:"active,omitempty"`

	// LastSuccessfulTime is when LastSuccessfulSnapshot was complete.
	// +optional
	LastSuccessfulTime *metav1.Time `json:"lastSuccessfulTime,omitempty"`
	// +optional
	LastSuccessfulSnapshot string `json:"lastSuccessfulSnapshot,omitempty"`

	// LastVerifiedTime is when a drill last found LastVerifiedSnapshot to be whole.
	// +optional
	LastVerifiedTime *metav1.Time `json:"lastVerifiedTime,omitempty"`
	// +optional
	LastVerifiedSnapshot string `json:"lastVerifiedSnapshot,omitempty"`

	// ConsecutiveFailures is the number of snapshots that have failed since the last success.
	// +optional
	ConsecutiveFailures int32 `json:"consecutiveFailures,omitempty"`
	// LastFailure is what the last one of them said.
	// +optional
	LastFailure string `json:"lastFailure,omitempty"`

	// Missed is the number of runs that were left out since the schedule was made.
	// +optional
	Missed int64 `json:"missed,omitempty"`

	// Conditions are Ready (the last snapshot succeeded, or none is done yet), Reconciling and Stalled (kstatus).
	//
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

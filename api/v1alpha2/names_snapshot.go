package v1alpha2

// Labels and annotations of snapshots.
const (
	// LabelSnapshot names the EtcdSnapshot that a Job and its Pod work for.
	LabelSnapshot = "etcd-operator.cozystack.io/snapshot"
	// LabelSchedule names the EtcdSnapshotSchedule that an EtcdSnapshot was made by.
	LabelSchedule = "etcd-operator.cozystack.io/schedule"
	// LabelBeforeVersion on an EtcdSnapshot is the version that a cluster is changed to next: the operator took it for that.
	LabelBeforeVersion = "etcd-operator.cozystack.io/before-version"
	// AnnotationScheduledAt on such an EtcdSnapshot is the time it was due, in RFC 3339.
	AnnotationScheduledAt = "etcd-operator.cozystack.io/scheduled-at"
	// AnnotationVerify on an EtcdSnapshot asks for a restore drill; each new value asks for another one.
	AnnotationVerify = "etcd-operator.cozystack.io/verify"
	// FinalizerSnapshot holds an EtcdSnapshot until what it stored is deleted. It is there only with the deletion policy Delete.
	FinalizerSnapshot = "etcd-operator.cozystack.io/snapshot"
	// FinalizerSchedule holds an EtcdSnapshotSchedule until its snapshots are. It is there only with the deletion policy Delete.
	FinalizerSchedule = "etcd-operator.cozystack.io/snapshot-schedule"
)

// Condition types of EtcdSnapshot, beside those of kstatus.
const (
	ConditionComplete = "Complete"
	ConditionFailed   = "Failed"
	ConditionVerified = "Verified"
)

// Labels of the Jobs of an EtcdSnapshot and of their Pods, besides LabelSnapshot.
const (
	// LabelSnapshotTask is what the Job does: save, delete or drill.
	LabelSnapshotTask = "etcd-operator.cozystack.io/snapshot-task"
	// LabelAttempt is the number of the try.
	LabelAttempt = "etcd-operator.cozystack.io/attempt"
)

// Reasons of the conditions of EtcdSnapshot, besides those of agents (internal/snapshot/task) and of the plan.
const (
	ReasonSnapshotComplete = "Complete"
	ReasonSnapshotSaving   = "Saving"
	// ReasonClusterMissing: there is no EtcdCluster of that name.
	ReasonClusterMissing = "ClusterMissing"
	// ReasonClusterNotReady: it has yet to form, is paused, or serves nobody.
	ReasonClusterNotReady = "ClusterNotReady"
	// ReasonClaimMissing: there is no PersistentVolumeClaim of that name.
	ReasonClaimMissing = "ClaimMissing"
	// ReasonJobRefused: Kubernetes does not take the Job.
	ReasonJobRefused = "JobRefused"
)

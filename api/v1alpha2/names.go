package v1alpha2

// Labels and annotations that the operator sets or reads.
const (
	// LabelCluster names the EtcdCluster that an object belongs to.
	LabelCluster = "etcd-operator.cozystack.io/cluster"
	// LabelClusterUID is the UID of that EtcdCluster: a cluster created again under the same name has another one.
	LabelClusterUID = "etcd-operator.cozystack.io/cluster-uid"
	// LabelMember names the EtcdMember that a Pod or volume belongs to.
	LabelMember = "etcd-operator.cozystack.io/member"
	// LabelOrdinal is the number of the member within its cluster; it is never used twice.
	LabelOrdinal = "etcd-operator.cozystack.io/ordinal"
	// LabelRole is RoleVoter or RoleLearner on a member's Pod. The client Service selects voters by it.
	LabelRole = "etcd-operator.cozystack.io/role"

	// RoleVoter marks the Pod of a member whose vote and incarnation are recorded.
	RoleVoter = "voter"
	// RoleLearner marks the Pod of every other member.
	RoleLearner = "learner"

	// AnnotationReconcile with the value ReconcileDisabled on an EtcdCluster stops the operator from changing anything
	// of that cluster. Status goes on being reported.
	AnnotationReconcile = "etcd-operator.cozystack.io/reconcile"
	// AnnotationMemberUID on a volume is the UID of the EtcdMember it was made for.
	AnnotationMemberUID = "etcd-operator.cozystack.io/member-uid"
	// GateFirstStart holds a Pod back from the scheduler until its start grant is recorded as used.
	GateFirstStart = "etcd-operator.cozystack.io/first-start"
	// ReconcileDisabled is the one value of AnnotationReconcile that has a meaning.
	ReconcileDisabled = "disabled"
)

// Condition types. Ready, Reconciling and Stalled follow kstatus; the others are for people and for existing users.
const (
	// ConditionReady is True when the spec is fulfilled; also while paused, if pausing was asked for.
	ConditionReady = "Ready"
	// ConditionReconciling is present and True only while the operator is at work or waits for something to happen.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present and True only when nobody but a human can go on.
	ConditionStalled = "Stalled"
	// ConditionAvailable is True when the cluster serves linearizable reads and writes.
	ConditionAvailable = "Available"
	// ConditionProgressing is True while the cluster moves towards its spec.
	ConditionProgressing = "Progressing"
	// ConditionDegraded is True when a member is broken, or the cluster tolerates fewer failures than its size allows.
	ConditionDegraded = "Degraded"
	// ConditionEvenSize is True when spec.replicas is even and above zero: such a cluster tolerates no more
	// failures than one with a member less.
	ConditionEvenSize = "EvenSize"
	// ConditionJoined (EtcdMember) is True once the member votes and its incarnation is recorded.
	ConditionJoined = "Joined"
	// ConditionVersionDrifted (EtcdMember) is True when the Pod runs another version than the spec asks for.
	ConditionVersionDrifted = "VersionDrifted"
)

// Condition types of EtcdCluster under the names that Go programs know them by.
const (
	ClusterAvailable   = ConditionAvailable
	ClusterProgressing = ConditionProgressing
	ClusterDegraded    = ConditionDegraded
)

// Reasons of the conditions Available and Progressing that existing users rely on.
const (
	ReasonQuorumHealthy          = "QuorumHealthy"
	ReasonQuorumAvailable        = "QuorumAvailable"
	ReasonPaused                 = "Paused"
	ReasonQuorumLost             = "QuorumLost"
	ReasonClusterUnreachable     = "ClusterUnreachable"
	ReasonBootstrapping          = "Bootstrapping"
	ReasonBootstrapFailed        = "BootstrapFailed"
	ReasonReconciled             = "Reconciled"
	ReasonDeadlineExceeded       = "DeadlineExceeded"
	ReasonAuthRequired           = "AuthRequiredNotConfigured"
	ReasonCertManagerMissing     = "CertManagerNotInstalled"
	ReasonReconcilingDisabled    = "ReconcilingDisabled"
	ReasonEvenSizeGainsNothing   = "EvenSizeGainsNothing"
	ReasonAsDesired              = "AsDesired"
	ReasonMembersBroken          = "MembersBroken"
	ReasonToleranceReduced       = "ToleranceReduced"
	ReasonAllMembersHealthy      = "AllMembersHealthy"
	ReasonMemberStarting         = "Starting"
	ReasonMemberServing          = "Serving"
	ReasonMemberNotServing       = "NotServing"
	ReasonMemberDormant          = "Dormant"
	ReasonMemberLeaving          = "Leaving"
	ReasonMemberVoter            = "Voter"
	ReasonMemberNotYetVoter      = "NotYetVoter"
	ReasonMemberVersionAsDesired = "AsDesired"
	ReasonMemberVersionDiffers   = "Differs"
)

// Failures of a member, named in EtcdMemberStatus.Failure.
const (
	// FailureForeignData: the volume holds the data of another member, cluster or volume (launcher exit 41).
	FailureForeignData = "ForeignData"
	// FailureDataLost: the volume is empty, or its write-ahead log is gone, and the member has started before (launcher exit 42).
	FailureDataLost = "DataLost"
	// FailureDataUnreadable: the volume cannot be read or written (launcher exit 43). Never a reason to replace.
	FailureDataUnreadable = "DataUnreadable"
	// FailureVolumeMissing: the claim is gone although the member has started on it.
	FailureVolumeMissing = "VolumeMissing"
	// FailureMemoryLost: the Pod of a memory member is gone, and its data with it.
	FailureMemoryLost = "MemoryLost"
	// FailureCrashing: etcd ends again and again for another reason.
	FailureCrashing = "Crashing"
	// FailureUnschedulable: no node takes the Pod.
	FailureUnschedulable = "Unschedulable"
	// FailureImage: the image cannot be pulled.
	FailureImage = "ImageUnavailable"
	// FailureNameTaken: an object of a name that this member needs belongs to somebody else.
	FailureNameTaken = "NameTaken"
)

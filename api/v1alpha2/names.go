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
	// AnnotationRestartedAt on an EtcdCluster, with any value, restarts its members one after the other, as it does for Deployments.
	AnnotationRestartedAt = "kubectl.kubernetes.io/restartedAt"
	// AnnotationMemberUID on a volume is the UID of the EtcdMember it was made for.
	AnnotationMemberUID = "etcd-operator.cozystack.io/member-uid"
	// SetAsideScaledDown is the value of LabelSetAside on volumes that whenScaled retains. Only people delete those.
	SetAsideScaledDown = "ScaledDown"
	// AnnotationMemberID on a volume is etcd's member ID, in hexadecimal, of the voter whose vote it holds. It outlives the
	// EtcdMember, so that a member whose EtcdMember was deleted by accident is taken back as what it was. On an EtcdMember it is
	// the ID that etcd gave to the member that joins, written down before its first start.
	AnnotationMemberID = "etcd-operator.cozystack.io/member-id"
	// LabelSetAside on a volume says why it was taken out of use. Such a volume is never used again.
	LabelSetAside = "etcd-operator.cozystack.io/set-aside"
	// AnnotationSetAsideAt on such a volume is since when, in RFC 3339. spec.storage.replacedVolumeTTLSeconds counts from it.
	AnnotationSetAsideAt = "etcd-operator.cozystack.io/set-aside-at"
	// AnnotationStart on a member's Pod is the start of the member that it was made for, as in EtcdMemberSpec.
	AnnotationStart = "etcd-operator.cozystack.io/start"
	// AnnotationCertificates on a member's Pod are the serial numbers of the certificates that it is to show. A change of it lets the
	// kubelet carry them into the Pod at once; by itself it looks every minute.
	AnnotationCertificates = "etcd-operator.cozystack.io/certificates"
	// AnnotationTemplate on the Pod of a rehearsal is the template that it tries out, as a hash.
	AnnotationTemplate = "etcd-operator.cozystack.io/template"
	// AnnotationReplace on an EtcdMember asks for its replacement, whatever spec.memberReplacement.mode says.
	AnnotationReplace = "etcd-operator.cozystack.io/replace"
	// AnnotationAllowDeletion with the value "true" on an EtcdMember or a data volume lets people delete it by hand.
	AnnotationAllowDeletion = "etcd-operator.cozystack.io/allow-deletion"
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
	// ConditionQuotaNearVolumeSize is True when options.quotaBackendBytes is more than 80 % of the smallest volume.
	ConditionQuotaNearVolumeSize = "QuotaNearVolumeSize"
	// ConditionUpgradeReady is there while another minor of etcd is asked for: True once nothing keeps members from being given it, False
	// with what does. status.rollout.checks is the list.
	ConditionUpgradeReady = "UpgradeReady"
	// ConditionJoined (EtcdMember) is True once the member votes and its incarnation is recorded.
	ConditionJoined = "Joined"
	// ConditionVersionDrifted (EtcdMember) is True when the Pod runs another version than the spec asks for.
	ConditionVersionDrifted = "VersionDrifted"
	// ConditionVolumeExpanding (EtcdMember) is True while its volume has less than storage.size, since when it has been so. Its reason
	// tells how far it is.
	ConditionVolumeExpanding = "VolumeExpanding"
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
	ReasonCorruptAlarm           = "CorruptAlarm"
	ReasonBootstrapping          = "Bootstrapping"
	ReasonBootstrapFailed        = "BootstrapFailed"
	ReasonReconciled             = "Reconciled"
	ReasonDeadlineExceeded       = "DeadlineExceeded"
	ReasonAuthRequired           = "AuthRequiredNotConfigured"
	ReasonCertManagerMissing     = "CertManagerNotInstalled"
	ReasonReconcilingDisabled    = "ReconcilingDisabled"
	ReasonQuotaLeavesNoRoom      = "QuotaLeavesNoRoom"
	ReasonRehearsing             = "Rehearsing"
	ReasonRehearsalPassed        = "RehearsalPassed"
	ReasonRehearsalFailed        = "RehearsalFailed"
	ReasonTimersTooFarApart      = "TimersTooFarApart"
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
	ReasonExpansionRequested     = "Requested"               // the claim asks for the size, and nobody has answered yet
	ReasonExpansionRefused       = "Refused"                 // the API server does not let the claim ask for it
	ReasonExpansionResizing      = "Resizing"                // the storage is at it
	ReasonExpansionPendingOnNode = "FileSystemResizePending" // the node has to make the file system larger
	ReasonExpansionFailed        = "Failed"                  // the storage or the node has tried in vain
)

// Failures of a member, named in EtcdMemberStatus.Failure. Which of them lead to a replacement, and after how long, is
// decided in internal/plan and told in docs/reference/evidence.md.
const (
	// FailureForeignData: the volume holds the data of another member, cluster or volume (launcher exit 41).
	FailureForeignData = "ForeignData"
	// FailureDataLost: the volume is empty, or its write-ahead log is gone, and the member has started before (launcher exit 42).
	FailureDataLost = "DataLost"
	// FailureDataUnreadable: the volume cannot be read or written (launcher exit 43). Never a reason to replace.
	FailureDataUnreadable = "DataUnreadable"
	// FailureVolumeMissing: the claim is gone, or was replaced by another, although the member has started on it.
	FailureVolumeMissing = "VolumeMissing"
	// FailureVolumeTerminating: somebody deleted the claim, and it goes as soon as the Pod does.
	FailureVolumeTerminating = "VolumeTerminating"
	// FailureVolumeLost: the claim is there, and the PersistentVolume behind it is gone.
	FailureVolumeLost = "VolumeLost"
	// FailureMemoryLost: the Pod of a memory member is gone, and its data with it.
	FailureMemoryLost = "MemoryLost"
	// FailureCorruptLog: etcd cannot read its write-ahead log, or misses a part of it.
	FailureCorruptLog = "CorruptLog"
	// FailureCorruptDatabase: etcd cannot read its database.
	FailureCorruptDatabase = "CorruptDatabase"
	// FailureDataInconsistent: etcd's corruption check at start found other data than the peers have.
	FailureDataInconsistent = "DataInconsistent"
	// FailureDataDiverged: the member's data differ from what a majority of the voters holds at the same revision.
	FailureDataDiverged = "DataDiverged"
	// FailureMembershipMoved: the membership changed before the member's first start, and it knows the old one.
	FailureMembershipMoved = "MembershipMoved"
	// FailurePeerURLMismatch: etcd lists the joining member under another peer URL.
	FailurePeerURLMismatch = "PeerURLMismatch"
	// FailureRemovedFromEtcd: etcd says that the member was removed for good. The member list decides, not the member.
	FailureRemovedFromEtcd = "RemovedFromEtcd"
	// FailureNodeLost: the node is gone or down, and the member's data are nowhere else.
	FailureNodeLost = "NodeLost"
	// FailureNodeDown: the node is down; the member can go on elsewhere once the node is known to be off.
	FailureNodeDown = "NodeDown"
	// FailureUnreachable: etcd runs, and neither the operator nor the other members reach it.
	FailureUnreachable = "Unreachable"
	// FailureCrashing: etcd ends again and again for another reason.
	FailureCrashing = "Crashing"
	// FailureDiskFull: the volume is full.
	FailureDiskFull = "DiskFull"
	// FailureOutOfMemory: the container was killed at its memory limit.
	FailureOutOfMemory = "OutOfMemory"
	// FailureAddressInUse: another process has one of etcd's ports.
	FailureAddressInUse = "AddressInUse"
	// FailureVersionRefused: this version of etcd does not take the data of another one.
	FailureVersionRefused = "VersionRefused"
	// FailureConfigurationRefused: etcd does not take its flags.
	FailureConfigurationRefused = "ConfigurationRefused"
	// FailureUnschedulable: no node takes the Pod.
	FailureUnschedulable = "Unschedulable"
	// FailureImage: the image cannot be pulled.
	FailureImage = "ImageUnavailable"
	// FailureNameTaken: an object of a name that this member needs belongs to somebody else.
	FailureNameTaken = "NameTaken"
	// FailureRequested: somebody asked for the member's replacement by AnnotationReplace.
	FailureRequested = "Requested"
)

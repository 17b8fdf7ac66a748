package v1alpha2

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CompactionMode is how etcd compacts by itself.
//
// +kubebuilder:validation:Enum=periodic;revision
type CompactionMode string

const (
	// CompactionPeriodic keeps the history of a period of time.
	CompactionPeriodic CompactionMode = "periodic"
	// CompactionRevision keeps a number of revisions.
	CompactionRevision CompactionMode = "revision"
)

// LogLevel is from which weight on etcd's messages are logged.
//
// +kubebuilder:validation:Enum=debug;info;warn;error
type LogLevel string

const (
	// LogLevelDebug logs everything.
	LogLevelDebug LogLevel = "debug"
	// LogLevelInfo is etcd's default.
	LogLevelInfo LogLevel = "info"
	// LogLevelWarn logs what may be wrong.
	LogLevelWarn LogLevel = "warn"
	// LogLevelError logs what is wrong.
	LogLevelError LogLevel = "error"
)

// Timers of etcd where EtcdOptions say none.
const (
	DefaultHeartbeatIntervalMilliseconds = 100
	DefaultElectionTimeoutMilliseconds   = 1000
)

// EtcdOptions are settings of etcd itself. A change restarts the members, one after the other. Before that, what is asked for is tried
// out on a throwaway member: what etcd does not take never reaches a real one.
//
// +kubebuilder:validation:XValidation:rule="!has(self.autoCompactionRetention) || self.autoCompactionRetention.matches('^[0-9]+$') || (!(has(self.autoCompactionMode) && self.autoCompactionMode == 'revision') && self.autoCompactionRetention.matches('^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$'))",message="options.autoCompactionRetention must be an integer (revisions, or hours with mode periodic) or, with mode periodic, a duration such as 30m"
// +kubebuilder:validation:XValidation:rule="self.?electionTimeoutMilliseconds.orValue(1000) >= 5 * self.?heartbeatIntervalMilliseconds.orValue(100)",message="options.electionTimeoutMilliseconds (default 1000) must be at least 5 times heartbeatIntervalMilliseconds (default 100): etcd does not start otherwise"
type EtcdOptions struct {
	// QuotaBackendBytes is the size of the database in bytes at which etcd stops accepting writes. 0 means etcd's default of 2 GiB.
	// Above 80 % of the volume the condition QuotaNearVolumeSize warns: the log and snapshots need space too.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	QuotaBackendBytes *int64 `json:"quotaBackendBytes,omitempty"`

	// AutoCompactionMode is periodic (etcd's default) or revision.
	// +optional
	AutoCompactionMode CompactionMode `json:"autoCompactionMode,omitempty"`

	// AutoCompactionRetention is a duration such as 30m or a number of hours (periodic), or a number of revisions (revision).
	// Unset or "0" means no automatic compaction.
	//
	// +kubebuilder:validation:MaxLength=64
	// +optional
	AutoCompactionRetention string `json:"autoCompactionRetention,omitempty"`

	// SnapshotCount is the number of committed transactions after which etcd writes a snapshot to disk. Unset means etcd's default.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	SnapshotCount *int64 `json:"snapshotCount,omitempty"`

	// HeartbeatIntervalMilliseconds is how often the leader tells the others that it is there, in milliseconds. About the round-trip time
	// between members. Default 100.
	//
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=10000
	// +optional
	HeartbeatIntervalMilliseconds *int32 `json:"heartbeatIntervalMilliseconds,omitempty"`

	// ElectionTimeoutMilliseconds is after how many milliseconds without a heartbeat a member asks for an election. At least 5 times the
	// heartbeat interval, better 10 times. Default 1000.
	//
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=50000
	// +optional
	ElectionTimeoutMilliseconds *int32 `json:"electionTimeoutMilliseconds,omitempty"`

	// LogLevel is debug, info (default), warn or error.
	// +optional
	LogLevel LogLevel `json:"logLevel,omitempty"`

	// MaxRequestBytes is the largest request that etcd accepts, in bytes. Default 1572864 (1.5 MiB); etcd advises against more than 10 MiB.
	//
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=104857600
	// +optional
	MaxRequestBytes *int64 `json:"maxRequestBytes,omitempty"`

	// MaxTxnOps is how many operations a transaction may have. Default 128.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +optional
	MaxTxnOps *int32 `json:"maxTxnOps,omitempty"`

	// MaxConcurrentStreams is how many streams one client connection may have open at a time. Default 4294967295.
	//
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	// +optional
	MaxConcurrentStreams *int64 `json:"maxConcurrentStreams,omitempty"`

	// SnapshotCatchUpEntries is how many log entries are kept for slow followers after a snapshot. Default 5000.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	SnapshotCatchUpEntries *int64 `json:"snapshotCatchUpEntries,omitempty"`

	// MaxSnapshots is how many snapshot files are kept. 0 means all. Default 5.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxSnapshots *int32 `json:"maxSnapshots,omitempty"`

	// MaxWALs is how many files of the write-ahead log are kept. 0 means all. Default 5.
	//
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxWALs *int32 `json:"maxWALs,omitempty"`

	// CompactionBatchLimit is how many revisions are deleted in each batch of a compaction. Default 1000.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	CompactionBatchLimit *int32 `json:"compactionBatchLimit,omitempty"`

	// CompactionSleepInterval is the pause between two such batches. Default 10ms.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('1m')",message="options.compactionSleepInterval must be above 0 and at most 1m"
	// +optional
	CompactionSleepInterval *metav1.Duration `json:"compactionSleepInterval,omitempty"`

	// BackendBatchInterval is how long writes may wait until they are committed to the database together. The log has them before that.
	// Default 100ms.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms') && duration(self) <= duration('1m')",message="options.backendBatchInterval must be from 1ms to 1m"
	// +optional
	BackendBatchInterval *metav1.Duration `json:"backendBatchInterval,omitempty"`

	// BackendBatchLimit is how many writes may wait so. Default 10000.
	//
	// +kubebuilder:validation:Minimum=1
	// +optional
	BackendBatchLimit *int32 `json:"backendBatchLimit,omitempty"`

	// GRPCKeepAliveMinTime is how long a client has to wait at least between two pings. Default 5s.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms')",message="options.grpcKeepAliveMinTime must be at least 100ms"
	// +optional
	GRPCKeepAliveMinTime *metav1.Duration `json:"grpcKeepAliveMinTime,omitempty"`

	// GRPCKeepAliveInterval is how often etcd asks an idle client whether it is still there. 0s means never. Default 2h.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1s')",message="options.grpcKeepAliveInterval must be 0s (never) or at least 1s"
	// +optional
	GRPCKeepAliveInterval *metav1.Duration `json:"grpcKeepAliveInterval,omitempty"`

	// GRPCKeepAliveTimeout is how long it then waits for the answer before it closes the connection. 0s means that it never does.
	// Default 20s.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1s')",message="options.grpcKeepAliveTimeout must be 0s (never) or at least 1s"
	// +optional
	GRPCKeepAliveTimeout *metav1.Duration `json:"grpcKeepAliveTimeout,omitempty"`

	// WatchProgressNotifyInterval is how often watchers that ask for it are told how far they are although nothing has changed. Default 5s,
	// as Kubernetes sets it for its own etcd (etcd's own default is 10m).
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms')",message="options.watchProgressNotifyInterval must be at least 100ms"
	// +optional
	WatchProgressNotifyInterval *metav1.Duration `json:"watchProgressNotifyInterval,omitempty"`

	// WarningApplyDuration is from which duration on etcd logs that applying a request took long. Default 100ms.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="options.warningApplyDuration must be above 0"
	// +optional
	WarningApplyDuration *metav1.Duration `json:"warningApplyDuration,omitempty"`

	// WarningUnaryRequestDuration is from which duration on etcd logs that a request took long. Default 300ms. etcd 3.5 does not know it.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s')",message="options.warningUnaryRequestDuration must be above 0"
	// +optional
	WarningUnaryRequestDuration *metav1.Duration `json:"warningUnaryRequestDuration,omitempty"`

	// CompactHashCheckTime is how often the leader compares what the members hold since the last compaction. Default 1m.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="options.compactHashCheckTime must be at least 1s"
	// +optional
	CompactHashCheckTime *metav1.Duration `json:"compactHashCheckTime,omitempty"`

	// CorruptCheckTime is how often the leader compares all that the members hold. It reads the whole database each time. Default 0s: never;
	// the operator compares by itself, and CompactHashCheckTime costs less.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+([.][0-9]+)?(us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration('0s') || duration(self) >= duration('1m')",message="options.corruptCheckTime must be 0s (never) or at least 1m"
	// +optional
	CorruptCheckTime *metav1.Duration `json:"corruptCheckTime,omitempty"`

	// Metrics is basic (default) or extensive: with histograms of all calls.
	//
	// +kubebuilder:validation:Enum=basic;extensive
	// +optional
	Metrics string `json:"metrics,omitempty"`
}

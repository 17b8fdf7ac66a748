package resource

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// option is a setting of etcd that users choose, and the flag that it becomes. 3.5 knows some only as experimental, 3.6 knows both
// names, 3.7 only the final one.
type option struct {
	field string // in EtcdOptions
	flag  string // from 3.6 on, and in 3.5 unless in35 says otherwise
	in35  string // what 3.5 calls it; absent if it does not know it
	value func(*v1alpha2.EtcdOptions) string
}

const (
	experimental = "experimental-"
	absent       = "-"
)

// options are in the order in which they are documented. Progress is reported every 5 s instead of 10 min, as kubeadm sets it: API
// servers that keep their data here serve consistent lists from their watch cache that way.
var options = []option{
	{"quotaBackendBytes", "quota-backend-bytes", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.QuotaBackendBytes) }},
	{"autoCompactionMode", "auto-compaction-mode", "", func(o *v1alpha2.EtcdOptions) string { return string(o.AutoCompactionMode) }},
	{"autoCompactionRetention", "auto-compaction-retention", "", func(o *v1alpha2.EtcdOptions) string { return o.AutoCompactionRetention }},
	{"snapshotCount", "snapshot-count", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.SnapshotCount) }},
	{"heartbeatIntervalMilliseconds", "heartbeat-interval", "", func(o *v1alpha2.EtcdOptions) string {
		return whole(o.HeartbeatIntervalMilliseconds)
	}},
	{"electionTimeoutMilliseconds", "election-timeout", "", func(o *v1alpha2.EtcdOptions) string {
		return whole(o.ElectionTimeoutMilliseconds)
	}},
	{"logLevel", "log-level", "", func(o *v1alpha2.EtcdOptions) string { return string(o.LogLevel) }},
	{"maxRequestBytes", "max-request-bytes", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.MaxRequestBytes) }},
	{"maxTxnOps", "max-txn-ops", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.MaxTxnOps) }},
	{"maxConcurrentStreams", "max-concurrent-streams", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.MaxConcurrentStreams) }},
	{"snapshotCatchUpEntries", "snapshot-catchup-entries", experimental, func(o *v1alpha2.EtcdOptions) string {
		return whole(o.SnapshotCatchUpEntries)
	}},
	{"maxSnapshots", "max-snapshots", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.MaxSnapshots) }},
	{"maxWALs", "max-wals", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.MaxWALs) }},
	{"compactionBatchLimit", "compaction-batch-limit", experimental, func(o *v1alpha2.EtcdOptions) string {
		return whole(o.CompactionBatchLimit)
	}},
	{"compactionSleepInterval", "compaction-sleep-interval", experimental, func(o *v1alpha2.EtcdOptions) string {
		return lasting(o.CompactionSleepInterval)
	}},
	{"backendBatchInterval", "backend-batch-interval", "", func(o *v1alpha2.EtcdOptions) string { return lasting(o.BackendBatchInterval) }},
	{"backendBatchLimit", "backend-batch-limit", "", func(o *v1alpha2.EtcdOptions) string { return whole(o.BackendBatchLimit) }},
	{"grpcKeepAliveMinTime", "grpc-keepalive-min-time", "", func(o *v1alpha2.EtcdOptions) string { return lasting(o.GRPCKeepAliveMinTime) }},
	{"grpcKeepAliveInterval", "grpc-keepalive-interval", "", func(o *v1alpha2.EtcdOptions) string {
		return lasting(o.GRPCKeepAliveInterval)
	}},
	{"grpcKeepAliveTimeout", "grpc-keepalive-timeout", "", func(o *v1alpha2.EtcdOptions) string { return lasting(o.GRPCKeepAliveTimeout) }},
	{"watchProgressNotifyInterval", "watch-progress-notify-interval", experimental, func(o *v1alpha2.EtcdOptions) string {
		if o.WatchProgressNotifyInterval == nil {
			return "5s"
		}
		return lasting(o.WatchProgressNotifyInterval)
	}},
	{"warningApplyDuration", "warning-apply-duration", experimental, func(o *v1alpha2.EtcdOptions) string {
		return lasting(o.WarningApplyDuration)
	}},
	{"warningUnaryRequestDuration", "warning-unary-request-duration", absent, func(o *v1alpha2.EtcdOptions) string {
		return lasting(o.WarningUnaryRequestDuration)
	}},
	{"compactHashCheckTime", "compact-hash-check-time", experimental, func(o *v1alpha2.EtcdOptions) string {
		return lasting(o.CompactHashCheckTime)
	}},
	{"corruptCheckTime", "corrupt-check-time", experimental, func(o *v1alpha2.EtcdOptions) string { return lasting(o.CorruptCheckTime) }},
	{"metrics", "metrics", "", func(o *v1alpha2.EtcdOptions) string { return o.Metrics }},
}

// optionFlags are the flags of what users choose, by the names that this version of etcd knows them by.
func optionFlags(o *v1alpha2.EtcdOptions, version string) []string {
	if o == nil {
		o = &v1alpha2.EtcdOptions{}
	}
	var flags []string
	for _, option := range options {
		if name, value := option.name(version), option.value(o); name != "" && value != "" {
			flags = append(flags, "--"+name+"="+value)
		}
	}
	return flags
}

// name is what a version of etcd calls the flag, empty if it does not know it.
func (o option) name(version string) string {
	switch {
	case minor(version) != "3.5" || o.in35 == "":
		return o.flag
	case o.in35 == absent:
		return ""
	}
	return o.in35 + o.flag
}

func whole[T int32 | int64](n *T) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

func lasting(d *metav1.Duration) string {
	if d == nil {
		return ""
	}
	return d.Duration.String()
}

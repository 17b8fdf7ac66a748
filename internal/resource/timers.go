package resource

import (
	"cmp"
	"time"

	"k8s.io/utils/ptr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Timers are the heartbeat interval and the election timeout that etcd has with these options.
func Timers(o *v1alpha2.EtcdOptions) (heartbeat, election time.Duration) {
	if o == nil {
		o = &v1alpha2.EtcdOptions{}
	}
	milliseconds := func(n *int32, otherwise int32) time.Duration {
		return time.Duration(cmp.Or(ptr.Deref(n, 0), otherwise)) * time.Millisecond
	}
	return milliseconds(o.HeartbeatIntervalMilliseconds, v1alpha2.DefaultHeartbeatIntervalMilliseconds),
		milliseconds(o.ElectionTimeoutMilliseconds, v1alpha2.DefaultElectionTimeoutMilliseconds)
}

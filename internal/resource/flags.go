package resource

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// minorFlags are the flags whose names differ between minor versions of etcd: 3.5 knows the experimental names only, 3.7
// the new ones only. Progress is reported every 5 s instead of 10 min, as kubeadm sets it: API servers that keep
// their data here serve consistent lists from their watch cache that way. After a compaction the leader compares its data with
// everybody's.
var minorFlags = map[string][]string{
	"3.5": {"--experimental-watch-progress-notify-interval=5s", "--experimental-compact-hash-check-enabled=true"},
	"3.6": {"--watch-progress-notify-interval=5s", "--feature-gates=CompactHashCheck=true"},
	"3.7": {"--watch-progress-notify-interval=5s", "--feature-gates=CompactHashCheck=true"},
}

const listenForPeers = "--listen-peer-urls="

// etcdFlags are the arguments of etcd. With form etcd may found a new cluster, else it only joins one that exists.
func etcdFlags(m *v1alpha2.EtcdMember, form bool) []string {
	cluster, tls := m.Spec.ClusterName, m.Spec.TLS
	state := "existing"
	if form {
		state = "new"
	}
	flags := []string{
		"--name=" + m.Name,
		"--data-dir=" + DataDir,
		"--listen-client-urls=" + listenForClients(tls),
		fmt.Sprintf(listenForPeers+"%s://0.0.0.0:%d", schemeOf(m.Spec.PeerURL), PeerPort),
		fmt.Sprintf("--listen-metrics-urls=http://0.0.0.0:%d", MetricsPort),
		"--advertise-client-urls=" + ClientURL(m.Name, cluster, m.Namespace, tls != nil && tls.ClientServerSecretRef != nil),
		"--initial-advertise-peer-urls=" + m.Spec.PeerURL,
		"--initial-cluster=" + m.Spec.InitialCluster,
		"--initial-cluster-token=" + m.Spec.ClusterToken,
		"--initial-cluster-state=" + state,
	}
	flags = append(flags, tlsFlags(tls)...)
	flags = append(flags, optionFlags(m.Spec.Options)...)
	return append(flags, minorFlags[minor(m.Spec.Version)]...)
}

// listenForClients may name one port twice: etcd then tells by the first bytes of a connection whether it is TLS (embed.serveCtx).
func listenForClients(tls *v1alpha2.EtcdMemberTLS) string {
	plain, secured := fmt.Sprintf("http://0.0.0.0:%d", ClientPort), fmt.Sprintf("https://0.0.0.0:%d", ClientPort)
	switch {
	case tls == nil || tls.ClientServerSecretRef == nil:
		return plain
	case tls.ClientPlaintext:
		return secured + "," + plain
	}
	return secured
}

func optionFlags(o *v1alpha2.EtcdOptions) []string {
	if o == nil {
		return nil
	}
	var flags []string
	if o.QuotaBackendBytes != nil {
		flags = append(flags, fmt.Sprintf("--quota-backend-bytes=%d", *o.QuotaBackendBytes))
	}
	if o.AutoCompactionMode != "" {
		flags = append(flags, "--auto-compaction-mode="+string(o.AutoCompactionMode))
	}
	if o.AutoCompactionRetention != "" {
		flags = append(flags, "--auto-compaction-retention="+o.AutoCompactionRetention)
	}
	if o.SnapshotCount != nil {
		flags = append(flags, fmt.Sprintf("--snapshot-count=%d", *o.SnapshotCount))
	}
	return flags
}

// minor is MAJOR.MINOR of a version.
func minor(version string) string {
	if last := strings.LastIndex(version, "."); last > 0 {
		return version[:last]
	}
	return version
}

func schemeOf(url string) string {
	before, _, _ := strings.Cut(url, "://")
	return before
}

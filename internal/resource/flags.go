package resource

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// minorFlags are the flags that no option asks for and that the minor versions of etcd know by different names: after a compaction the
// leader compares its data with everybody's.
var minorFlags = map[string]string{
	"3.5": "--experimental-compact-hash-check-enabled=true",
	"3.6": "--feature-gates=CompactHashCheck=true",
	"3.7": "--feature-gates=CompactHashCheck=true",
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
	return append(flags, tunedFlags(m.Spec.Version, m.Spec.Options)...)
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

// tunedFlags are those that follow from a version and what users choose.
func tunedFlags(version string, o *v1alpha2.EtcdOptions) []string {
	flags := optionFlags(o, version)
	if flag, known := minorFlags[minor(version)]; known {
		flags = append(flags, flag)
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

package node

import (
	"bytes"
	"embed"
	"text/template"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cgroup"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

//go:embed config
var configFiles embed.FS

var configTemplates = template.Must(template.ParseFS(configFiles, "config/*"))

// configs returns the configuration files of the node's programs, by file name.
func (n Node) configs() map[string]string {
	values := map[string]any{
		"HostIP": network.HostIP, "Domain": network.ClusterDomain, "PodNet": network.PodNet,
		"NodePodNet": network.NodePodNet(n.Number), "CgroupRoot": cgroup.Path(n.Name()),
		"PKI": n.Layout.PKI(), "Name": n.Name(), "Runc": n.Tools.Runc, "CNI": n.Tools.CNI,
	}
	files := map[string]string{
		"kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
		"containerd.toml": "containerd.toml", "cni-net.d/10-bridge.conflist": "bridge.conflist",
	}
	for name, tmpl := range files {
		var b bytes.Buffer
		// The templates are compiled in, so they fail in the unit test or never.
		if err := configTemplates.ExecuteTemplate(&b, tmpl, values); err != nil {
			panic(err)
		}
		files[name] = b.String()
	}
	return files
}

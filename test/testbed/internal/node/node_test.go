package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
)

func TestParseName(t *testing.T) {
	if n, err := ParseName("node3"); err != nil || n != 3 {
		t.Errorf("node3 is %d, %v", n, err)
	}
	for _, bad := range []string{"", "3", "node", "node0", "node10", "node1 ", "xnode1"} {
		if _, err := ParseName(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestConfigs(t *testing.T) {
	n := Node{Number: 2, Layout: layout.Layout{Root: "/tb"}, Tools: machine.Tools{Runc: "/x/runc", CNI: "/x/cni"}}
	configs := n.configs()
	for file, wants := range map[string][]string{
		"kubelet.yaml": {
			"cgroupRoot: /etcd-operator-testbed/node2", "clientCAFile: /tb/run/pki/ca.crt", "/tb/run/pki/node2-server.key",
		},
		"kube-proxy.yaml":              {"mode: nftables", "kubeconfig: /tb/run/pki/kube-proxy.conf"},
		"containerd.toml":              {`BinaryName = "/x/runc"`, `bin_dir = "/x/cni"`},
		"cni-net.d/10-bridge.conflist": {`"subnet": "10.244.2.0/24"`},
	} {
		for _, want := range wants {
			if !strings.Contains(configs[file], want) {
				t.Errorf("no %q in %s:\n%s", want, file, configs[file])
			}
		}
		if strings.Contains(configs[file], "<no value>") {
			t.Errorf("a value is missing in %s", file)
		}
	}
}

func TestHasImageFollowsTheFile(t *testing.T) {
	n := Node{Number: 1, Layout: layout.Layout{Root: t.TempDir()}}
	file := n.Layout.Images("x.tar")
	for _, d := range []string{filepath.Dir(file), n.Dir("imported")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if n.HasImage(file) {
		t.Error("has a missing image")
	}
	if err := os.WriteFile(file, []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	mark, err := fileMark(file)
	if err != nil {
		t.Fatal(err)
	}
	if n.HasImage(file) {
		t.Error("has an image that was not imported")
	}
	if err := n.markImage(file, mark); err != nil {
		t.Fatal(err)
	}
	if !n.HasImage(file) {
		t.Error("has not the image that was imported")
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(file, later, later); err != nil {
		t.Fatal(err)
	}
	if n.HasImage(file) {
		t.Error("has an image that was replaced")
	}
}

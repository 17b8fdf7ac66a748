package node

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cgroup"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

// Node is everything that a node's PID 1 has to know.
type Node struct {
	Number int
	Layout layout.Layout
	Tools  machine.Tools
}

var namePattern = regexp.MustCompile(`^node([1-9])$`)

// ParseName returns the number in a node's name.
func ParseName(name string) (int, error) {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return 0, fmt.Errorf("parse node name %q: want node1 to node%d", name, network.MaxNodes)
	}
	return strconv.Atoi(m[1])
}

// Name returns the node's name.
func Name(number int) string { return "node" + strconv.Itoa(number) }

// Name returns the node's name.
func (n Node) Name() string { return Name(n.Number) }

// IP returns the node's address.
func (n Node) IP() string { return network.NodeIP(n.Number) }

// Dir returns the folder of the node's state, or a path in it.
func (n Node) Dir(name ...string) string {
	return filepath.Join(append([]string{n.Layout.Run(n.Name())}, name...)...)
}

// log returns the path of the log of one of the node's programs.
func (n Node) log(program string) string { return n.Layout.Logs(n.Name() + "-" + program + ".log") }

// binds maps the node's own folders to where the programs expect them.
func (n Node) binds() map[string]string {
	return map[string]string{
		n.Dir("kubelet"):    "/var/lib/kubelet",
		n.Dir("containerd"): "/var/lib/containerd",
		n.Dir("cni-net.d"):  "/etc/cni/net.d",
		n.Dir("cni-lib"):    "/var/lib/cni",
		n.Dir("pods"):       "/var/log/pods",
		n.Dir("containers"): "/var/log/containers",
	}
}

// Prepare makes the node's folders, configuration and cgroups.
func (n Node) Prepare() error {
	dirs := []string{n.Dir("imported")}
	for from, to := range n.binds() {
		dirs = append(dirs, from, to)
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("create folder of %s: %w", n.Name(), err)
		}
	}
	raw, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode %s: %w", n.Name(), err)
	}
	files := n.configs()
	files["node.json"] = string(raw)
	for name, content := range files {
		if err := os.WriteFile(n.Dir(name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write configuration of %s: %w", n.Name(), err)
		}
	}
	return cgroup.Tree{Root: cgroup.Mount}.Make(n.Name())
}

// Load reads what Prepare wrote.
func Load(file string) (Node, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Node{}, fmt.Errorf("read node: %w", err)
	}
	var n Node
	if err := json.Unmarshal(raw, &n); err != nil {
		return Node{}, fmt.Errorf("decode node: %w", err)
	}
	return n, nil
}

package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
	"github.com/cozystack/etcd-operator/test/testbed/internal/progress"
)

// DefaultNodes is the number of nodes of a new cluster.
const DefaultNodes = 3

// ErrNotOwner says that the cluster that runs on this machine is not that of this folder.
var ErrNotOwner = errors.New("find this testbed running on this machine (`testbed up` starts it)")

// Cluster is the testbed of one folder on this machine.
type Cluster struct {
	Layout layout.Layout
	State  machine.State
	Out    *progress.Printer
}

// New returns the testbed of a folder.
func New(l layout.Layout, out *progress.Printer) *Cluster {
	return &Cluster{Layout: l, State: machine.Here(), Out: out}
}

func (c *Cluster) table() process.Table { return c.State.Processes() }

// settings are remembered with the cluster's state.
type settings struct {
	Nodes  int      `json:"nodes"`
	AddOns []string `json:"addOns,omitempty"`
}

// settings are empty if there is no state.
func (c *Cluster) settings() settings {
	raw, err := os.ReadFile(c.Layout.Run("cluster.json"))
	if err != nil {
		return settings{}
	}
	var s settings
	if err := json.Unmarshal(raw, &s); err != nil {
		return settings{}
	}
	return s
}

// nodes returns the number of nodes of the cluster; 0 if there is no state.
func (c *Cluster) nodes() int { return c.settings().Nodes }

func (c *Cluster) remember(nodes int, addOns []string) error {
	raw, err := json.Marshal(settings{Nodes: nodes, AddOns: addOns})
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := os.WriteFile(c.Layout.Run("cluster.json"), raw, 0o644); err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// node returns a node of the cluster.
func (c *Cluster) node(number int) node.Node {
	tools, _ := machine.FindTools()
	return node.Node{Number: number, Layout: c.Layout, Tools: tools}
}

// owned says whether the cluster of this folder is the machine's.
func (c *Cluster) owned() bool { return c.State.Owner() == c.Layout.Root }

// names lists the processes of a cluster of so many nodes.
func names(nodes int) []string {
	all := controlplane.Names()
	for n := 1; n <= nodes; n++ {
		all = append(all, node.Name(n))
	}
	return all
}

// anyRunning says whether a part of the testbed of this folder runs.
func (c *Cluster) anyRunning() bool {
	if !c.owned() {
		return false
	}
	table := c.table()
	for _, name := range table.Names() {
		if table.Running(name) {
			return true
		}
	}
	return false
}

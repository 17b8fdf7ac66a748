package cluster

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/cozystack/etcd-operator/test/testbed/internal/build"
	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
)

// Status is how the testbed is.
type Status struct {
	// Up is true only if every part is.
	Up         bool              `json:"up"`
	Dir        string            `json:"dir"`
	Owner      string            `json:"owner"`
	Kubeconfig string            `json:"kubeconfig"`
	Kubernetes string            `json:"kubernetes"`
	Components []ComponentStatus `json:"components"`
	Nodes      []NodeStatus      `json:"nodes"`
	Images     []string          `json:"images"`
	Etcd       []string          `json:"etcd"`
}

// ComponentStatus is one program of the control plane.
type ComponentStatus struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	PID     int    `json:"pid,omitempty"`
}

// NodeStatus is one node.
type NodeStatus struct {
	Name        string `json:"name"`
	Running     bool   `json:"running"`
	Ready       bool   `json:"ready"`
	Partitioned bool   `json:"partitioned"`
	PID         int    `json:"pid,omitempty"`
	IP          string `json:"ip"`
	Version     string `json:"version,omitempty"`
}

// Status looks at every part.
func (c *Cluster) Status(ctx context.Context) (Status, error) {
	s := Status{
		Dir: c.Layout.Root, Owner: c.State.Owner(), Kubeconfig: c.Layout.Kubeconfig(),
		Kubernetes: "v" + build.KubeVersion,
	}
	c.haves(&s)
	owned := c.owned()
	s.Up = owned && c.nodes() > 0
	for _, name := range append(controlplane.Names(), controlplane.AddOnPrograms(c.addOns())...) {
		p := ComponentStatus{Name: name}
		if id, ok := c.table().Get(name); ok && owned && id.Alive() {
			p.Running, p.PID = true, id.PID
		}
		s.Up = s.Up && p.Running
		s.Components = append(s.Components, p)
	}
	states := c.nodeStates(ctx, owned)
	for n := 1; n <= c.nodes(); n++ {
		p := c.nodeStatus(ctx, n, owned, states)
		s.Up = s.Up && p.Running && p.Ready && !p.Partitioned
		s.Nodes = append(s.Nodes, p)
	}
	return s, nil
}

// haves lists the images and etcd versions that are there, running or not.
func (c *Cluster) haves(s *Status) {
	files, _ := filepath.Glob(c.Layout.Images("*.tar"))
	for _, f := range files {
		s.Images = append(s.Images, strings.TrimSuffix(filepath.Base(f), ".tar"))
	}
	dirs, _ := filepath.Glob(c.Layout.Bin("etcd-v*"))
	for _, d := range dirs {
		s.Etcd = append(s.Etcd, strings.TrimPrefix(filepath.Base(d), "etcd-"))
	}
}

// nodeStates is empty when the API server does not answer: then no node is ready.
func (c *Cluster) nodeStates(ctx context.Context, owned bool) map[string]controlplane.NodeState {
	if !owned || !c.table().Running("kube-apiserver") {
		return nil
	}
	client, err := controlplane.NewClient(c.Layout)
	if err != nil {
		return nil
	}
	states, err := client.Nodes(ctx)
	if err != nil {
		return nil
	}
	return states
}

func (c *Cluster) nodeStatus(ctx context.Context, n int, owned bool, states map[string]controlplane.NodeState) NodeStatus {
	p := NodeStatus{Name: node.Name(n), IP: network.NodeIP(n)}
	if id, ok := c.table().Get(p.Name); ok && owned && id.Alive() {
		p.Running, p.PID = true, id.PID
		p.Partitioned = network.Partitioned(ctx, id.PID)
	}
	p.Ready, p.Version = states[p.Name].Ready, states[p.Name].Version
	return p
}

// Write prints the status as tables.
func (s Status) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	// An error of a row comes back from Flush.
	row := func(cells ...string) { _, _ = io.WriteString(t, strings.Join(cells, "\t")+"\n") }
	row("COMPONENT", "STATE", "PID")
	for _, p := range s.Components {
		row(p.Name, word(p.Running, "running", "stopped"), number(p.PID))
	}
	row()
	row("NODE", "STATE", "READY", "NETWORK", "ADDRESS", "VERSION", "PID")
	for _, n := range s.Nodes {
		row(n.Name, word(n.Running, "running", "stopped"), word(n.Ready, "yes", "no"),
			word(n.Partitioned, "cut off", "connected"), n.IP, n.Version, number(n.PID))
	}
	row()
	row("images:", strings.Join(s.Images, " "))
	row("etcd:", strings.Join(s.Etcd, " "))
	row("kubeconfig:", s.Kubeconfig)
	if s.Owner != "" && s.Owner != s.Dir {
		row("note:", "the testbed of "+s.Owner+" runs on this machine")
	}
	row("testbed:", word(s.Up, "up", "not up"))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	return nil
}

func word(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

func number(pid int) string {
	if pid == 0 {
		return "-"
	}
	return fmt.Sprint(pid)
}

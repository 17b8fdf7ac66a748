package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
)

// UpOptions says what cluster is wanted.
type UpOptions struct {
	// Nodes is the number of nodes; 0 keeps that of the last start.
	Nodes int
	// Etcd lists the etcd versions to have images of.
	Etcd []string
	// With lists the add-ons to have besides those of the last start.
	With []string
}

// Up builds what is missing and brings everything up.
func (c *Cluster) Up(ctx context.Context, o UpOptions) error {
	if o.Nodes == 0 {
		if o.Nodes = c.nodes(); o.Nodes == 0 {
			o.Nodes = DefaultNodes
		}
	}
	if err := c.provide(ctx, o); err != nil {
		return err
	}
	release, err := c.State.Lock(ctx, c.sayWaiting)
	if err != nil {
		return err
	}
	defer release()
	o.With = c.addOns(o.With...)
	if c.complete(ctx, o) {
		return nil
	}
	if err := c.takeOver(ctx); err != nil {
		return err
	}
	before := c.anyRunning()
	err = c.start(ctx, o)
	if err != nil && ctx.Err() != nil && !before {
		c.Out.Say("interrupted: stopping what was started")
		// The context has ended, the cleaning must not.
		if serr := c.stop(context.WithoutCancel(ctx)); serr != nil {
			c.Out.Say("%v", serr)
		}
	}
	return err
}

// complete says whether all parts run and all nodes have all images.
func (c *Cluster) complete(ctx context.Context, o UpOptions) bool {
	if !c.owned() || c.nodes() != o.Nodes || !slices.Equal(c.addOns(), o.With) {
		return false
	}
	s, err := c.Status(ctx)
	if err != nil || !s.Up {
		return false
	}
	files, err := filepath.Glob(c.Layout.Images("*.tar"))
	if err != nil {
		return false
	}
	for n := 1; n <= o.Nodes; n++ {
		for _, f := range files {
			if !c.node(n).HasImage(f) {
				return false
			}
		}
	}
	return true
}

// takeOver clears what another clone's testbed, or a session that was killed, has left on this machine.
func (c *Cluster) takeOver(ctx context.Context) error {
	owner := c.State.Owner()
	switch {
	case owner == c.Layout.Root:
		return nil
	case owner != "":
		c.Out.Say("taking the machine over from the testbed of %s", owner)
	case network.Exists():
		c.Out.Say("clearing what an earlier testbed left")
	default:
		return nil
	}
	return c.stop(ctx)
}

func (c *Cluster) start(ctx context.Context, o UpOptions) error {
	c.Out.Expect(2 + len(o.With))
	if err := c.installTools(ctx); err != nil {
		return err
	}
	if err := c.State.SetOwner(c.Layout.Root); err != nil {
		return err
	}
	if err := c.State.SaveSysctls(); err != nil {
		return err
	}
	step := c.Out.Step("starting etcd, kube-apiserver and the other control plane programs", nil)
	err := c.startControlPlane(ctx, o)
	step.Done(err)
	if err != nil {
		return err
	}
	ready := &counted{total: o.Nodes}
	step = c.Out.Step(fmt.Sprintf("waiting for %d nodes and their images", o.Nodes), ready.String)
	err = c.awaitNodes(ctx, o.Nodes, ready)
	step.Done(err)
	if err != nil {
		return err
	}
	return c.startAddOns(ctx, o.With)
}

func (c *Cluster) installTools(ctx context.Context) error {
	_, missing := machine.FindTools()
	if len(missing) == 0 {
		return nil
	}
	c.Out.Expect(1)
	log, err := os.Create(c.Layout.Logs("apt-get.log"))
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = log.Close() }()
	step := c.Out.Step(fmt.Sprintf("installing Debian packages %v", missing), nil)
	err = machine.Install(ctx, missing, log)
	step.Done(err)
	if err != nil {
		return fmt.Errorf("install packages (log: %s): %w", log.Name(), err)
	}
	if _, missing = machine.FindTools(); len(missing) > 0 {
		return fmt.Errorf("install packages %v: they are installed, but their programs are not found", missing)
	}
	return nil
}

// startControlPlane starts the nodes on the way: they boot and import images while the API server starts.
func (c *Cluster) startControlPlane(ctx context.Context, o UpOptions) error {
	if err := network.Up(ctx); err != nil {
		return err
	}
	if err := controlplane.Configure(c.Layout, o.Nodes); err != nil {
		return err
	}
	if err := c.remember(o.Nodes, o.With); err != nil {
		return err
	}
	if err := errors.Join(machine.ShareVolumes(c.Layout.Volumes()), c.startPrograms(ctx, controlplane.Stores)); err != nil {
		return err
	}
	for n := 1; n <= o.Nodes; n++ {
		if err := c.startNode(ctx, n); err != nil {
			return err
		}
	}
	if err := network.RouteServices(ctx, 1); err != nil {
		return err
	}
	client, err := controlplane.NewClient(c.Layout)
	if err != nil {
		return err
	}
	err = c.await(ctx, 2*time.Minute, controlplane.Stores, func() error { return client.Ready(ctx) })
	if err != nil {
		return fmt.Errorf("wait for the API server: %w", err)
	}
	if err := c.startPrograms(ctx, controlplane.Controllers); err != nil {
		return err
	}
	if err := c.dropNodes(ctx, client, o.Nodes); err != nil {
		return err
	}
	return c.applyManifests(ctx, client)
}

// dropNodes ends and forgets the nodes that a smaller cluster has no more.
func (c *Cluster) dropNodes(ctx context.Context, client *controlplane.Client, nodes int) error {
	states, err := client.Nodes(ctx)
	if err != nil {
		return err
	}
	for n := nodes + 1; n <= network.MaxNodes; n++ {
		if err := node.Kill(ctx, c.table(), n); err != nil {
			return err
		}
		if _, ok := states[node.Name(n)]; !ok {
			continue
		}
		if err := client.Delete(ctx, "/api/v1/nodes/"+node.Name(n)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startPrograms(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := controlplane.Program(c.Layout, name)
		if err != nil {
			return err
		}
		if _, err := c.table().Start(p); err != nil {
			return err
		}
	}
	return nil
}

// startNode starts a node if it does not run, and connects it again if it is cut off.
func (c *Cluster) startNode(ctx context.Context, number int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	started, err := c.node(number).Start(ctx, c.table())
	if err != nil || started {
		return err
	}
	id, _ := c.table().Get(node.Name(number))
	return network.Heal(ctx, id.PID)
}

// awaitNodes waits until all nodes are ready, and gives running nodes the images that they lack.
func (c *Cluster) awaitNodes(ctx context.Context, nodes int, ready *counted) error {
	client, err := controlplane.NewClient(c.Layout)
	if err != nil {
		return err
	}
	err = c.await(ctx, 3*time.Minute, names(nodes), func() error {
		states, err := client.Nodes(ctx)
		if err != nil {
			return err
		}
		var waiting []string
		for n := 1; n <= nodes; n++ {
			// A kept state still says Ready from before: only a heartbeat after the node's own start counts.
			s := states[node.Name(n)]
			if !s.Ready || s.Heartbeat.Before(c.table().StartedAt(node.Name(n))) {
				waiting = append(waiting, node.Name(n))
			}
		}
		ready.set(nodes - len(waiting))
		if len(waiting) > 0 {
			return fmt.Errorf("see %v ready", waiting)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	files, err := filepath.Glob(c.Layout.Images("*.tar"))
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	return c.distribute(ctx, files)
}

// await repeats a check until it passes; it fails at once when one of the programs has ended.
func (c *Cluster) await(ctx context.Context, limit time.Duration, programs []string, check func() error) error {
	for end := time.Now().Add(limit); ; {
		err := check()
		if err == nil {
			return nil
		}
		for _, p := range programs {
			if !c.table().Running(p) {
				return fmt.Errorf("keep %s running: it has ended, see %s", p, c.Layout.Logs(p+".log"))
			}
		}
		if time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// counted is how many of a number of things are done.
type counted struct {
	mu          sync.Mutex
	done, total int
}

func (c *counted) set(done int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = done
}

func (c *counted) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d of %d ready", c.done, c.total)
}

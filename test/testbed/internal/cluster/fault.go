package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

// Running returns the PID 1 of a running node.
func (c *Cluster) Running(name string) (process.Identity, error) {
	if _, err := c.known(name); err != nil {
		return process.Identity{}, err
	}
	id, ok := c.table().Get(name)
	if !ok || !id.Alive() {
		return process.Identity{}, fmt.Errorf("find %s running: it is stopped", name)
	}
	return id, nil
}

// known returns the number of a node of this cluster.
func (c *Cluster) known(name string) (int, error) {
	number, err := node.ParseName(name)
	if err != nil {
		return 0, err
	}
	if !c.owned() {
		return 0, fmt.Errorf("use %s: %w", name, ErrNotOwner)
	}
	if number > c.nodes() {
		return 0, fmt.Errorf("use %s: the cluster has %d nodes", name, c.nodes())
	}
	return number, nil
}

// locked runs a change of the machine while no other command changes it.
func (c *Cluster) locked(ctx context.Context, change func() error) error {
	release, err := c.State.Lock(ctx, c.sayWaiting)
	if err != nil {
		return err
	}
	defer release()
	return change()
}

// KillNode ends a node at once, as a power loss does.
func (c *Cluster) KillNode(ctx context.Context, name string) error {
	number, err := c.known(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		return errors.Join(node.Kill(ctx, c.table(), number), c.routeServices(ctx))
	})
}

// RestoreNode starts a node again with its state.
func (c *Cluster) RestoreNode(ctx context.Context, name string) error {
	number, err := c.known(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		if _, err := c.node(number).Start(ctx, c.table()); err != nil {
			return err
		}
		return c.routeServices(ctx)
	})
}

// Partition cuts a running node off from everything, or only from the host and its control plane.
func (c *Cluster) Partition(ctx context.Context, name string, fromHost bool) error {
	id, err := c.Running(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		return errors.Join(network.Partition(ctx, id.PID, fromHost), c.routeServices(ctx))
	})
}

// Heal undoes Partition.
func (c *Cluster) Heal(ctx context.Context, name string) error {
	id, err := c.Running(name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		return errors.Join(network.Heal(ctx, id.PID), c.routeServices(ctx))
	})
}

// StopComponent kills a program of the control plane or an add-on, which stays away until StartComponent. With wipe
// what the add-on has brought goes too.
func (c *Cluster) StopComponent(ctx context.Context, name string, wipe bool) error {
	if err := c.component(name); err != nil {
		return err
	}
	if controlplane.IsAddOn(name) {
		return c.StopAddOn(ctx, name, wipe)
	}
	if wipe {
		return fmt.Errorf("wipe %s: only add-ons can be wiped (%s)", name, strings.Join(controlplane.AddOns(), ", "))
	}
	return c.locked(ctx, func() error { return c.table().Stop(name, 0) })
}

// StartComponent starts a program of the control plane again with its state, or an add-on also for the first time.
func (c *Cluster) StartComponent(ctx context.Context, name string) error {
	if err := c.component(name); err != nil {
		return err
	}
	if controlplane.IsAddOn(name) {
		return c.StartAddOn(ctx, name)
	}
	return c.locked(ctx, func() error { return c.startPrograms(ctx, []string{name}) })
}

func (c *Cluster) component(name string) error {
	if known := append(controlplane.Names(), controlplane.AddOns()...); !slices.Contains(known, name) {
		return fmt.Errorf("find component %q: known are %s", name, strings.Join(known, ", "))
	}
	if !c.owned() {
		return fmt.Errorf("use %s: %w", name, ErrNotOwner)
	}
	return nil
}

// routeServices leads the host's Service traffic through the first node that is there and not cut off, so that
// a fault of one node is not a fault of every Service.
func (c *Cluster) routeServices(ctx context.Context) error {
	for n := 1; n <= c.nodes(); n++ {
		id, ok := c.table().Get(node.Name(n))
		if ok && id.Alive() && !network.Partitioned(ctx, id.PID) {
			return network.RouteServices(ctx, n)
		}
	}
	return nil
}

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/cgroup"
	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/machine"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

// grace is how long a program may take to end before it is killed. Only etcd has something to lose; the API
// server would wait for its last watcher.
const grace = time.Second

// Down stops the testbed of this folder; with wipe it also removes its state and volumes.
func (c *Cluster) Down(ctx context.Context, wipe bool) error {
	release, err := c.State.Lock(ctx, c.sayWaiting)
	if err != nil {
		return err
	}
	defer release()
	if owner := c.State.Owner(); owner != "" && owner != c.Layout.Root {
		c.Out.Say("what runs on this machine is the testbed of %s: left alone", owner)
	} else if err := c.stop(ctx); err != nil {
		return err
	}
	if wipe {
		return c.wipe()
	}
	return nil
}

func (c *Cluster) sayWaiting() { c.Out.Say("waiting for another testbed command on this machine") }

// stop ends everything that runs, whoever owns it, and cleans the machine.
func (c *Cluster) stop(ctx context.Context) error {
	table := c.table()
	errs := c.stopNodes(ctx)
	// The reverse order of the start: nobody loses what it is connected to.
	programs := controlplane.Names()
	slices.Reverse(programs)
	for _, group := range [][]string{controlplane.AddOnPrograms(controlplane.AddOns()), programs[:4], programs[4:5], programs[5:]} {
		errs = append(errs, stopGroup(table, group, grace)...)
	}
	for _, name := range table.Names() {
		errs = append(errs, table.Stop(name, grace))
	}
	volumes := c.Layout.Volumes()
	if owner := c.State.Owner(); owner != "" {
		volumes = layout.Layout{Root: owner}.Volumes()
	}
	errs = append(errs, endMarked(), network.Down(ctx), machine.UnshareVolumes(volumes),
		cgroup.Tree{Root: cgroup.Mount}.RemoveAll(), c.State.RestoreSysctls())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop the testbed: %w", err)
	}
	return c.State.ClearOwner()
}

// stopNodes ends all nodes at once.
func (c *Cluster) stopNodes(ctx context.Context) []error {
	errs := make([]error, network.MaxNodes)
	var wg sync.WaitGroup
	for n := 1; n <= network.MaxNodes; n++ {
		wg.Go(func() { errs[n-1] = node.Kill(ctx, c.table(), n) })
	}
	wg.Wait()
	return errs
}

func stopGroup(table process.Table, names []string, grace time.Duration) []error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = table.Stop(name, grace) })
	}
	wg.Wait()
	return errs
}

// endMarked ends what has no pid file, such as after a crash of the launcher, but carries the testbed's mark.
func endMarked() error {
	var errs []error
	for _, id := range process.Marked() {
		errs = append(errs, id.Signal(syscall.SIGKILL))
	}
	return errors.Join(errs...)
}

// wipe removes the state, the volumes and the buckets; programs and images stay.
func (c *Cluster) wipe() error {
	for _, d := range []string{c.Layout.Run(), c.Layout.Volumes(), c.Layout.Buckets(), c.Layout.Kubeconfig(), c.Layout.S3Credentials()} {
		if err := os.RemoveAll(d); err != nil {
			return fmt.Errorf("wipe: %w", err)
		}
	}
	return nil
}

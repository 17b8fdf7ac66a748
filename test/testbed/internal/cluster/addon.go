package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/controlplane"
)

// StartAddOn builds an add-on if it has to, and starts it on a running testbed.
func (c *Cluster) StartAddOn(ctx context.Context, name string) error {
	if err := c.Build(ctx, []string{name}); err != nil {
		return err
	}
	c.Out.Expect(1)
	return c.locked(ctx, func() error {
		// A cluster that was made by an older launcher lacks the add-on's keys.
		if err := controlplane.Configure(c.Layout, c.nodes()); err != nil {
			return err
		}
		if err := c.remember(c.nodes(), c.addOns(name)); err != nil {
			return err
		}
		return c.startAddOn(ctx, name)
	})
}

// StopAddOn ends an add-on until it is started again; with wipe it also removes what the add-on has brought.
func (c *Cluster) StopAddOn(ctx context.Context, name string, wipe bool) error {
	a, err := controlplane.FindAddOn(c.Layout, name)
	if err != nil {
		return err
	}
	return c.locked(ctx, func() error {
		left := slices.DeleteFunc(c.addOns(), func(have string) bool { return have == name })
		err := errors.Join(append(stopGroup(c.table(), a.Programs, 0), c.remember(c.nodes(), left))...)
		if err == nil && wipe {
			err = c.wipeAddOn(ctx, a)
		}
		return err
	})
}

// wipeAddOn removes the data of an add-on, and its kinds with all their objects.
func (c *Cluster) wipeAddOn(ctx context.Context, a controlplane.AddOn) error {
	if a.Data != "" {
		if err := os.RemoveAll(a.Data); err != nil {
			return fmt.Errorf("remove the data of %s: %w", a.Name, err)
		}
	}
	if a.CRDs == "" {
		return nil
	}
	if _, err := os.Stat(a.CRDs); errors.Is(err, os.ErrNotExist) {
		return nil // it was never built, so it was never here
	}
	if err := c.kubectl(ctx, nil, "delete", "--ignore-not-found", "--timeout=1m", "-f", a.CRDs); err != nil {
		return fmt.Errorf("remove the kinds of %s: %w", a.Name, err)
	}
	return nil
}

// addOns are those that the cluster has and these, each once.
func (c *Cluster) addOns(more ...string) []string {
	all := slices.Concat(c.settings().AddOns, more)
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Cluster) startAddOns(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := c.startAddOn(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startAddOn(ctx context.Context, name string) error {
	a, err := controlplane.FindAddOn(c.Layout, name)
	if err != nil {
		return err
	}
	client, err := controlplane.NewClient(c.Layout)
	if err != nil {
		return err
	}
	step := c.Out.Step("starting "+name, nil)
	if err = c.install(ctx, a); err == nil {
		err = c.startPrograms(ctx, a.Programs)
	}
	if err == nil {
		err = c.await(ctx, time.Minute, a.Programs, func() error { return client.Answers(ctx, a) })
	}
	step.Done(err)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return nil
}

// install creates the kinds and objects of an add-on; it repairs them where they are there.
func (c *Cluster) install(ctx context.Context, a controlplane.AddOn) error {
	if a.CRDs != "" {
		if err := c.apply(ctx, nil, a.CRDs); err != nil {
			return err
		}
		if err := c.kubectl(ctx, nil, "wait", "--for=condition=Established", "--timeout=1m", "-f", a.CRDs); err != nil {
			return fmt.Errorf("wait for the kinds: %w", err)
		}
	}
	if len(a.Manifests) > 0 {
		return c.apply(ctx, a.Manifests, "-")
	}
	return nil
}

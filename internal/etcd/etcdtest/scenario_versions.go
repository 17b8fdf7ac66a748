package etcdtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// versions plays an upgrade and the way back, where there is a version before.
func versions(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	newer, older := c.h.Version(), c.h.Before()
	up := decided(newer)
	if older == "" {
		c.found(t, names...)
		onlyOne(t, c, up, names)
		return
	}
	down := decided(older)
	c.runs = older
	c.found(t, names...)
	c.waitVersion(t, "a", down)

	step(t, "the version of a cluster goes up with its last member", func(t *testing.T) {
		for _, name := range names {
			c.waitVersion(t, "a", down)
			c.runAs(t, name, newer)
		}
		c.waitVersion(t, "a", up)
		c.waitStorage(t, up, names...)
	})
	step(t, "an older etcd does not start any more", func(t *testing.T) {
		c.h.Kill(t, "a")
		c.runs = older
		c.again(t, "a")
		if exit := c.waitExit(t, "a"); exit.Code == 0 {
			t.Error("it ended with 0")
		}
		c.runAs(t, "a", newer)
	})
	step(t, "a downgrade takes the cluster to the minor before, and to no other", func(t *testing.T) {
		wantErr(t, "validate the same minor", c.to(t, "b").ValidateDowngrade(within(t, patience), newer), etcd.ErrDowngradeTarget)
		wantErr(t, "enable another", c.to(t, "b").EnableDowngrade(within(t, patience), "3.2.0"), etcd.ErrDowngradeTarget)
		wantOK(t, "cancel none", c.to(t, "b").CancelDowngrade(within(t, patience)))
		wantOK(t, "validate", c.to(t, "b").ValidateDowngrade(within(t, patience), older))
		wantOK(t, "enable", c.to(t, "b").EnableDowngrade(within(t, patience), older))
		c.waitVersion(t, "a", down)
		c.waitStorage(t, down, names...)
		if s := c.status(t, "c"); s.Downgrade != down {
			t.Errorf("Status tells of a downgrade to %q, want %q", s.Downgrade, down)
		}
	})
	step(t, "nobody joins meanwhile", func(t *testing.T) { nobodyJoins(t, c, newer, older) })
	cancelling(t, c, newer, older, names...)
}

// cancelling ends a downgrade at each point where it can be ended.
func cancelling(t *testing.T, c *cluster, newer, older string, names ...string) {
	up, down := decided(newer), decided(older)
	step(t, "cancelled while nobody has gone down, the cluster goes up again", func(t *testing.T) {
		wantOK(t, "cancel", c.to(t, "b").CancelDowngrade(within(t, patience)))
		c.waitVersion(t, "a", up)
		c.waitStorage(t, up, names...)
		if s := c.status(t, "c"); s.Downgrade != "" {
			t.Errorf("Status still tells of a downgrade to %q", s.Downgrade)
		}
	})
	step(t, "cancelled when one has gone down, it stays, and members may join", func(t *testing.T) {
		c.enableDowngrade(t, older, names...)
		c.runAs(t, "a", older)
		c.runAs(t, "b", newer) // those of the newer version may restart
		wantOK(t, "cancel", c.to(t, "b").CancelDowngrade(within(t, patience)))
		c.waitDowngrade(t, "b", "")
		c.joinAs(t, "d", newer)
		c.waitVersion(t, "a", down)
		c.runAs(t, "a", newer)
		c.waitVersion(t, "a", up)
	})
	step(t, "it ends by itself with the last member", func(t *testing.T) {
		all := append(slices.Clone(names), "d")
		c.enableDowngrade(t, older, all...)
		for _, name := range all {
			c.runAs(t, name, older)
		}
		c.eventually(t, "end the downgrade", func() error {
			err := c.to(t, "a").ValidateDowngrade(within(t, patience), minorBefore(older))
			if errors.Is(err, etcd.ErrDowngrading) {
				return err
			}
			wantOK(t, "validate the next one", err)
			return nil
		})
		c.waitVersion(t, "a", down)
		wantOK(t, "cancel none", c.to(t, "a").CancelDowngrade(within(t, patience)))
	})
}

// onlyOne is what can be said of the oldest minor.
func onlyOne(t *testing.T, c *cluster, up string, names []string) {
	c.waitVersion(t, "a", up)
	for _, name := range names {
		if s := c.status(t, name); s.Downgrade != "" || s.StorageVersion != "" {
			t.Errorf("%s tells of a downgrade to %q, and of storage %q", name, s.Downgrade, s.StorageVersion)
		}
	}
	wantErr(t, "validate the same minor", c.to(t, "a").ValidateDowngrade(within(t, patience), up), etcd.ErrDowngradeTarget)
	wantOK(t, "cancel none", c.to(t, "a").CancelDowngrade(within(t, patience)))
}

// nobodyJoins: etcd lists a learner, and it does not start, whatever its version.
func nobodyJoins(t *testing.T, c *cluster, versions ...string) {
	for i, version := range versions {
		name := fmt.Sprint("n", i)
		c.runs = version
		learner := c.add(t, "b", name)
		c.start(t, name, c.initialCluster("a", "b", "c", name), true)
		if exit := c.waitExit(t, name); !strings.Contains(exit.Message, "incompatible with current running cluster") {
			t.Errorf("a learner of %s ended with %d: %s", version, exit.Code, exit.Message)
		}
		wantOK(t, "remove it", c.to(t, "b").Remove(within(t, patience), learner.ID))
	}
	c.runs = ""
}

// decided is the version of a cluster whose members run version.
func decided(version string) string { return version[:strings.LastIndex(version, ".")] + ".0" }

func minorBefore(version string) string {
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		panic(err)
	}
	return fmt.Sprintf("%d.%d.0", major, minor-1)
}

// runAs restarts a member with another version. One that is killed may have on its disk what it had before a downgrade was enabled.
func (c *cluster) runAs(t *testing.T, name, version string) {
	t.Helper()
	if c.h.Exited(t, name) == nil {
		c.h.End(t, name)
	}
	c.runs = version
	c.again(t, name)
	c.waitServing(t, name)
	c.runs = ""
}

// again starts a member with the arguments it had, and the version that members run now.
func (c *cluster) again(t *testing.T, name string) {
	t.Helper()
	args := c.args[name]
	args.Version = c.version()
	c.args[name] = args
	c.h.Start(t, args)
}

func (c *cluster) enableDowngrade(t *testing.T, version string, names ...string) {
	t.Helper()
	wantOK(t, "enable", c.to(t, "b").EnableDowngrade(within(t, patience), version))
	c.waitVersion(t, "b", decided(version))
	c.waitStorage(t, decided(version), names...)
}

// joinAs makes one more voter beside a, b and c.
func (c *cluster) joinAs(t *testing.T, name, version string) {
	t.Helper()
	c.eventually(t, "reach c after the restarts", func() error { return c.to(t, "c").Read(within(t, patience)) })
	learner := c.add(t, "c", name)
	c.runs = version
	c.join(t, name, "a", "b", "c")
	c.runs = ""
	c.promote(t, "b", learner.ID)
}

func (c *cluster) waitVersion(t *testing.T, name, version string) {
	t.Helper()
	c.eventually(t, "see that the cluster's version is "+version, func() error {
		told, err := c.to(t, name).ClusterVersion(within(t, patience))
		if err == nil && told != version {
			err = fmt.Errorf("%s says %q", name, told)
		}
		return err
	})
}

func (c *cluster) waitStorage(t *testing.T, version string, names ...string) {
	t.Helper()
	c.eventually(t, "see that all data are of version "+version, func() error {
		for _, name := range names {
			if s := c.status(t, name); s.StorageVersion != version {
				return fmt.Errorf("%s says %q", name, s.StorageVersion)
			}
		}
		return nil
	})
}

func (c *cluster) waitDowngrade(t *testing.T, name, target string) {
	t.Helper()
	c.eventually(t, "see the downgrade to "+target, func() error {
		if s := c.status(t, name); s.Downgrade != target {
			return fmt.Errorf("%s says %q", name, s.Downgrade)
		}
		return nil
	})
}

package etcdtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

func seeing(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	ids := map[string]uint64{}
	for _, name := range names {
		ids[name] = c.id(t, "a", name)
	}

	leader, followers := c.roles(t, names...)
	victim, other := followers[0], followers[1]

	step(t, "a leader hears the others, and does not count itself", func(t *testing.T) {
		c.waitPeers(t, leader, ids[victim], ids[other])
	})
	step(t, "it misses one that was killed, until that is back", func(t *testing.T) {
		c.h.Kill(t, victim)
		c.waitPeers(t, leader, ids[other])
		_, err := c.h.Peers().ConnectedPeers(within(t, patience), c.h.MetricsAddress(victim))
		wantErr(t, "ask the dead one", err, etcd.ErrUnreachable)
		c.restart(t, victim)
		c.waitServing(t, victim)
		c.waitPeers(t, leader, ids[victim], ids[other])
	})
	step(t, "it misses one that hangs, although its connections are open", func(t *testing.T) {
		c.h.Freeze(t, victim)
		c.waitPeers(t, leader, ids[other])
		_, err := c.h.Peers().ConnectedPeers(within(t, deadline), c.h.MetricsAddress(victim))
		wantErr(t, "ask it", err, etcd.ErrUnreachable)
	})
}

// waitPeers waits until a member is in touch with exactly these.
func (c *cluster) waitPeers(t *testing.T, name string, ids ...uint64) {
	t.Helper()
	slices.Sort(ids)
	c.eventually(t, fmt.Sprintf("see that %s is in touch with %x", name, ids), func() error {
		connected, err := c.h.Peers().ConnectedPeers(within(t, patience), c.h.MetricsAddress(name))
		if err == nil && !slices.Equal(connected, ids) {
			err = fmt.Errorf("it is in touch with %x", connected)
		}
		return err
	})
}

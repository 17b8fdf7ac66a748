package etcdtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

func seeing(t *testing.T, c *cluster) {
	names := []string{"a", "b", "c"}
	c.found(t, names...)
	ids := map[string]uint64{}
	for _, name := range names {
		ids[name] = c.id(t, "a", name)
	}

	step(t, "each member is in touch with the others, and does not count itself", func(t *testing.T) {
		for _, name := range names {
			c.waitPeers(t, name, others(ids, name)...)
		}
	})
	step(t, "a killed member is missed, until it is back", func(t *testing.T) {
		c.h.Kill(t, "c")
		c.waitPeers(t, "a", ids["b"])
		c.waitPeers(t, "b", ids["a"])
		_, err := c.h.Peers().ConnectedPeers(within(t, patience), c.h.MetricsAddress("c"))
		wantErr(t, "ask the dead one", err, etcd.ErrUnreachable)
		c.restart(t, "c")
		c.waitServing(t, "c")
		c.waitPeers(t, "a", ids["b"], ids["c"])
	})
	step(t, "one that hangs is not missed: its connections are open", func(t *testing.T) {
		c.h.Freeze(t, "c")
		c.h.Pass(healthy + time.Second)
		c.waitPeers(t, "a", ids["b"], ids["c"])
		_, err := c.h.Peers().ConnectedPeers(within(t, deadline), c.h.MetricsAddress("c"))
		wantErr(t, "ask it", err, etcd.ErrUnreachable)
	})
	step(t, "one that was removed is missed, and the last one sees nobody", func(t *testing.T) {
		c.eventually(t, "remove it", func() error {
			return onlyWhile(t, c.to(t, "a").Remove(within(t, patience), ids["c"]), etcd.ErrUnhealthyCluster)
		})
		c.waitPeers(t, "a", ids["b"])
		c.h.Kill(t, "b")
		c.waitPeers(t, "a")
	})
}

func others(ids map[string]uint64, self string) []uint64 {
	var rest []uint64
	for name, id := range ids {
		if name != self {
			rest = append(rest, id)
		}
	}
	return rest
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

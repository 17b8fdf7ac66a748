package etcdfake

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// monitorInterval is how often leaders look at the versions of members: etcdserver.monitorVersionInterval.
const monitorInterval = 4 * time.Second

// monitor lets versions of clusters follow those of members, and those of databases that of their cluster a while later. It runs before
// calls, since nothing happens here while nobody calls.
func (w *World) monitor() {
	now := w.clock.Now()
	if now.Sub(w.monitored) < monitorInterval {
		return
	}
	w.monitored = now
	for _, p := range w.processes {
		if decided := p.state().version; !before36(p.args.Version) && decided != "" {
			p.data.storage = decided
		}
		if before36(p.args.Version) {
			p.data.storage = ""
		}
	}
	for _, p := range w.processes {
		if p.leads() && w.commits(p) {
			w.agree(p)
		}
	}
	w.settle()
}

// agree is what a leader does about versions: etcdserver/version.(*Monitor).
func (w *World) agree(l *Process) {
	lowest, highest := w.versions(l)
	next := *l.state()
	switch {
	case next.version == "":
		next.version = cmp.Or(lowest, "3.0")
	case lowest == "":
		return
	case next.target != "":
		next.lower(lowest, highest)
	case older(next.version, lowest):
		next.version = lowest
	}
	if next.version != l.state().version || next.target != l.state().target {
		w.propose(l, &next, "")
	}
}

// lower goes on with a downgrade: CancelDowngradeIfNeeded and decideClusterVersion.
func (s *state) lower(lowest, highest string) {
	switch s.target {
	case highest:
		s.target = ""
	case before(lowest):
		s.version = s.target
	}
}

// versions are the lowest and the highest minor that a member runs, learners too; empty while one of them cannot be asked.
func (w *World) versions(l *Process) (lowest, highest string) {
	for _, m := range l.state().members {
		p := w.member(l.data.clusterID, m.ID)
		if p == nil || p != l && !w.linked(l, p) {
			return "", ""
		}
		runs := minor(p.args.Version)
		if lowest == "" || older(runs, lowest) {
			lowest = runs
		}
		if highest == "" || older(highest, runs) {
			highest = runs
		}
	}
	return lowest, highest
}

// older compares MAJOR.MINOR. What is not known is not older.
func older(a, b string) bool {
	var m, n, x, y int
	if _, err := fmt.Sscanf(a, "%d.%d", &m, &n); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(b, "%d.%d", &x, &y); err != nil {
		return false
	}
	return m < x || m == x && n < y
}

// before is the minor before one.
func before(version string) string {
	var m, n int
	if _, err := fmt.Sscanf(version, "%d.%d", &m, &n); err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d", m, n-1)
}

// ClusterVersion implements etcd.Reader: etcdserver/api/etcdhttp, versionHandler.
func (c *client) ClusterVersion(ctx context.Context) (string, error) {
	var told string
	err := c.call(ctx, "ClusterVersion", false, func(p *Process) error {
		if told = p.state().version; told != "" {
			told += ".0"
		}
		return nil
	})
	return told, err
}

// ValidateDowngrade implements etcd.Downgrader: v3_server.go, downgradeValidate.
func (c *client) ValidateDowngrade(ctx context.Context, version string) error {
	return c.call(ctx, "ValidateDowngrade", false, notByLearner(c.byRoot(func(p *Process) error {
		if err := c.world.reads(p); err != nil {
			return err
		}
		return p.mayDowngrade(version)
	})))
}

func (p *Process) mayDowngrade(version string) error {
	target, _, _ := strings.Cut(strings.TrimPrefix(version, "3."), ".")
	switch s := p.state(); {
	case before(s.version) != "3."+target:
		return etcd.ErrDowngradeTarget
	case s.target != "":
		return etcd.ErrDowngrading
	}
	return nil
}

// EnableDowngrade implements etcd.Downgrader: v3_server.go, downgradeEnable.
func (c *client) EnableDowngrade(ctx context.Context, version string) error {
	return c.call(ctx, "EnableDowngrade", true, notByLearner(c.byRoot(func(p *Process) error {
		if err := p.mayDowngrade(version); err != nil {
			return err
		}
		next := *p.state()
		next.target = before(next.version)
		return c.world.commit(p, &next, "")
	})))
}

// CancelDowngrade implements etcd.Downgrader: v3_server.go, downgradeCancel.
func (c *client) CancelDowngrade(ctx context.Context) error {
	return c.call(ctx, "CancelDowngrade", true, notByLearner(c.byRoot(func(p *Process) error {
		next := *p.state()
		next.target = ""
		return c.world.commit(p, &next, "")
	})))
}

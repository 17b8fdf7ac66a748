package etcdfake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// What writes get under an alarm.
var (
	ErrNoSpace = errors.New("etcdserver: mvcc: database space exceeded")
	ErrCorrupt = errors.New("etcdserver: corrupt cluster")
)

// RaiseAlarm makes the member raise an alarm.
func (p *Process) RaiseAlarm(kind etcd.AlarmType) error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	defer p.world.settle()
	return changed(p.raise(etcd.Alarm{MemberID: p.data.memberID, Type: kind}))
}

// raise activates alarms: api/v3alarm.(*AlarmStore).Activate.
func (p *Process) raise(alarms ...etcd.Alarm) error {
	s := *p.state()
	s.alarms = slices.Clone(s.alarms)
	for _, a := range alarms {
		if !slices.Contains(s.alarms, a) {
			s.alarms = append(s.alarms, a)
		}
	}
	s.lifted = false
	return p.world.commit(p, &s, "")
}

func (p *Process) alarmed(kind etcd.AlarmType) bool {
	return slices.ContainsFunc(p.state().alarms, func(a etcd.Alarm) bool { return a.Type == kind })
}

// refuses reports whether an alarm keeps clients from writing.
func (p *Process) refuses(kind etcd.AlarmType) bool { return p.alarmed(kind) && !p.state().lifted }

// Disarm implements etcd.Changer. It goes through the log: apply.go, Alarm.
func (c *client) Disarm(ctx context.Context, alarm etcd.Alarm) error {
	if alarm.Type != etcd.AlarmNoSpace && alarm.Type != etcd.AlarmCorrupt {
		return fmt.Errorf("disarm: %q is no alarm", alarm.Type)
	}
	return c.call(ctx, "Disarm", true, notByLearner(c.byRoot(func(p *Process) error {
		next := *p.state()
		next.alarms = slices.DeleteFunc(slices.Clone(next.alarms), func(a etcd.Alarm) bool { return a == alarm })
		if len(next.alarms) < len(p.state().alarms) && before36(p.args.Version) {
			next.lifted = true // apply.go of 3.5 knows one reason to refuse at a time; a restart would bring the others back
		}
		return c.world.commit(p, &next, "")
	})))
}

func before36(version string) bool { return strings.HasPrefix(version, "3.5.") }

//go:build robustness

package robustness

import (
	"errors"
	"strings"
	"time"
)

// turmoil is what happens to the members while something is wrong with the operator: each makes it take many steps.
var turmoil = []struct {
	name   string
	fits   func(config) bool
	inject func(*scene) error
}{
	{"wipe-follower", healing, on((*scene).follower, replaces(broken(wipe)))},
	{"wipe-leader", healing, on((*scene).leader, replaces(broken(wipe)))},
	{"delete-claim-and-pod", healing, on((*scene).anyone, replaces(deleteClaimAndPod))},
	{"flip-wal", healing, on((*scene).follower, replaces(written(broken(flipLog))))},
	{"delete-pod", ofThree, on((*scene).anyone, func(s *scene, r *runner) error {
		err := deletePod(s, r)
		s.keep = false
		return err
	})},
	{"kill-leader", nil, on((*scene).leader, kill)},
	{"scale", nil, scaleUpAndDown},
	{"delete-member", ofThree, on((*scene).anyone, func(s *scene, r *runner) error { return s.deleteMember(r) })},
}

// disturb makes turmoil of a random kind, or of the given one.
func (s *scene) disturb(only ...string) error {
	for range 100 {
		t := turmoil[s.rng.IntN(len(turmoil))]
		if t.fits != nil && !t.fits(s.w.cfg) || len(only) > 0 && !strings.Contains(strings.Join(only, " "), t.name) {
			continue
		}
		s.w.logf("fault: with %s", t.name)
		return t.inject(s)
	}
	return errNoVictim
}

// scaleUpAndDown hands leadership over, too: who goes may be the leader.
func scaleUpAndDown(s *scene) error {
	if err := s.scale(s.w.cfg.size + 1); err != nil {
		return err
	}
	if err := s.heal(); err != nil {
		return err
	}
	if err := s.scale(s.w.cfg.size); err != nil {
		return err
	}
	s.over()
	return nil
}

func operatorFaults() []fault {
	return []fault{
		{name: "crash-operator", doc: "the operator is killed at a random moment of another fault", inject: func(s *scene) error {
			o, moment := s.w.operator(), s.span(50*time.Millisecond, 3*time.Second)
			done := make(chan struct{})
			go func() {
				defer close(done)
				sleep(s.ctx, moment)
				o.kill()
			}()
			err := s.disturb()
			<-done
			return err
		}},
		{name: "crash-point", doc: "the operator dies before or after its nth side effect during another fault", inject: crashPoints},
		{name: "api-errors", doc: "conflicts, lost answers, 429 and 500 for a share of the operator's calls during another fault",
			inject: func(s *scene) error {
				o := s.w.operator()
				o.change(func(m *mischief) {
					m.share = map[string]float64{"conflict": 0.15, "lost": 0.08, "throttled": 0.04, "error": 0.08}
				})
				s.after = append(s.after, func() error {
					o.change(func(m *mischief) { m.share = nil })
					return nil
				})
				return s.disturb()
			}},
		{name: "conflict-storm", doc: "four of five writes of the operator conflict for 3 to 6 s, and nothing else is wrong",
			inject: keeps(func(s *scene) error {
				o := s.w.operator()
				o.change(func(m *mischief) { m.share = map[string]float64{"conflict": 0.8} })
				s.wait(3*time.Second, 6*time.Second)
				o.change(func(m *mischief) { m.share = nil })
				s.over()
				return nil
			})},
		{name: "api-outage", doc: "the operator does not reach the API server for 3 to 10 s, and a member is killed", inject: keeps(outage)},
		{name: "stale-cache", doc: "the operator's cache stands still for 2 to 5 s during another fault", inject: func(s *scene) error {
			see := s.w.operator().blind()
			defer see()
			err := s.disturb("wipe-follower", "delete-claim-and-pod", "delete-pod", "delete-member", "kill-leader")
			s.wait(2*time.Second, 5*time.Second)
			s.over()
			return err
		}},
		{name: "cut-operator", doc: "the operator alone does not reach any member for 6 to 12 s, longer than the grace period",
			inject: keeps(func(s *scene) error {
				o := s.w.operator()
				o.change(func(m *mischief) { m.cut = true })
				s.wait(6*time.Second, 12*time.Second)
				o.change(func(m *mischief) { m.cut = false })
				s.over()
				return nil
			})},
		{name: "cut-operator-from-one", doc: "the operator does not reach one member for 14 to 20 s, longer than the grace period; its peers do",
			fits: ofThree, inject: keeps(on((*scene).anyone, func(s *scene, r *runner) error {
				o := s.w.operator()
				o.change(func(m *mischief) { m.cutFrom = r.name })
				s.wait(14*time.Second, 20*time.Second)
				o.change(func(m *mischief) { m.cutFrom = "" })
				s.over()
				return nil
			}))},
		{name: "two-operators", doc: "the operator is stopped in the middle of another fault, a second one goes on, then both are at work",
			inject: twoOperators},
	}
}

func outage(s *scene) error {
	o := s.w.operator()
	s.w.observer.operatorAway(true)
	o.change(func(m *mischief) { m.outage = true })
	r, err := s.anyone()
	if err == nil {
		err = kill(s, r)
	}
	s.wait(3*time.Second, 10*time.Second)
	o.change(func(m *mischief) { m.outage = false })
	s.w.observer.operatorAway(false)
	s.over()
	return err
}

func crashPoints(s *scene) error {
	o := s.w.operator()
	point := &crashPoint{after: s.rng.IntN(2) == 0, left: s.rng.IntN(16)}
	o.change(func(m *mischief) { m.armed = point })
	err := s.disturb()
	s.after = append(s.after, func() error {
		o.change(func(m *mischief) { m.armed = nil })
		s.crash = o.struckAt()
		return nil
	})
	return err
}

func twoOperators(s *scene) error {
	old := s.w.operator()
	thawed := make(chan error, 1)
	moment, alone := s.span(20*time.Millisecond, 1500*time.Millisecond), s.span(500*time.Millisecond, 5*time.Second)
	together := s.span(2*time.Second, 4*time.Second)
	go func() {
		sleep(s.ctx, moment)
		thaw := old.freeze()
		defer thaw()
		second, err := s.w.startOperator()
		if err != nil {
			thawed <- err
			return
		}
		sleep(s.ctx, alone)
		thaw()
		sleep(s.ctx, together)
		second.kill()
		thawed <- nil
	}()
	err := s.disturb()
	return errors.Join(err, <-thawed)
}

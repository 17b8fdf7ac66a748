//go:build robustness

package robustness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// fault is one way to break a world.
type fault struct {
	name string
	doc  string
	fits func(config) bool // nil: every world
	// inject breaks something. It may last, and returns once the cause is over.
	inject func(*scene) error
}

// recoveryLimit is how long a world may take to heal once the cause is over.
const recoveryLimit = 150 * time.Second

// scene is one fault as it takes place.
type scene struct {
	w   *world
	ctx context.Context
	rng *rand.Rand

	began time.Time // from here on recovery is measured
	ids   map[string]uint64
	keep  bool     // every member must keep its identity
	lost  []string // these members must be replaced
	crash string   // the point at which an operator died
	after []func() error
}

// over says that the cause is over now: until here nobody could recover.
func (s *scene) over() { s.began = time.Now() }

// wait passes a random time.
func (s *scene) wait(from, to time.Duration) {
	sleep(s.ctx, s.span(from, to))
}

// span draws a time.
func (s *scene) span(from, to time.Duration) time.Duration {
	return from + time.Duration(s.rng.Int64N(int64(to-from)))
}

var errNoVictim = errors.New("there is no such member")

// runners are the Pods that run, in the order of their names.
func (s *scene) runners() []*runner {
	return slices.DeleteFunc(s.w.kubelet.all(), func(r *runner) bool { return !r.isRunning() || r.isEnding() })
}

// leader finds the member that leads.
func (s *scene) leader() (*runner, error) {
	for range 50 {
		for _, r := range s.runners() {
			status, err := r.says(s.ctx)
			if err == nil && status.Leader == status.Header.MemberId && status.Leader != 0 {
				return r, nil
			}
		}
		sleep(s.ctx, 100*time.Millisecond)
	}
	return nil, fmt.Errorf("find the leader: %w", errNoVictim)
}

// followers are the others, in random order.
func (s *scene) followers() ([]*runner, error) {
	leader, err := s.leader()
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(s.runners(), func(r *runner) bool { return r == leader })
	s.rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	if len(others) == 0 {
		return nil, fmt.Errorf("find a follower: %w", errNoVictim)
	}
	return others, nil
}

func (s *scene) follower() (*runner, error) {
	all, err := s.followers()
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

func (s *scene) anyone() (*runner, error) {
	all := s.runners()
	if len(all) == 0 {
		return nil, errNoVictim
	}
	return all[s.rng.IntN(len(all))], nil
}

// newest is the member that joined last: the list that it was started with still matches.
func (s *scene) newest() (*runner, error) {
	objects, err := s.w.members(s.ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(objects, func(a, b v1alpha2.EtcdMember) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	for _, o := range objects {
		for _, r := range s.runners() {
			if r.name == o.Name {
				return r, nil
			}
		}
	}
	return nil, errNoVictim
}

// pick finds a victim by its role.
type pick func(*scene) (*runner, error)

// on is a fault that befalls one member.
func on(who pick, do func(*scene, *runner) error) func(*scene) error {
	return func(s *scene) error {
		r, err := who(s)
		if err != nil {
			return err
		}
		s.w.logf("fault: the victim is %s", r.name)
		return do(s, r)
	}
}

// replaces says that the victim of a fault must be replaced, and nobody else.
func replaces(do func(*scene, *runner) error) func(*scene, *runner) error {
	return func(s *scene, r *runner) error {
		s.lost = append(s.lost, r.name)
		return do(s, r)
	}
}

// keeps says that nobody may be replaced.
func keeps(do func(*scene) error) func(*scene) error {
	return func(s *scene) error {
		s.keep = true
		return do(s)
	}
}

func kill(s *scene, r *runner) error {
	s.w.observer.expectDown()
	r.signal(syscall.SIGKILL)
	return nil
}

// down kills a member and keeps it down until the returned func is called.
func (s *scene) down(rs ...*runner) (up func(), err error) {
	for _, r := range rs {
		s.w.kubelet.turn(func(k *knobs) { k.held[r.name] = true })
	}
	up = func() {
		for _, r := range rs {
			s.w.kubelet.turn(func(k *knobs) { delete(k.held, r.name) })
		}
	}
	for _, r := range rs {
		if err := kill(s, r); err != nil {
			return up, err
		}
		select {
		case <-r.process().ended:
		case <-s.ctx.Done():
			return up, s.ctx.Err()
		}
	}
	return up, nil
}

// broken is a fault to the data of one member, done while it is down.
func broken(harm func(*scene, string) error) func(*scene, *runner) error {
	return func(s *scene, r *runner) error {
		up, err := s.down(r)
		defer up()
		if err != nil {
			return err
		}
		return harm(s, r.data)
	}
}

func freeze(s *scene, r *runner) error {
	s.keep = true
	p := r.process()
	s.w.observer.expectDown()
	p.frozen.Store(true)
	r.signal(syscall.SIGSTOP)
	s.wait(2*time.Second, 10*time.Second)
	r.signal(syscall.SIGCONT)
	p.frozen.Store(false)
	s.w.observer.expectDown()
	s.over()
	return nil
}

func isolate(s *scene, r *runner) error {
	s.w.observer.expectDown()
	p := r.process()
	p.frozen.Store(true)
	if err := r.net.plug(false); err != nil {
		return err
	}
	s.wait(1*time.Second, nodeGrace*time.Second-500*time.Millisecond)
	err := r.net.plug(true)
	p.frozen.Store(false)
	s.w.observer.expectDown()
	s.over()
	return err
}

// deletePod deletes a Pod; with memory its data go with it.
func deletePod(s *scene, r *runner) error {
	if s.w.cfg.memory {
		s.lost = append(s.lost, r.name)
	} else {
		s.keep = true
	}
	s.w.observer.expectDown()
	p := r.process()
	return errors.Join(s.w.h.kube.Delete(s.ctx, r.latest(), client.GracePeriodSeconds(10)), s.ended(p))
}

// ended waits for the end of a process: until then nothing seems to be wrong.
func (s *scene) ended(p *process) error {
	select {
	case <-p.ended:
		return nil
	case <-time.After(20 * time.Second):
		return errors.New("the process does not end")
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func forceDeletePod(s *scene, r *runner) error {
	if s.w.cfg.memory {
		s.lost = append(s.lost, r.name)
	} else {
		s.keep = true
	}
	s.w.observer.expectDown()
	p := r.process()
	return errors.Join(s.w.h.kube.Delete(s.ctx, r.latest(), client.GracePeriodSeconds(0)), s.ended(p))
}

// deleteClaim deletes the claim of a member, which stays until its Pod is gone.
func deleteClaim(s *scene, r *runner) error {
	claim := s.w.kubelet.claimOf(r.name)
	if claim == nil {
		return errNoVictim
	}
	s.w.observer.excuse(claim.UID)
	return s.w.h.kube.Delete(s.ctx, claim)
}

func deleteClaimAndPod(s *scene, r *runner) error {
	if err := deleteClaim(s, r); err != nil {
		return err
	}
	s.w.observer.expectDown()
	p := r.process()
	return errors.Join(s.w.h.kube.Delete(s.ctx, r.latest(), client.GracePeriodSeconds(1)), s.ended(p))
}

// deleteMember deletes an EtcdMember, as by accident. Its Pod goes with it.
func (s *scene) deleteMember(r *runner) error {
	o := &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: s.w.ns, Name: r.name}}
	s.w.observer.expectDown()
	p := r.process()
	return errors.Join(s.w.h.kube.Delete(s.ctx, o), s.ended(p))
}

func (s *scene) scale(replicas int32) error {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: s.w.ns, Name: clusterName}}
	s.w.logf("fault: scale to %d", replicas)
	return patch(s.ctx, s.w.h.kube, c, map[string]any{"spec": map[string]any{"replicas": replicas}})
}

// heal waits until the world is whole in the middle of a fault.
func (s *scene) heal() error { return s.w.await(recoveryLimit, s.w.whole) }

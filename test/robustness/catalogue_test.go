//go:build robustness

package robustness

import (
	"errors"
	"os"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func onVolumes(c config) bool { return !c.memory }
func ofThree(c config) bool   { return c.size >= 3 }
func both(a, b func(config) bool) func(config) bool {
	return func(c config) bool { return a(c) && b(c) }
}
func ofFive(c config) bool { return c.size >= 5 }

var healing = both(onVolumes, ofThree)

// catalogue is every kind of fault.
func catalogue() []fault {
	return append([]fault{
		{name: "kill-follower", doc: "kill -9 of a follower", fits: ofThree, inject: keeps(on((*scene).follower, kill))},
		{name: "kill-leader", doc: "kill -9 of the leader", inject: keeps(on((*scene).leader, kill))},
		{name: "kill-all", doc: "kill -9 of all members at once", inject: keeps(killAll)},
		{name: "terminate-member", doc: "SIGTERM", inject: keeps(on((*scene).anyone, func(s *scene, r *runner) error {
			s.w.observer.expectDown()
			r.signal(syscall.SIGTERM)
			return nil
		}))},
		{name: "freeze-follower", doc: "SIGSTOP of a follower for 2 to 10 s", fits: ofThree, inject: on((*scene).follower, freeze)},
		{name: "freeze-leader", doc: "SIGSTOP of the leader for 2 to 10 s", inject: on((*scene).leader, freeze)},
		{name: "isolate-follower", doc: "a follower's network is cut for less than the grace period", fits: ofThree,
			inject: keeps(on((*scene).follower, isolate))},
		{name: "isolate-leader", doc: "the leader's network is cut for less than the grace period", inject: keeps(on((*scene).leader, isolate))},
		{name: "delete-pod", doc: "a Pod is deleted", fits: ofThree, inject: on((*scene).anyone, deletePod)},
		{name: "force-delete-pod", doc: "a Pod is deleted with grace period 0 while its process goes on", fits: ofThree,
			inject: on((*scene).anyone, forceDeletePod)},
		{name: "delete-two-pods", doc: "two Pods are deleted at once", fits: healing, inject: keeps(deleteTwoPods)},
		{name: "wipe-follower", doc: "the volume of a follower is emptied", fits: healing, inject: on((*scene).follower, replaces(broken(wipe)))},
		{name: "wipe-leader", doc: "the volume of the leader is emptied", fits: healing, inject: on((*scene).leader, replaces(broken(wipe)))},
		{name: "wipe-newest", doc: "the volume of the member that joined last is emptied", fits: healing,
			inject: on((*scene).newest, replaces(broken(wipe)))},
		{name: "delete-claim", doc: "a claim is deleted while its Pod runs, the process is killed, and in the end the Pod is deleted, too",
			fits: healing, inject: on((*scene).anyone, replaces(deleteClaimThenPod))},
		{name: "delete-claim-and-pod", doc: "claim and Pod are deleted", fits: healing, inject: on((*scene).anyone, replaces(deleteClaimAndPod))},
		{name: "flip-wal", doc: "a byte in the write-ahead log is changed", fits: healing,
			inject: on((*scene).anyone, replaces(written(broken(flipLog))))},
		{name: "cut-wal", doc: "the write-ahead log is cut short: etcd takes it for a torn tail, or misses a part of it", fits: healing,
			inject: on((*scene).follower, broken(cutLog))},
		{name: "remove-wal", doc: "the write-ahead log is removed", fits: healing, inject: on((*scene).anyone, replaces(broken(removeLog)))},
		{name: "spoil-db", doc: "pages of the database are overwritten", fits: healing,
			inject: on((*scene).anyone, replaces(broken(spoilDatabase)))},
		{name: "cut-db", doc: "the database is cut short", fits: healing, inject: on((*scene).anyone, replaces(broken(cutDatabase)))},
		{name: "foreign-volume", doc: "the volume of another cluster is in the place of a member's", fits: healing,
			inject: on((*scene).follower, replaces(broken(foreignData)))},
		{name: "swap-volumes", doc: "two volumes are exchanged for 3 to 6 s", fits: healing, inject: swapForAWhile},
		{name: "unreadable-volume", doc: "a volume cannot be read for a while", fits: healing, inject: keeps(on((*scene).anyone, unreadable))},
		{name: "oom-loop", doc: "a member is killed at its memory limit, again and again", fits: ofThree,
			inject: keeps(on((*scene).anyone, outOfMemory))},
		{name: "image-gone", doc: "a Pod is deleted and its image cannot be pulled for a while", fits: healing,
			inject: on((*scene).anyone, without(func(k *knobs, on bool) { k.imageGone = on }))},
		{name: "unschedulable", doc: "a Pod is deleted and no node takes it for a while", fits: healing,
			inject: on((*scene).anyone, without(func(k *knobs, on bool) { k.unschedulable = on }))},
		{name: "wipe-two-of-five", doc: "two of five volumes are emptied at once", fits: both(onVolumes, ofFive), inject: wipeTwo},
		{name: "quorum-down", doc: "a majority is killed and held down for 3 to 8 s", fits: healing, inject: keeps(quorumDown)},
		{name: "quorum-down-one-wiped", doc: "a majority is killed, one of its volumes emptied, and then all start (etcd issue 21178)",
			fits: healing, inject: quorumDownOneWiped},
		{name: "empty-disk", doc: "etcd issue 21178: a follower lags, the others are killed, one is emptied and starts with the one that lags",
			fits: func(c config) bool { return onVolumes(c) && c.size == 3 }, inject: emptyDisk},
		{name: "lose-learner", doc: "the learner that replaces a member loses its volume, too", fits: healing, inject: loseLearner},
		{name: "delete-member", doc: "an EtcdMember is deleted", fits: ofThree, inject: on((*scene).anyone, func(s *scene, r *runner) error {
			s.keep = !s.w.cfg.memory
			return s.deleteMember(r)
		})},
		{name: "delete-all-members", doc: "all EtcdMembers are deleted", fits: onVolumes, inject: keeps(deleteAllMembers)},
		{name: "status-lost", doc: "the status of the EtcdCluster is emptied, as by a restored backup", inject: keeps(statusLost)},
		{name: "node-gone", doc: "a node is switched off and its object deleted", fits: ofThree, inject: on((*scene).anyone, replaces(nodeGone))},
		{name: "scale-under-fire", doc: "two members more, then two fewer, with a member killed in each phase", fits: ofThree,
			inject: scaleUnderFire},
		{name: "pause-under-fire", doc: "paused and resumed, with members killed on the way", fits: onVolumes, inject: keeps(pauseUnderFire)},
	}, operatorFaults()...)
}

// deleteClaimThenPod: a claim in use stays until its Pod goes.
func deleteClaimThenPod(s *scene, r *runner) error {
	if err := errors.Join(deleteClaim(s, r), kill(s, r)); err != nil {
		return err
	}
	s.wait(2*time.Second, 5*time.Second)
	s.over()
	s.w.observer.expectDown()
	uid, p := r.uid, r.process()
	err := s.w.h.kube.Delete(s.ctx, r.latest(), client.GracePeriodSeconds(1), client.Preconditions{UID: &uid})
	return errors.Join(client.IgnoreNotFound(err), s.ended(p))
}

func killAll(s *scene) error {
	s.w.observer.expectDown()
	for _, r := range s.runners() {
		r.signal(syscall.SIGKILL)
	}
	return nil
}

func deleteTwoPods(s *scene) error {
	all, err := s.followers()
	if err != nil {
		return err
	}
	return errors.Join(deletePod(s, all[0]), deletePod(s, all[1]))
}

// swapForAWhile: a member whose own data are back may be replaced all the same, until it has started on them.
func swapForAWhile(s *scene) error {
	all, err := s.followers()
	if err != nil {
		return err
	}
	a, b := all[0], all[1]
	up, err := s.down(a, b)
	if err != nil {
		up()
		return err
	}
	err = exchange(a.data, b.data)
	up()
	if err != nil {
		return err
	}
	s.wait(3*time.Second, 6*time.Second)
	if up, err = s.down(a, b); err == nil {
		err = exchange(a.data, b.data)
	}
	up()
	s.over()
	return err
}

func unreadable(s *scene, r *runner) error {
	up, err := s.down(r)
	if err == nil {
		err = os.Chown(r.data+"/data", 0, 0)
	}
	if err == nil {
		err = os.Chmod(r.data+"/data", 0o700)
	}
	up()
	if err != nil {
		return err
	}
	s.wait(3*time.Second, 8*time.Second)
	s.over()
	return os.Chown(r.data+"/data", nobody, nobody)
}

func outOfMemory(s *scene, r *runner) error {
	for range 4 {
		s.w.observer.expectDown()
		r.mu.Lock()
		r.oom = true
		r.mu.Unlock()
		p := r.process()
		r.signal(syscall.SIGKILL)
		for r.process() == p && s.ctx.Err() == nil {
			sleep(s.ctx, 100*time.Millisecond)
		}
		s.wait(100*time.Millisecond, time.Second)
	}
	s.over()
	return nil
}

// without deletes a Pod and keeps the next one from starting for a while.
func without(knob func(*knobs, bool)) func(*scene, *runner) error {
	return func(s *scene, r *runner) error {
		s.w.kubelet.turn(func(k *knobs) { knob(k, true) })
		defer s.w.kubelet.turn(func(k *knobs) { knob(k, false) })
		err := deletePod(s, r)
		s.wait(4*time.Second, 12*time.Second)
		s.over()
		return err
	}
}

func wipeTwo(s *scene) error {
	all, err := s.followers()
	if err != nil {
		return err
	}
	s.lost = []string{all[0].name, all[1].name}
	up, err := s.down(all[0], all[1])
	defer up()
	return errors.Join(err, wipe(s, all[0].data), wipe(s, all[1].data))
}

// majority is more than half of the members, in random order.
func (s *scene) majority() []*runner {
	all := s.runners()
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:len(all)/2+1]
}

func quorumDown(s *scene) error {
	up, err := s.down(s.majority()...)
	s.wait(3*time.Second, 8*time.Second)
	up()
	s.over()
	return err
}

func quorumDownOneWiped(s *scene) error {
	victims := s.majority()
	s.lost = []string{victims[0].name}
	up, err := s.down(victims...)
	if err == nil {
		err = wipe(s, victims[0].data)
	}
	s.wait(500*time.Millisecond, 4*time.Second)
	up()
	s.over()
	return err
}

// emptyDisk is how etcd loses writes if a voter may start empty: what only the leader and B hold is not known to A, and A and
// an empty B would be a majority.
func emptyDisk(s *scene) error {
	all, err := s.followers()
	if err != nil {
		return err
	}
	leader, err := s.leader()
	if err != nil {
		return err
	}
	a, b := all[0], all[1]
	s.lost = []string{b.name}
	upA, err := s.down(a)
	if err != nil {
		upA()
		return err
	}
	sleep(s.ctx, 3*time.Second) // writes go on without A
	upAll, err := s.down(leader, b)
	if err == nil {
		err = wipe(s, b.data)
	}
	s.w.logf("fault: %s lags, %s is empty, %s led", a.name, b.name, leader.name)
	upA()
	s.w.kubelet.turn(func(k *knobs) { delete(k.held, b.name) })
	sleep(s.ctx, 8*time.Second) // the leader stays away
	upAll()
	s.over()
	return err
}

// statusLost empties the status, which holds what the operator has decided once and for all.
func statusLost(s *scene) error {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: s.w.ns, Name: clusterName}}
	return patchStatus(s.ctx, s.w.h.kube, c, map[string]any{
		"clusterID": nil, "clusterToken": nil, "initialMembers": nil, "lastOrdinal": nil, "members": nil, "conditions": nil,
		"observedGeneration": -1,
	})
}

// loseLearner starts a replacement and destroys the new member while it joins.
func loseLearner(s *scene) error {
	r, err := s.follower()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, r := range s.w.kubelet.all() {
		known[r.name] = true
	}
	if err := replaces(deleteClaimAndPod)(s, r); err != nil {
		return err
	}
	for s.ctx.Err() == nil {
		for _, l := range s.runners() {
			if !known[l.name] {
				s.w.logf("fault: the learner %s loses its volume", l.name)
				s.over()
				return errors.Join(kill(s, l), deleteClaimAndPod(s, l))
			}
		}
		sleep(s.ctx, 20*time.Millisecond)
	}
	return s.ctx.Err()
}

func deleteAllMembers(s *scene) error {
	errs := make(chan error)
	all := s.runners()
	for _, r := range all {
		go func() { errs <- s.deleteMember(r) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-errs)
	}
	return err
}

func nodeGone(s *scene, r *runner) error {
	name := r.node()
	for _, other := range s.runners() {
		if other != r && other.node() == name {
			s.lost = append(s.lost, other.name)
		}
	}
	s.w.observer.expectDown()
	s.w.kubelet.switchNode(name, true)
	s.after = append(s.after, func() error {
		s.w.kubelet.switchNode(name, false)
		return s.w.kubelet.join(s.ctx, name)
	})
	return s.w.h.kube.Delete(s.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.GracePeriodSeconds(0))
}

func scaleUnderFire(s *scene) error {
	for _, replicas := range []int32{s.w.cfg.size + 2, s.w.cfg.size} {
		if err := s.scale(replicas); err != nil {
			return err
		}
		s.wait(100*time.Millisecond, 4*time.Second)
		if r, err := s.anyone(); err == nil {
			_ = kill(s, r)
		}
		if replicas != s.w.cfg.size {
			if err := s.heal(); err != nil {
				return err
			}
		}
	}
	s.over()
	return nil
}

func pauseUnderFire(s *scene) error {
	for _, replicas := range []int32{0, s.w.cfg.size} {
		s.w.observer.expectDown()
		if err := s.scale(replicas); err != nil {
			return err
		}
		s.wait(100*time.Millisecond, 2*time.Second)
		if r, err := s.anyone(); err == nil {
			_ = kill(s, r)
		}
		if replicas == 0 {
			if err := s.heal(); err != nil {
				return err
			}
		}
	}
	s.over()
	return nil
}

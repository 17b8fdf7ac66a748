package simulation

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// scenario is a story with one change in it. Faults strike between begin and the end.
type scenario struct {
	name  string
	setup func(*world)
	begin func(*world)
	done  func(*world) bool
	after func(*world)
	long  bool // it is played with one fault at each write, another one at the next, unless SIMULATION_FULL is set
}

func running(n int32, medium v1alpha2.StorageMedium) func(*world) {
	return func(w *world) {
		w.create(n, medium)
		w.until("setup", w.ready)
	}
}

func scaleTo(n int32) func(*world) { return func(w *world) { w.scale(n) } }

func ready(w *world) bool { return w.ready() }

func nothing(*world) {}

var scenarios = []scenario{
	{
		name: "create", setup: nothing,
		begin: func(w *world) { w.create(3, v1alpha2.StorageMediumDefault) },
		done:  ready, after: (*world).verify,
	},
	{name: "restore", setup: nothing, begin: func(w *world) { w.restore(2) }, done: ready, after: (*world).verify},
	{name: "restore, and the Pod goes before the snapshot is there", setup: nothing, begin: restoreTwice, done: ready, after: (*world).verify},
	{name: "grow", setup: running(1, ""), begin: scaleTo(3), done: ready, after: (*world).verify},
	{name: "shrink", setup: running(3, ""), begin: scaleTo(1), done: ready, after: (*world).verify},
	{name: "pause", setup: running(3, ""), begin: scaleTo(0), done: ready, after: (*world).resumes},
	{name: "resume", setup: paused, begin: scaleTo(3), done: ready, after: (*world).sameMembers},
	{name: "lose a memory member", setup: running(3, v1alpha2.StorageMediumMemory), begin: losePod, done: replaced, after: (*world).verify},
	{name: "lose a volume", setup: running(3, ""), begin: loseVolume, done: replaced, after: (*world).keepsVolumes},
	{name: "lose the data of a volume", setup: running(3, ""), begin: wipeVolume, done: replaced, after: (*world).keepsVolumes},
	{name: "lose an EtcdMember", setup: remembered, begin: loseMembers(1), done: adopted, after: (*world).sameMembers},
	{name: "lose all EtcdMembers", setup: remembered, begin: loseMembers(3), done: adopted, after: (*world).sameMembers},
	{name: "upgrade", setup: runs("3.5.35"), begin: asks("3.6.16"), done: settled("3.6.16"), after: (*world).sameMembers, long: true},
	{
		name: "upgrade, with a snapshot", setup: runs("3.6.16"), begin: asksWithSchedule("3.7.3"), done: settled("3.7.3"),
		after: (*world).saved, long: true,
	},
	{name: "downgrade", setup: runs("3.7.3"), begin: asks("3.6.16"), done: settled("3.6.16"), after: (*world).sameMembers, long: true},
	{name: "downgrade to 3.5", setup: runs("3.6.16"), begin: asks("3.5.35"), done: settled("3.5.35"), after: (*world).sameMembers, long: true},
	{
		name: "change the mind during an upgrade", setup: runs("3.5.35"), begin: asksHalfWay("3.6.16", "3.5.35"), done: settled("3.5.35"),
		after: (*world).sameMembers, long: true,
	},
	{
		name: "change the mind during a downgrade", setup: runs("3.6.16"), begin: asksHalfWay("3.5.35", "3.6.16"), done: settled("3.6.16"),
		after: (*world).sameMembers, long: true,
	},
	{
		name: "lose a volume during a downgrade", setup: runs("3.6.16"), begin: losesHalfWay("3.5.35"), done: settled("3.5.35"),
		after: (*world).verify, long: true,
	},
	{name: "a version that cannot be had", setup: runs("3.5.35"), begin: asks("3.7.3"), done: refuses, after: (*world).sameMembers},
	{name: "delete", setup: running(3, ""), begin: deleteCluster, done: (*world).empty, after: nothing},
}

// restoreTwice deletes the first Pod when its volume was admitted, and nothing was made of it.
func restoreTwice(w *world) {
	w.restore(1)
	w.until("the volume is admitted", func() bool { return len(w.kubelet.prepared) > 0 })
	losePod(w)
}

func paused(w *world) {
	running(3, "")(w)
	w.remember()
	w.scale(0)
	w.until("pause", w.ready)
}

func losePod(w *world) {
	var pods corev1.PodList
	w.must(w.store.List(context.Background(), &pods))
	w.must(w.store.Delete(context.Background(), &pods.Items[w.rng.IntN(len(pods.Items))]))
	w.kubelet.sync(context.Background())
}

// replaced: ready, and the lost member is not there any more.
func replaced(w *world) bool {
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	return w.ready() && len(w.watchdog.names) == 4 && len(members.Items) == 3
}

func deleteCluster(w *world) {
	w.watchdog.frozen = true
	w.must(w.store.Delete(context.Background(), w.cluster()))
}

// empty says whether nothing of the cluster is left.
func (w *world) empty() bool {
	for _, list := range lists() {
		w.must(w.store.List(context.Background(), list))
		if _, nodes := list.(*corev1.NodeList); !nodes && meta.LenList(list) > 0 {
			return false
		}
	}
	return true
}

func (w *world) verify() { w.writer.verify(w) }

// identities are members with their IDs and volumes.
func (w *world) identities() (out []string) {
	var members v1alpha2.EtcdMemberList
	w.must(w.store.List(context.Background(), &members))
	for _, m := range members.Items {
		out = append(out, fmt.Sprintf("%s %s %s", m.Name, m.Status.MemberID, m.Status.Incarnation.VolumeUID))
	}
	slices.Sort(out)
	return out
}

func (w *world) remember() { w.before = w.identities() }

func (w *world) resumes() {
	w.scale(3)
	w.until("resume", w.ready)
	w.verify()
}

func (w *world) sameMembers() {
	if now := w.identities(); !slices.Equal(w.before, now) {
		w.t.Fatalf("members were %v and are %v", w.before, now)
	}
	w.verify()
}

func play(t *testing.T, s scenario, seed uint64, f fault) *world {
	t.Helper()
	w := newWorld(t, seed, f)
	s.setup(w)
	w.faults.arm()
	s.begin(w)
	w.until(fmt.Sprintf("%s, seed %d, %s", s.name, seed, f), func() bool { return s.done(w) })
	w.faults.armed = false
	s.after(w)
	return w
}

// faultsAt are the faults that are played at a write.
func (s scenario) faultsAt(write int) []kind {
	all := []kind{crashBefore, crashAfter, conflict, lostAnswer}
	if !s.long || os.Getenv("SIMULATION_FULL") != "" {
		return all
	}
	n := write % len(all)
	return all[n : n+1]
}

// TestEveryWriteMayFail plays each scenario with each fault at each write. SIMULATION_SEED chooses other orders of events.
func TestEveryWriteMayFail(t *testing.T) {
	seed := uint64(1)
	if s := os.Getenv("SIMULATION_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			writes := play(t, s, seed, fault{kind: none}).faults.writes
			if writes == 0 {
				t.Fatal("the operator wrote nothing")
			}
			runs := 0
			for at := 1; at <= writes; at++ {
				for _, k := range s.faultsAt(at) {
					f := fault{k, at}
					ok := t.Run(f.String(), func(t *testing.T) {
						if w := play(t, s, seed, f); !w.faults.struck {
							t.Fatalf("the fault did not strike: %d writes: %v", w.faults.writes, w.faults.names)
						}
					})
					if !ok {
						return
					}
					runs++
				}
			}
			t.Logf("%s: %d writes, %d runs with a fault, seed %d", s.name, writes, runs, seed)
		})
	}
}

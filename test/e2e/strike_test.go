//go:build e2e && robustness

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
	"github.com/cozystack/etcd-operator/test/robustness/report"
)

var (
	flagStrikes = flag.String("faults", "", "kinds of faults, separated by commas; empty means all")
	flagSeed    = flag.Uint64("seed", 1, "of the first fault; each has its own")
	flagCount   = flag.Int("n", 30, "how many faults")
	flagWorlds  = flag.Int("worlds", 3, "how many clusters side by side")
	flagResults = flag.String("results", "", "folder to keep the results in; empty keeps none")
)

// strike is a fault of the tier of real kubelets. It lasts until the cluster has to be whole again by its own doing.
type strike struct {
	kind, doc string
	loses     string // why a member must be replaced; empty if nobody may be
	hit       func(w *ward, victim string)
}

var strikes = []strike{
	{"kill", "kill -9 of a member", "", func(w *ward, victim string) { w.signal(victim, syscall.SIGKILL) }},
	{"kill-all", "kill -9 of all members at once", "", func(w *ward, _ string) {
		w.Expect(bed.SignalAll(w.pods(), "etcd", syscall.SIGKILL)).To(gomega.Succeed())
	}},
	{"freeze", "SIGSTOP of a member for 4 s", "", func(w *ward, victim string) {
		w.signal(victim, syscall.SIGSTOP)
		w.expectNoReplacement(4*time.Second, w.names(), w.replacements())
		w.signal(victim, syscall.SIGCONT)
	}},
	{"cut-peers", "a member is cut off from its peers for 4 s", "", func(w *ward, victim string) {
		w.Expect(bed.CutPeers(w.ctx, w.pod(victim))).To(gomega.Succeed())
		w.expectNoReplacement(4*time.Second, w.names(), w.replacements())
		w.Expect(bed.Heal(w.ctx, w.pod(victim))).To(gomega.Succeed())
	}},
	{"delete-pod", "a Pod is deleted", "", func(w *ward, victim string) { w.deletePod(victim, true) }},
	{"delete-all-pods", "all Pods are deleted at once", "", func(w *ward, _ string) {
		for _, p := range w.pods() {
			w.Expect(testbed.Delete(w.ctx, &p)).To(gomega.Succeed())
		}
	}},
	{"delete-member", "an EtcdMember is deleted", "", func(w *ward, victim string) { w.orphan(victim) }},
	{"delete-all-members", "all EtcdMembers are deleted", "", func(w *ward, _ string) { w.orphan(w.memberNames()...) }},
	{"kill-operator", "the leading operator is killed three times while a member comes back from kill -9", "",
		func(w *ward, victim string) {
			w.signal(victim, syscall.SIGKILL)
			w.killOperators(3)
		}},
	{"pause", "the cluster is paused and resumed", "", func(w *ward, _ string) {
		w.scale(0)
		w.awaitCondition(v1alpha2.ConditionReady, "True Paused")
		w.scale(3)
	}},
	{"wipe", "a volume is emptied", v1alpha2.FailureDataLost, harmVolume(bed.Wipe)},
	{"wipe-kill-operator", "a volume is emptied, and the leading operator is killed three times during the replacement",
		v1alpha2.FailureDataLost, func(w *ward, victim string) {
			w.harmVolume(victim, bed.Wipe)
			w.killOperators(3)
		}},
	{"delete-claim-and-pod", "claim and Pod are deleted", claimGone,
		func(w *ward, victim string) { w.deleteClaim(victim) }},
	{"flip-wal", "a byte in the write-ahead log is changed", v1alpha2.FailureCorruptLog, harmVolume(bed.FlipLog)},
	{"spoil-db", "the root pages of the database are overwritten", v1alpha2.FailureCorruptDatabase, harmVolume(bed.ScrambleDatabase)},
	{"cut-db", "the database is cut short", v1alpha2.FailureDataLost,
		harmVolume(func(volume string) error { return bed.TruncateDatabase(volume, 16<<10) })},
	{"replace", "somebody asks for a replacement", v1alpha2.FailureRequested,
		func(w *ward, victim string) { w.askForReplacement(victim) }},
}

// TestFaultsOnRealKubelets strikes clusters of all minors of etcd, one fault after another each, and keeps what became of it.
func TestFaultsOnRealKubelets(t *testing.T) {
	run := &hail{began: time.Now(), commit: report.Commit(), seeds: make(chan uint64, *flagCount)}
	for i := range uint64(*flagCount) {
		run.seeds <- *flagSeed + i
	}
	close(run.seeds)
	t.Cleanup(func() {
		if err := run.save(); err != nil {
			t.Error(err)
		}
	})
	for i := range *flagWorlds {
		version := []string{"3.6.16", "3.7.3", "3.5.35"}[i%3]
		t.Run(fmt.Sprintf("%d: etcd %s", i+1, version), func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 3, generous, func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version })
			for seed := range run.seeds {
				run.strike(w, seed, "etcd "+version+", 3 members")
			}
			w.settle(w.load)
		})
	}
}

// hail is many strikes.
type hail struct {
	began  time.Time
	commit string
	seeds  chan uint64

	mu      sync.Mutex
	results []report.Result
}

// strike lets one fault happen and holds the cluster to everything afterwards. A check that fails ends this cluster.
func (run *hail) strike(w *ward, seed uint64, world string) {
	w.t.Helper()
	s, leads := pick(seed)
	victim := follower(w.cluster)
	if leads {
		victim = w.leader()
	}
	w.t.Logf("seed %d: %s at %s", seed, s.kind, victim)
	r := report.Result{Seed: seed, Fault: s.kind, World: world, At: time.Now().UTC().Format(time.RFC3339), Error: "did not come to its end"}
	defer func() { run.add(r) }()
	w.load.Journal.TakeGap()
	acked, before, recorded := w.load.Journal.Acks(), w.identity(), w.replacements()
	s.hit(w, victim)
	over := time.Now()
	if s.loses != "" {
		w.awaitReplaced(victim, s.loses)
	}
	w.awaitWhole(3)
	r.RecoveryMS = time.Since(over).Milliseconds()
	if s.loses != "" {
		w.expectSurvivors(before, victim)
	} else {
		w.Expect(w.identity()).To(gomega.Equal(before))
		w.Expect(w.replacements()).To(gomega.Equal(recorded))
	}
	r.Error, r.Acked = "", w.load.Journal.Acks()-acked
	r.GapMS = w.load.Journal.TakeGap().Took.Milliseconds()
}

// awaitWhole waits until status says that all is well and every member holds every acknowledged write. Status alone may not have
// noticed the fault yet.
func (w *ward) awaitWhole(n int) {
	w.t.Helper()
	w.awaitFor(2*patience, "the cluster is whole", func() {
		o := w.get()
		w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("True"))
		w.Expect(o.Status.ReadyMembers).To(gomega.BeEquivalentTo(n))
		w.Expect(w.pods()).To(gomega.HaveLen(n))
		w.verify(w.load)
	})
}

// pick chooses the fault of a seed.
func pick(seed uint64) (s strike, leads bool) {
	some := strikes
	if *flagStrikes != "" {
		wanted := sets.New(strings.Split(*flagStrikes, ",")...)
		some = slices.DeleteFunc(slices.Clone(strikes), func(s strike) bool { return !wanted.Has(s.kind) })
	}
	source := rand.New(rand.NewPCG(seed, 0))
	return some[source.IntN(len(some))], source.IntN(2) == 0
}

func (run *hail) add(r report.Result) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.results = append(run.results, r)
}

func (run *hail) save() error {
	if *flagResults == "" {
		return nil
	}
	slices.SortFunc(run.results, func(a, b report.Result) int { return int(int64(a.Seed) - int64(b.Seed)) })
	s := report.Sitting{
		Tier: report.OnTestbed, Commit: run.commit, Began: run.began.UTC().Format(time.RFC3339),
		Seconds: int(time.Since(run.began).Seconds()), Worlds: *flagWorlds,
		Seed: *flagSeed, Count: len(run.results), Kinds: map[string]string{}, Results: run.results,
	}
	for _, k := range strikes {
		s.Kinds[k.kind] = k.doc
	}
	return report.Save(*flagResults, fmt.Sprintf("%s-testbed-seed%d", run.began.UTC().Format("20060102T150405"), *flagSeed), s)
}

func (w *ward) signal(name string, signal syscall.Signal) {
	w.t.Helper()
	w.Expect(bed.Signal(w.pod(name), "etcd", signal)).To(gomega.Succeed())
}

// orphan deletes EtcdMembers by hand and waits until others have their names.
func (w *ward) orphan(names ...string) {
	w.t.Helper()
	gone := sets.New[string]()
	for _, name := range names {
		m := w.member(name)
		gone.Insert(string(m.UID))
		w.Expect(testbed.DeleteByHand(w.ctx, m, client.PropagationPolicy("Background"))).To(gomega.Succeed())
	}
	w.await("the EtcdMembers are there again", func() {
		members := w.members()
		w.Expect(members).To(gomega.HaveLen(3))
		for _, m := range members {
			w.Expect(gone.Has(string(m.UID))).To(gomega.BeFalse())
		}
	})
}

func (w *ward) killOperators(n int) {
	w.t.Helper()
	for range n {
		w.await("an operator leads that can be killed", func() {
			_, err := testbed.KillOperator(w.ctx)
			w.Expect(err).NotTo(gomega.HaveOccurred())
		})
		time.Sleep(time.Second) // of the next one's life
	}
}

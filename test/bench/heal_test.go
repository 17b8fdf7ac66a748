//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// harm is something that happens to a member, and how long the cluster needs to get over it.
type harm struct {
	name string
	goal string
	do   func(*patient, string) error
	took []float64 // seconds
}

// durable are those of members with a volume. From the fault on it is measured until all members are ready again, one of them new.
func durable() []*harm {
	const goal = "under 15 s, p95 under 30 s"
	return []*harm{
		{name: "volume wiped", goal: goal, do: damage(bed.Wipe)},
		{name: "claim deleted", goal: goal, do: (*patient).deleteClaim},
		{name: "log corrupt", goal: goal, do: damage(bed.FlipLog)},
		{name: "database corrupt", goal: goal, do: damage(bed.ScrambleDatabase)},
	}
}

// volatile are those of members in memory.
func volatile() []*harm {
	return []*harm{{name: "memory Pod lost", goal: "under 15 s", do: (*patient).deletePod}}
}

// TestHealing measures recoveries. With BENCH_DATA_MB the one with volumes holds so much data.
func TestHealing(t *testing.T) {
	count, megabytes := number(t, "BENCH_ROUNDS", 5), number(t, "BENCH_DATA_MB", 0)
	b, err := bed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(durable(), volatile())
	killed := &harm{name: "leader killed", goal: "writes resume within 2 s", do: (*patient).kill}
	handed := &harm{name: "leader replaced on request", goal: "p99 under 0.5 s", do: (*patient).askForReplacement}
	t.Run("durable", func(t *testing.T) {
		p := admit(t, b, v1alpha2.StorageMediumDefault, megabytes)
		for range count {
			for _, h := range all[:len(durable())] {
				p.heal(h)
			}
			p.gap(killed, false)
			p.gap(handed, true)
		}
	})
	t.Run("memory", func(t *testing.T) {
		p := admit(t, b, v1alpha2.StorageMediumMemory, 0)
		for range count {
			for _, h := range all[len(durable()):] {
				p.heal(h)
			}
		}
	})
	if t.Failed() {
		return
	}
	fmt.Printf("\n%d rounds, %d MB of data on volumes; seconds from the fault until all members are ready,"+
		" one of them new\n\n", count, megabytes)
	table("FAULT", all)
	fmt.Printf("\nthe longest time between two acknowledged writes\n\n")
	table("EVENT", []*harm{killed, handed})
}

func table(title string, rows []*harm) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, title+"\tMEDIAN\tP95\tMAX\tGOAL")
	for _, h := range rows {
		if len(h.took) == 0 {
			continue // -run left it out
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%s\n", h.name, median(h.took), percentile(h.took, 95), slices.Max(h.took), h.goal)
	}
	w.Flush()
}

// percentile is the value that so many percent of all do not exceed.
func percentile(all []float64, percent int) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)*percent+99)/100-1]
}

// patient is a cluster that is harmed again and again.
type patient struct {
	t *testing.T
	*bed.Bed
	cluster *v1alpha2.EtcdCluster
}

func admit(t *testing.T, b *bed.Bed, medium v1alpha2.StorageMedium, megabytes int) *patient {
	t.Helper()
	size := resource.NewQuantity(int64(256+8*megabytes)<<20, resource.BinarySI)
	p := &patient{t: t, Bed: b, cluster: &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace(t), Name: "bench"},
		Spec: v1alpha2.EtcdClusterSpec{
			Version: etcdVersion,
			Storage: v1alpha2.StorageSpec{Size: *size, Medium: medium, ReplacedVolumeTTLSeconds: new(int64(0))},
			MemberReplacement: v1alpha2.MemberReplacement{
				MaxPerHour: new(int32(1000)),
			},
		},
	}}
	p.must(p.Create(t.Context(), p.cluster))
	p.await("ready", p.ready)
	p.fill(megabytes)
	return p
}

// heal harms a follower and waits for its successor.
func (p *patient) heal(h *harm) {
	p.t.Helper()
	p.fill(0)
	victim := p.follower()
	began := time.Now()
	p.must(h.do(p, victim))
	p.await(h.name, func() bool { return p.gone(victim) && p.ready() })
	h.note(time.Since(began))
}

// gap harms the leader and measures how long writes wait.
func (p *patient) gap(h *harm, replaced bool) {
	p.t.Helper()
	p.await("a leader", func() bool { return p.leader() != "" })
	victim := p.leader()
	restarts := p.restarts(victim)
	w := p.write()
	p.must(h.do(p, victim))
	if replaced {
		p.await(h.name, func() bool { return p.gone(victim) })
	} else {
		p.await(h.name, func() bool { return p.restarts(victim) > restarts })
	}
	p.await(h.name, p.ready)
	p.await("writes", w.goOn(100))
	longest, err := w.stop()
	p.must(err)
	h.note(longest)
}

func (h *harm) note(d time.Duration) {
	fmt.Printf("  %-28s %6.2f s\n", h.name, d.Seconds())
	h.took = append(h.took, d.Seconds())
}

func damage(change func(volume string) error) func(*patient, string) error {
	return func(p *patient, victim string) error {
		pod := p.pod(victim)
		volume, err := p.VolumeDir(p.t.Context(), p.cluster.Namespace, "data-"+victim)
		if err != nil {
			return err
		}
		if err := bed.Signal(pod, "etcd", syscall.SIGSTOP); err != nil {
			return err
		}
		if err := change(filepath.Clean(volume)); err != nil {
			return err
		}
		return bed.Signal(pod, "etcd", syscall.SIGKILL)
	}
}

func (p *patient) deleteClaim(victim string) error {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: "data-" + victim}}
	if err := p.DeleteByHand(p.t.Context(), claim); err != nil {
		return err
	}
	return p.deletePod(victim)
}

func (p *patient) deletePod(victim string) error {
	return p.Delete(p.t.Context(), p.pod(victim), client.GracePeriodSeconds(0))
}

func (p *patient) kill(victim string) error {
	return bed.Signal(p.pod(victim), "etcd", syscall.SIGKILL)
}

func (p *patient) askForReplacement(victim string) error {
	m := &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: p.cluster.Namespace, Name: victim}}
	ask := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"bench"}}}`, v1alpha2.AnnotationReplace)
	return p.Patch(p.t.Context(), m, client.RawPatch("application/merge-patch+json", ask))
}

func (p *patient) look() *v1alpha2.EtcdCluster {
	p.t.Helper()
	p.must(p.Get(p.t.Context(), client.ObjectKeyFromObject(p.cluster), p.cluster))
	return p.cluster
}

func (p *patient) ready() bool {
	c := p.look()
	is := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady)
	return is != nil && is.Status == metav1.ConditionTrue && is.ObservedGeneration == c.Generation && c.Status.ReadyMembers == 3
}

func (p *patient) leader() string { return p.look().Status.Leader }

// follower is the newest member that does not lead.
func (p *patient) follower() string {
	p.t.Helper()
	c := p.look()
	for _, m := range slices.Backward(c.Status.Members) {
		if m.Name != c.Status.Leader {
			return m.Name
		}
	}
	p.t.Fatal("there is no follower")
	return ""
}

func (p *patient) gone(member string) bool {
	p.t.Helper()
	err := p.Get(p.t.Context(), client.ObjectKey{Namespace: p.cluster.Namespace, Name: member}, &v1alpha2.EtcdMember{})
	if !apierrors.IsNotFound(err) {
		p.must(err)
	}
	return err != nil
}

func (p *patient) pod(member string) *corev1.Pod {
	p.t.Helper()
	pod := &corev1.Pod{}
	p.must(p.Get(p.t.Context(), client.ObjectKey{Namespace: p.cluster.Namespace, Name: member}, pod))
	return pod
}

func (p *patient) restarts(member string) (n int32) {
	for _, c := range p.pod(member).Status.ContainerStatuses {
		n += c.RestartCount
	}
	return n
}

func (p *patient) await(what string, done func() bool) {
	p.t.Helper()
	const limit, every = 3 * time.Minute, 20 * time.Millisecond
	for began := time.Now(); !done(); time.Sleep(every) {
		if time.Since(began) > limit {
			p.t.Fatalf("%s: not done after %s", what, limit)
		}
	}
}

func (p *patient) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

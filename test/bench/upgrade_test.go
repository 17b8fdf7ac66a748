//go:build bench

package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

const nextVersion = "3.7.3"

// course is a change that members are restarted for, one after the other.
type course struct {
	name      string
	change    func(o *v1alpha2.EtcdCluster, round int)
	took, gap []float64 // seconds
}

func courses() []*course {
	return []*course{
		{name: "a minor up", change: func(o *v1alpha2.EtcdCluster, _ int) { o.Spec.Version = nextVersion }},
		{name: "a minor down", change: func(o *v1alpha2.EtcdCluster, _ int) { o.Spec.Version = etcdVersion }},
		{name: "another option", change: func(o *v1alpha2.EtcdCluster, round int) {
			o.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(5000 + round))}
		}},
		{name: "restart on request", change: func(o *v1alpha2.EtcdCluster, round int) {
			o.SetAnnotations(map[string]string{v1alpha2.AnnotationRestartedAt: strconv.Itoa(round)})
		}},
	}
}

// TestUpgrades measures from a change until all three members have it and are well, and the longest time without a write meanwhile. With
// BENCH_DATA_MB they hold so much data.
func TestUpgrades(t *testing.T) {
	count, megabytes := number(t, "BENCH_ROUNDS", 3), number(t, "BENCH_DATA_MB", 0)
	b, err := bed.Connect()
	if err != nil {
		t.Fatal(err)
	}
	p, all := admit(t, b, v1alpha2.StorageMediumDefault, megabytes), courses()
	for round := range count {
		for _, c := range all {
			p.take(c, round)
		}
	}
	fmt.Printf("\n%d rounds, 3 members, %d MB of data; seconds until all have what is asked for, and longest time without a write\n\n",
		count, megabytes)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHANGE\tMEDIAN\tMAX\tLONGEST GAP\tGOAL")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.2f\ta gap under 1\n", c.name, median(c.took), slices.Max(c.took), slices.Max(c.gap))
	}
	w.Flush()
}

// take makes the change, and waits until it is on record as done.
func (p *patient) take(c *course, round int) {
	p.t.Helper()
	w := p.writeAnd(p.follow)
	before := p.look().DeepCopy()
	wanted := before.DeepCopy()
	c.change(wanted, round+1)
	began := time.Now()
	p.must(p.Patch(p.t.Context(), wanted, client.MergeFrom(before)))
	p.await(c.name, func() bool { return p.ready() && p.has(wanted) })
	took := time.Since(began)
	p.await("writes", w.goOn(100))
	longest, err := w.stop()
	p.must(err)
	fmt.Printf("  %-20s %6.1f s, longest gap %.2f s\n", c.name, took.Seconds(), longest.Seconds())
	c.took, c.gap = append(c.took, took.Seconds()), append(c.gap, longest.Seconds())
}

// has says whether the operator has put on record that all members have what is wanted.
func (p *patient) has(wanted *v1alpha2.EtcdCluster) bool {
	t := p.cluster.Status.Template
	return t != nil && p.cluster.Status.UpdatedMembers == 3 && t.Version == wanted.Spec.Version &&
		t.RestartedAt == wanted.Annotations[v1alpha2.AnnotationRestartedAt] &&
		(wanted.Spec.Options == nil || t.Options != nil && *t.Options.SnapshotCount == *wanted.Spec.Options.SnapshotCount)
}

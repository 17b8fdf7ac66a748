//go:build e2e && full

package e2e

import (
	"net/url"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// TestEveryMinuteUnderLoadWithFaults: in three minutes the store is away for one run, and the Pod of another is killed. Exactly the
// expected snapshots are taken, and each of them restores.
func TestEveryMinuteUnderLoadWithFaults(t *testing.T) {
	t.Parallel()
	d := newDepot(t, automatic)
	d.awaitReady(3)
	load := d.write()
	at := d.bucket.Location("often", false)
	behind, err := url.Parse(at.S3.Endpoint)
	d.Expect(err).NotTo(gomega.HaveOccurred())
	relay := bed.NewRelay(t, behind.Host)
	at.S3.Endpoint = "http://" + relay.Address
	made := time.Now()
	d.schedule("* * * * *", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) { spec.Destination = at })
	first := made.Truncate(time.Minute).Add(time.Minute)
	name := func(n int) string {
		return "often-" + first.Add(time.Duration(n)*time.Minute).UTC().Format("20060102-150405")
	}
	ends := func(n int, phase v1alpha2.SnapshotPhase) {
		t.Helper()
		d.await(name(n)+" is "+string(phase), func() { d.Expect(namesOf(d.snapshots(phase))).To(gomega.ContainElement(name(n))) })
	}

	ends(0, v1alpha2.SnapshotComplete)
	relay.Down(true)
	d.await("the store is missed", func() {
		d.Expect(namesOf(d.snapshots(v1alpha2.SnapshotStarted))).To(gomega.ContainElement(name(1)))
		for _, o := range d.snapshots(v1alpha2.SnapshotStarted) {
			d.Expect(o.Status.LastAttemptEndedAt).NotTo(gomega.BeNil())
		}
	})
	relay.Down(false)
	ends(1, v1alpha2.SnapshotComplete)
	relay.Slow(1 << 10)
	d.await("the Pod of a snapshot runs", func() {
		var pods corev1.PodList
		d.Expect(testbed.List(d.ctx, &pods, client.InNamespace(d.namespace), client.MatchingLabels{v1alpha2.LabelSnapshot: name(2)})).To(gomega.Succeed())
		d.Expect(pods.Items).NotTo(gomega.BeEmpty())
		d.Expect(pods.Items[0].Status.Phase).To(gomega.Equal(corev1.PodRunning))
		d.Expect(testbed.Delete(d.ctx, &pods.Items[0])).To(gomega.Succeed())
	})
	relay.Slow(0)
	ends(2, v1alpha2.SnapshotComplete)
	d.changeSchedule(`{"spec":{"suspend":true}}`)
	d.await("none is under way", func() {
		d.Expect(d.snapshots("", v1alpha2.SnapshotPending, v1alpha2.SnapshotStarted)).To(gomega.BeEmpty())
	})

	all := namesOf(d.snapshots())
	for n := range all { // the waits above may have taken longer than a minute
		d.Expect(all[n]).To(gomega.Equal(name(n)))
	}
	d.Expect(len(all)).To(gomega.BeNumerically(">=", 3))
	d.Expect(namesOf(d.snapshots(v1alpha2.SnapshotComplete))).To(gomega.Equal(all))
	d.Expect(d.stored()).To(gomega.Equal(all))
	for _, one := range all {
		d.Expect(d.plugin("snapshot", "verify", one, "--wait")).To(gomega.ContainSubstring(one + " is verified"))
	}
	d.settle(load)
}

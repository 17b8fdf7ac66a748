//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// fault is something that happens to one member.
type fault struct {
	name   string
	reason string
	rare   bool // left to the full set
	harm   func(w *ward, victim string)
}

// run lets faults happen to one cluster, one after another: to a follower and to the leader in turn.
func (w *ward) run(faults []fault) {
	w.t.Helper()
	for i, f := range faults {
		if f.rare && !full {
			continue
		}
		victim := w.leader()
		if i%2 == 0 {
			victim = follower(w.cluster)
		}
		w.t.Logf("fault: %s", f.name)
		w.lose(victim, f.reason, func() { f.harm(w, victim) })
		w.verify(w.load)
	}
}

func harmVolume(change func(volume string) error) func(w *ward, victim string) {
	return func(w *ward, victim string) { w.harmVolume(victim, change) }
}

func TestMemberWhoseVolumeIsGoneIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, generous)
	w.run([]fault{
		{
			name: "claim deleted", reason: v1alpha2.FailureVolumeMissing,
			harm: func(w *ward, victim string) {
				w.withoutPod(victim, func() { w.Expect(testbed.DeleteByHand(w.ctx, w.claim(victim))).To(gomega.Succeed()) })
			},
		},
		{
			name: "claim deleted while its Pod runs", reason: v1alpha2.FailureVolumeTerminating,
			harm: func(w *ward, victim string) {
				w.Expect(testbed.DeleteByHand(w.ctx, w.claim(victim))).To(gomega.Succeed())
			},
		},
		{name: "emptied", reason: v1alpha2.FailureDataLost, harm: harmVolume(bed.Wipe)},
		{
			name: "without its log", reason: v1alpha2.FailureDataLost, rare: true,
			harm: harmVolume(func(volume string) error { return os.RemoveAll(filepath.Join(volume, "data", "member", "wal")) }),
		},
		{
			name: "PersistentVolume removed", reason: v1alpha2.FailureVolumeLost,
			harm: func(w *ward, victim string) {
				w.Expect(testbed.RemovePersistentVolume(w.ctx, w.namespace, "data-"+victim)).To(gomega.Succeed())
				w.await("the claim is Lost", func() { w.Expect(w.claim(victim).Status.Phase).To(gomega.Equal(corev1.ClaimLost)) })
				w.Expect(testbed.Delete(w.ctx, w.pod(victim), client.GracePeriodSeconds(0))).To(gomega.Succeed())
			},
		},
		{
			name: "another member's data", reason: v1alpha2.FailureForeignData, rare: true,
			harm: func(w *ward, victim string) {
				other := w.leader()
				if other == victim {
					other = follower(w.cluster)
				}
				theirs := w.volume(other)
				w.harmVolume(victim, func(volume string) error {
					shell(w.t, `rm -rf "$1"/* && cp -a "$2"/* "$1"`, volume, theirs)
					return nil
				})
			},
		},
	})
	w.settle(w.load)
}

func TestMemberWhoseFilesAreDamagedIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, generous)
	w.awaitAcks(w.load, 200) // there must be something to damage
	w.run([]fault{
		{name: "record of the log flipped", reason: v1alpha2.FailureCorruptLog, harm: harmVolume(bed.FlipLog)},
		{name: "root pages scrambled", reason: v1alpha2.FailureCorruptDatabase, harm: harmVolume(bed.ScrambleDatabase)},
		{name: "all other pages scrambled", reason: v1alpha2.FailureCorruptDatabase, rare: true, harm: harmVolume(bed.ScramblePages)},
		{
			name: "database cut short", reason: v1alpha2.FailureDataLost, rare: true,
			harm: harmVolume(func(volume string) error { return bed.TruncateDatabase(volume, 16<<10) }),
		},
	})
	w.settle(w.load)
}

const rotten = "this value is unlike any other and lies in the database once or twice"

// rot writes a value, and flips a bit of it in the database of a member once its page has come to rest: etcd would write a page that
// it still works on once more.
func (w *ward) rot(victim string) {
	w.t.Helper()
	w.put("rot", rotten)
	w.awaitAcks(w.load, 300)
	w.Expect(bed.FlipValue(w.volume(victim), []byte(rotten))).To(gomega.Succeed())
	w.awaitAcks(w.load, 50)
	w.Expect(bed.Holds(w.volume(victim), []byte(rotten))).To(gomega.BeFalse(), "the value is as it was again")
}

func (w *ward) compact() {
	w.t.Helper()
	client := w.dialAll()
	got, err := client.Get(w.soon(), "rot")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	_, err = client.Compact(w.soon(), got.Header.Revision)
	w.Expect(err).NotTo(gomega.HaveOccurred())
}

// A value that rots while the member runs is found by comparing data, at the next compaction at the latest. A write is refused
// while the alarm is raised, so the alarm must be taken back.
func TestMemberWhoseDataRotsIsReplacedAndTheAlarmDisarmed(t *testing.T) {
	t.Parallel()
	versions := []string{"3.6.16"}
	if full {
		versions = []string{"3.5.35", "3.6.16", "3.7.3"}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, 3, generous, func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version })
			victim := follower(w.cluster)
			w.lose(victim, v1alpha2.FailureDataDiverged, func() {
				w.rot(victim)
				w.compact()
			})
			w.expectNoAlarm()
			w.awaitAcks(w.load, 20)
			w.settle(w.load)
		})
	}
}

func TestMemberWhoseDataRottedWhileItWasDownIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, generous)
	victim := follower(w.cluster)
	w.put("rot", rotten)
	w.lose(victim, v1alpha2.FailureDataDiverged, func() {
		w.await("a value is in the database", func() {
			w.Expect(bed.Holds(w.volume(victim), []byte(rotten))).To(gomega.BeTrue())
		})
		w.harmVolume(victim, func(volume string) error { return bed.FlipValue(volume, []byte(rotten)) })
		w.await("it serves again", func() {
			for _, line := range w.get().Status.Members {
				w.Expect(line.Healthy).To(gomega.BeTrue())
			}
		})
		w.compact()
	})
	w.expectNoAlarm()
	w.settle(w.load)
}

func (w *ward) expectNoAlarm() {
	w.t.Helper()
	w.await("no alarm is raised", func() {
		alarms, err := w.dialAll().AlarmList(w.soon())
		w.Expect(err).NotTo(gomega.HaveOccurred())
		w.Expect(alarms.Alarms).To(gomega.BeEmpty())
	})
}

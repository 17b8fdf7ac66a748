//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// depot is a cluster with a bucket for its snapshots.
type depot struct {
	*cluster
	bucket *bed.Bucket
}

func newDepot(t *testing.T, options ...option) *depot {
	t.Helper()
	c := newCluster(t, options...)
	bucket, err := testbed.Bucket(t)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	secret, err := bucket.Secret(c.namespace)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(testbed.Create(c.ctx, secret)).To(gomega.Succeed())
	return &depot{cluster: c, bucket: bucket}
}

// schedule makes one named often, of snapshots below often/ in the bucket.
func (d *depot) schedule(when string, set func(*v1alpha2.EtcdSnapshotScheduleSpec)) {
	d.t.Helper()
	o := &v1alpha2.EtcdSnapshotSchedule{
		ObjectMeta: metav1.ObjectMeta{Namespace: d.namespace, Name: "often"},
		Spec:       v1alpha2.EtcdSnapshotScheduleSpec{Schedule: when, Destination: d.bucket.Location("often", true)},
	}
	o.Spec.ClusterRef.Name = d.name
	if set != nil {
		set(&o.Spec)
	}
	d.Expect(testbed.Create(d.ctx, o)).To(gomega.Succeed())
}

func (d *depot) often() *v1alpha2.EtcdSnapshotSchedule {
	d.t.Helper()
	o := &v1alpha2.EtcdSnapshotSchedule{}
	d.Expect(testbed.Get(d.ctx, client.ObjectKey{Namespace: d.namespace, Name: "often"}, o)).To(gomega.Succeed())
	return o
}

// snapshots are those that are there, by name, of the phases asked for, or of all.
func (d *depot) snapshots(phases ...v1alpha2.SnapshotPhase) (all []v1alpha2.EtcdSnapshot) {
	d.t.Helper()
	var list v1alpha2.EtcdSnapshotList
	d.Expect(testbed.List(d.ctx, &list, client.InNamespace(d.namespace))).To(gomega.Succeed())
	for _, o := range list.Items {
		if len(phases) == 0 || slices.Contains(phases, o.Status.Phase) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b v1alpha2.EtcdSnapshot) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// stored are the names that objects in the bucket are stored under.
func (d *depot) stored() (names []string) {
	d.t.Helper()
	keys, err := d.bucket.Keys(d.ctx)
	d.Expect(err).NotTo(gomega.HaveOccurred())
	for _, key := range keys {
		names = append(names, strings.TrimSuffix(filepath.Base(key), ".db"))
	}
	return names
}

func namesOf(snapshots []v1alpha2.EtcdSnapshot) (names []string) {
	for i := range snapshots {
		names = append(names, snapshots[i].Name)
	}
	return names
}

func (d *depot) changeSchedule(patch string) {
	d.t.Helper()
	d.Expect(testbed.Patch(d.ctx, d.often(), client.RawPatch("application/merge-patch+json", []byte(patch)))).To(gomega.Succeed())
}

func TestAScheduleTakesTriesOutAndKeepsWhatItIsAskedTo(t *testing.T) {
	t.Parallel()
	d := newDepot(t, replicas(1), memory)
	d.awaitReady(1)
	d.schedule("@every 10s", func(spec *v1alpha2.EtcdSnapshotScheduleSpec) {
		spec.Retention = &v1alpha2.SnapshotRetention{KeepLast: new(int32(2))}
		spec.Verify = &v1alpha2.SnapshotDrill{Period: metav1.Duration{Duration: time.Minute}}
		spec.DeletionPolicy = v1alpha2.SnapshotDelete
	})
	taken := map[string]bool{}
	d.await("five are taken, one is tried out, and the first ones are gone", func() {
		for _, o := range d.snapshots(v1alpha2.SnapshotComplete) {
			taken[o.Name] = true
		}
		d.Expect(len(taken)).To(gomega.BeNumerically(">=", 5))
		d.Expect(d.often().Status.LastVerifiedSnapshot).NotTo(gomega.BeEmpty())
	})
	d.changeSchedule(`{"spec":{"suspend":true}}`)
	d.await("what is stored is what is kept: the last two, and the last one that was tried out", func() {
		left, status := d.snapshots(), d.often().Status
		d.Expect(status.Active).To(gomega.BeEmpty())
		d.Expect(namesOf(left)).To(gomega.Equal(d.stored()))
		d.Expect(namesOf(left)).To(gomega.ContainElements(status.LastSuccessfulSnapshot, status.LastVerifiedSnapshot))
		d.Expect(len(left)).To(gomega.BeNumerically("<=", 3))
		d.Expect(status.ConsecutiveFailures).To(gomega.BeZero())
		for i := range left {
			d.Expect(left[i].Status.Phase).To(gomega.Equal(v1alpha2.SnapshotComplete), left[i].Name)
		}
	})
	d.Expect(testbed.Delete(d.ctx, d.often())).To(gomega.Succeed())
	d.await("the schedule is gone, and with it its snapshots and what they stored", func() {
		d.Expect(d.stored()).To(gomega.BeEmpty())
		d.Expect(d.snapshots()).To(gomega.BeEmpty())
		err := testbed.Get(d.ctx, client.ObjectKey{Namespace: d.namespace, Name: "often"}, &v1alpha2.EtcdSnapshotSchedule{})
		d.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue(), "%v", err)
	})
}

func TestPeopleTakeTryOutSaveAndDeleteSnapshots(t *testing.T) {
	t.Parallel()
	d := newDepot(t, automatic, memory)
	d.awaitReady(3)
	at := d.bucket.Location("", true).S3
	says := func(want string, args ...string) {
		t.Helper()
		d.Expect(d.plugin(args...)).To(gomega.ContainSubstring(want))
	}
	says("is complete: ", "snapshot", "create", d.name, "--name", "first", "--wait", "--compress", "--to", "s3://"+at.Bucket+"/by-hand",
		"--endpoint", at.Endpoint, "--credentials", "s3", "--ca", "s3", "--region", at.Region)
	says("second is complete: ", "snapshot", "create", d.name, "--name", "second", "--wait")
	says("s3://"+at.Bucket+"/by-hand/first.db.zst", "snapshot", "list", d.name)
	says("second is verified: ", "snapshot", "verify", "second", "--wait")
	says("COMPLETE   drill ok", "snapshot", "describe", "second")
	says("name: second", "restore", "copy", "--from", "second")

	file := filepath.Join(t.TempDir(), "saved.db")
	says("checksum verified", "snapshot", "save", d.name, file)
	saved, err := os.Stat(file)
	d.Expect(err).NotTo(gomega.HaveOccurred())
	d.Expect(saved.Size()).To(gomega.BeNumerically(">", 16<<10))

	says("What it stored stays", "snapshot", "delete", "first", "--yes")
	says("and what was stored", "snapshot", "delete", "second", "--yes", "--with-data")
	d.Expect(d.snapshots()).To(gomega.BeEmpty())
	keys, err := d.bucket.Keys(d.ctx)
	d.Expect(err).NotTo(gomega.HaveOccurred())
	d.Expect(keys).To(gomega.Equal([]string{"by-hand/first.db.zst"}))
}

//go:build e2e

package e2e

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// take asks for a snapshot.
func (c *cluster) take(name string, to v1alpha2.SnapshotLocation, set func(*v1alpha2.EtcdSnapshotSpec)) {
	c.t.Helper()
	o := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name},
		Spec:       v1alpha2.EtcdSnapshotSpec{Destination: to},
	}
	o.Spec.ClusterRef.Name = c.name
	if set != nil {
		set(&o.Spec)
	}
	c.Expect(testbed.Create(c.ctx, o)).To(gomega.Succeed())
}

func (c *cluster) snapshot(name string) *v1alpha2.EtcdSnapshot {
	c.t.Helper()
	o := &v1alpha2.EtcdSnapshot{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, o)).To(gomega.Succeed())
	return o
}

// awaitSnapshot waits until a snapshot is of a phase, and until Ready, or another condition, says so and holds a word.
func (c *cluster) awaitSnapshot(name string, phase v1alpha2.SnapshotPhase, kind, reason, word string) *v1alpha2.EtcdSnapshot {
	c.t.Helper()
	began := time.Now()
	var o *v1alpha2.EtcdSnapshot
	c.await("snapshot "+name+" is "+string(phase)+" with "+kind+" "+reason, func() {
		o = c.snapshot(name)
		is := meta.FindStatusCondition(o.Status.Conditions, kind)
		c.Expect(is).NotTo(gomega.BeNil())
		c.Expect(is.Reason + ": " + is.Message).To(gomega.And(gomega.HavePrefix(reason+": "), gomega.ContainSubstring(word)))
		c.Expect(o.Status.Phase).To(gomega.Equal(phase))
		c.Expect(o.Status.Artifact != nil).To(gomega.Equal(phase == v1alpha2.SnapshotComplete), "artifact")
	})
	c.t.Logf("snapshot %s: %s %s after %.1f s", name, kind, reason, time.Since(began).Seconds())
	return o
}

func (c *cluster) awaitComplete(name string) *v1alpha2.EtcdSnapshot {
	c.t.Helper()
	return c.awaitSnapshot(name, v1alpha2.SnapshotComplete, v1alpha2.ConditionReady, "Complete", "stored and read back")
}

// tryOut asks for a drill, and expects what it comes to.
func (c *cluster) tryOut(name, reason string) {
	c.t.Helper()
	_, err := testbed.Kubectl(c.t, "annotate", "etcdsnapshot/"+name, "--namespace="+c.namespace, "--overwrite",
		v1alpha2.AnnotationVerify+"="+strconv.FormatInt(time.Now().UnixNano(), 10))
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.awaitSnapshot(name, v1alpha2.SnapshotComplete, v1alpha2.ConditionVerified, reason, "")
}

// discard deletes an EtcdSnapshot, and waits until it is gone.
func (c *cluster) discard(name string) {
	c.t.Helper()
	o := c.snapshot(name)
	c.Expect(testbed.Delete(c.ctx, o)).To(gomega.Succeed())
	c.await("snapshot "+name+" is gone", func() {
		err := testbed.Get(c.ctx, client.ObjectKeyFromObject(o), o)
		c.Expect(apierrors.IsNotFound(err)).To(gomega.BeTrue(), "%v %+v", err, o.Status.Conditions)
	})
}

func deleteStored(s *v1alpha2.EtcdSnapshotSpec) { s.DeletionPolicy = v1alpha2.SnapshotDelete }
func packed(s *v1alpha2.EtcdSnapshotSpec)       { s.Compression = v1alpha2.CompressionZstd }

// populate writes keys and deletes one. It gives the revision.
func (c *cluster) populate(who account) (revision int64) {
	c.t.Helper()
	c.Expect(c.as(who, func(ctx context.Context, etcd *clientv3.Client) error {
		for n := range 20 {
			if _, err := etcd.Put(ctx, "key-"+strconv.Itoa(n), "x"); err != nil {
				return err
			}
		}
		gone, err := etcd.Delete(ctx, "key-0")
		if err == nil {
			revision = gone.Header.Revision
		}
		return err
	})).To(gomega.Succeed())
	return revision
}

// mustBeOf holds what is recorded of a snapshot to the cluster.
func (c *cluster) mustBeOf(s *v1alpha2.EtcdSnapshot, revision int64) {
	c.t.Helper()
	a, now := s.Status.Artifact, c.get()
	c.Expect(a.Revision).To(gomega.BeNumerically(">=", revision))
	c.Expect(*a.TotalKeys).To(gomega.BeNumerically(">=", 19))
	c.Expect(a.HashKV).NotTo(gomega.BeEmpty())
	c.Expect(a.ClusterID).To(gomega.Equal(now.Status.ClusterID))
	c.Expect(a.EtcdVersion).To(gomega.Equal(now.Spec.Version))
	c.Expect(c.memberNames()).To(gomega.ContainElement(a.Member))
	c.await("the cluster tells of its last snapshot", func() {
		last := c.get().Status.LastSnapshot
		c.Expect(last).NotTo(gomega.BeNil())
		c.Expect(last.Name).To(gomega.Equal(s.Name))
	})
}

// TestASecuredClusterIsSavedToS3OnceTheStoreLetsItIn, with certificates on both ways, users and compression.
func TestASecuredClusterIsSavedToS3OnceTheStoreLetsItIn(t *testing.T) {
	t.Parallel()
	c := newClusterWithAuth(t, automatic, authenticated, memory)
	store := c.bucket()
	c.take("now", store.Location("db", true), func(s *v1alpha2.EtcdSnapshotSpec) { packed(s); deleteStored(s) })
	c.awaitReady(3)
	revision := c.populate(account{"root", "root-first"})
	c.awaitSnapshot("now", v1alpha2.SnapshotPending, v1alpha2.ConditionReady, v1alpha2.ReasonSecretMissing, "Secret s3")
	c.entrust(store, func(s *corev1.Secret) { s.Data["AWS_SECRET_ACCESS_KEY"] = []byte("it is not this one") })
	c.awaitSnapshot("now", v1alpha2.SnapshotStarted, v1alpha2.ConditionReady, "StoreAccessDenied", "try 1 failed")
	c.entrust(store, nil)
	saved := c.awaitComplete("now")
	c.mustBeOf(saved, revision)
	keys, err := store.Keys(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(keys).To(gomega.Equal([]string{"db/now.db.zst"}))
	c.Expect(saved.Status.Artifact.StoredBytes).To(gomega.BeNumerically("<", saved.Status.Artifact.SizeBytes))
	c.tryOut("now", "Verified")

	c.discard("now")
	keys, err = store.Keys(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(keys).To(gomega.BeEmpty())
	c.mustHide("root-first", "app-first")
}

// TestAPlainClusterIsSavedToAVolume, and what is stored there is damaged, and deleted.
func TestAPlainClusterIsSavedToAVolume(t *testing.T) {
	t.Parallel()
	c := newCluster(t, replicas(1), memory, version("3.7.3"))
	c.awaitReady(1)
	revision := c.populate(nobody)
	c.disk()
	onto := v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "disk", SubPath: "a/b"}}
	c.take("kept", onto, nil)
	c.Expect(c.awaitComplete("kept").Status.Artifact.Revision).To(gomega.BeNumerically(">=", revision))
	c.take("now", onto, deleteStored)
	c.mustBeOf(c.awaitComplete("now"), revision)
	c.tryOut("now", "Verified")

	dir, err := testbed.VolumeDir(c.ctx, c.namespace, "disk")
	c.Expect(err).NotTo(gomega.HaveOccurred())
	stored := filepath.Join(dir, "a/b/now.db")
	flip(c, stored)
	c.tryOut("now", "SnapshotDamaged")
	c.discard("now")
	c.discard("kept")
	c.Expect(stored).NotTo(gomega.BeAnExistingFile())
	c.Expect(filepath.Join(dir, "a/b/kept.db")).To(gomega.BeARegularFile())
}

// disk claims a volume named so.
func (c *cluster) disk() {
	c.t.Helper()
	c.Expect(testbed.Create(c.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "disk"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("64Mi")}},
		},
	})).To(gomega.Succeed())
}

// flip changes a bit of a file.
func flip(c *cluster, path string) {
	c.t.Helper()
	data, err := os.ReadFile(path)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	data[len(data)/2] ^= 1
	c.Expect(os.WriteFile(path, data, 0o644)).To(gomega.Succeed())
}

// TestASnapshotOutlastsAStoreThatIsDownAndLeavesAloneWhatIsNotItsOwn: the Service that it knows the store by has nobody behind it at first.
func TestASnapshotOutlastsAStoreThatIsDownAndLeavesAloneWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, replicas(1), memory)
	c.awaitReady(1)
	store := c.bucket()
	c.entrust(store, nil)
	theirs := []byte("somebody else's")
	c.Expect(store.Put(c.ctx, "foreign.db", theirs)).To(gomega.Succeed())
	c.take("foreign", store.Location("", false), deleteStored)
	open := c.detour(store.Location("", false).S3)
	through := store.Location("", false)
	through.S3.Endpoint = "http://store." + c.namespace + ".svc:9000"
	c.take("now", through, nil)
	c.awaitSnapshot("now", v1alpha2.SnapshotStarted, v1alpha2.ConditionReady, "StoreUnreachable", "try 1 failed")
	open()
	c.Expect(c.awaitComplete("now").Status.Attempts).To(gomega.BeNumerically(">", 1))

	c.awaitSnapshot("foreign", v1alpha2.SnapshotFailed, v1alpha2.ConditionReady, "ForeignObject", "foreign.db")
	c.discard("foreign")
	keys, err := store.Keys(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(keys).To(gomega.Equal([]string{"foreign.db", "now.db"}))
	left, err := store.Get(c.ctx, "foreign.db")
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(left).To(gomega.Equal(theirs))
}

// detour makes a Service named store for an S3 server. Nobody is behind it before open is called.
func (c *cluster) detour(to *v1alpha2.S3Location) (open func()) {
	c.t.Helper()
	c.Expect(testbed.Create(c.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "store"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "s3", Port: 9000}}},
	})).To(gomega.Succeed())
	at, err := url.Parse(to.Endpoint)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	port, err := strconv.ParseInt(at.Port(), 10, 32)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return func() {
		c.t.Helper()
		c.Expect(testbed.Create(c.ctx, &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: c.namespace, Name: "store", Labels: map[string]string{discoveryv1.LabelServiceName: "store"},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{at.Hostname()}}},
			Ports:       []discoveryv1.EndpointPort{{Name: new("s3"), Port: new(int32(port))}},
		})).To(gomega.Succeed())
	}
}

//go:build e2e

package e2e

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// from lets a cluster start from a snapshot.
func from(source v1alpha2.SnapshotLocation) option {
	return func(o *v1alpha2.EtcdCluster) {
		o.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{Source: &source}}
	}
}

func version(v string) option { return func(o *v1alpha2.EtcdCluster) { o.Spec.Version = v } }

// past is what a cluster held when its snapshot was taken.
type past struct {
	snapshot []byte
	revision int64
	lease    clientv3.LeaseID
	who      account // may do everything
	users    []string
}

// live fills a cluster, takes its snapshot, and goes on: what is written afterwards is not in it.
func (c *cluster) livePast(who account) *past {
	c.t.Helper()
	p := &past{who: who}
	c.Expect(c.as(who, func(ctx context.Context, etcd *clientv3.Client) error {
		lease, err := etcd.Grant(ctx, 3600)
		if err != nil {
			return err
		}
		p.lease = lease.ID
		for _, put := range []struct {
			key, value string
			options    []clientv3.OpOption
		}{{"a", "1", nil}, {"b", "1", nil}, {"a", "2", nil}, {"leased", "x", []clientv3.OpOption{clientv3.WithLease(lease.ID)}}} {
			if _, err := etcd.Put(ctx, put.key, put.value, put.options...); err != nil {
				return err
			}
		}
		if _, err = etcd.Delete(ctx, "b"); err != nil {
			return err
		}
		if users, err := etcd.UserList(ctx); err == nil {
			p.users = users.Users
		}
		stream, err := etcd.Snapshot(c.ctx) // a large one takes longer than everything else
		if err != nil {
			return err
		}
		defer stream.Close()
		if p.snapshot, err = io.ReadAll(stream); err != nil {
			return err
		}
		after, err := etcd.Put(ctx, "late", "x")
		if err == nil {
			p.revision = after.Header.Revision
		}
		return err
	})).To(gomega.Succeed())
	return p
}

// mustHold: all that the snapshot held is there, and nothing else, and nobody who watched before is left without a word.
func (c *cluster) mustHold(p *past) {
	c.t.Helper()
	c.Expect(c.as(p.who, func(ctx context.Context, etcd *clientv3.Client) error {
		all, err := etcd.Get(ctx, "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			return err
		}
		var keys []string
		for _, kv := range all.Kvs {
			keys = append(keys, string(kv.Key))
		}
		c.Expect(keys).To(gomega.Equal([]string{"a", "leased"}))
		c.Expect(all.Header.Revision).To(gomega.BeNumerically(">", p.revision+900_000_000))
		a, err := etcd.Get(ctx, "a")
		if err != nil {
			return err
		}
		c.Expect(string(a.Kvs[0].Value)).To(gomega.Equal("2"))
		lease, err := etcd.TimeToLive(ctx, p.lease, clientv3.WithAttachedKeys())
		if err != nil {
			return err
		}
		c.Expect(lease.TTL).To(gomega.BeNumerically(">", 0))
		c.Expect(lease.Keys).To(gomega.Equal([][]byte{[]byte("leased")}))
		if users, err := etcd.UserList(ctx); err == nil {
			c.Expect(users.Users).To(gomega.Equal(p.users))
		}
		c.await("a watcher from before the restore hears of it", func() { // a token may be younger than what a member knows
			watched := <-etcd.Watch(ctx, "a", clientv3.WithRev(p.revision+1))
			c.Expect(watched.Err()).To(gomega.MatchError(rpctypes.ErrCompacted))
		})
		return nil
	})).To(gomega.Succeed())
}

// nobody needs no name.
var nobody = account{}

// again deletes the cluster and creates it anew under its name, without waiting for what is left: restore drivers do that.
func (c *cluster) again(options ...option) {
	c.t.Helper()
	o := c.get()
	c.Expect(testbed.Delete(c.ctx, o)).To(gomega.Succeed())
	c.await("the EtcdCluster is gone", func() {
		err := testbed.Get(c.ctx, client.ObjectKeyFromObject(o), &v1alpha2.EtcdCluster{})
		c.Expect(client.IgnoreNotFound(err)).NotTo(gomega.HaveOccurred())
		c.Expect(err).To(gomega.HaveOccurred())
	})
	c.create(options...)
}

func (c *cluster) bucket() *bed.Bucket {
	c.t.Helper()
	b, err := testbed.Bucket(c.t)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return b
}

// entrust puts the credentials of the store into the namespace, as people do.
func (c *cluster) entrust(b *bed.Bucket, change func(*corev1.Secret)) {
	c.t.Helper()
	s, err := b.Secret(c.namespace)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	if change != nil {
		change(s)
	}
	if err := testbed.Update(c.ctx, s); err != nil {
		c.Expect(testbed.Create(c.ctx, s)).To(gomega.Succeed())
	}
}

// shelf is a volume for snapshots, and the folder behind it.
func (c *cluster) shelf() (claim, dir string) {
	c.t.Helper()
	class, err := testbed.SharedVolumes(c.t, 1)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	o := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "backups"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: &class,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	c.Expect(testbed.Create(c.ctx, o)).To(gomega.Succeed())
	return o.Name, testbed.SharedDir(class, 0)
}

// lay puts a file onto a shelf.
func (c *cluster) lay(dir, file string, data []byte) {
	c.t.Helper()
	path := filepath.Join(dir, file)
	c.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(gomega.Succeed())
	c.Expect(os.WriteFile(path, data, 0o644)).To(gomega.Succeed())
}

// awaitWord waits until Ready is False for a reason, and its message holds a word.
func (c *cluster) awaitWord(reason, word string) {
	c.t.Helper()
	began := time.Now()
	c.await(reason+" is told", func() {
		c.Expect(condition(c.get(), v1alpha2.ConditionReady)).To(gomega.And(gomega.HavePrefix("False "+reason), gomega.ContainSubstring(word)))
	})
	c.t.Logf("%s after %.1f s: %s", reason, time.Since(began).Seconds(), condition(c.get(), v1alpha2.ConditionReady))
}

// TestAClusterIsCreatedAgainUnderItsNameFromASnapshot: with encryption, users and three members, from S3, as restore drivers do.
func TestAClusterIsCreatedAgainUnderItsNameFromASnapshot(t *testing.T) {
	t.Parallel()
	c := newClusterWithAuth(t, byPassword, authenticated, replicas(1))
	c.awaitReady(1)
	root := account{"root", "root-first"}
	p := c.livePast(root)
	before := c.get()

	store := c.bucket()
	c.entrust(store, nil)
	c.Expect(store.Put(c.ctx, "db/now.db", p.snapshot)).To(gomega.Succeed())
	c.again(byPassword, authenticated, replicas(3), from(store.Location("db/now.db", true)))
	now := c.awaitReady(3)
	c.Expect(now.Status.ClusterID).NotTo(gomega.Equal(before.Status.ClusterID))
	c.mustHold(p)
	c.Expect(c.as(account{"app", "app-first"}, put("/app/a"))).To(gomega.Succeed())
	c.Expect(c.as(nobody, put("a"))).To(gomega.MatchError(rpctypes.ErrUserEmpty))
	c.mustFetchOnce()
}

// mustFetchOnce: only the first Pod of the first member has had anything to do with the snapshot.
func (c *cluster) mustFetchOnce() {
	c.t.Helper()
	for _, m := range c.members() {
		c.Expect(m.Spec.Restore != nil).To(gomega.Equal(m.Spec.Bootstrap), m.Name)
	}
	first := slices.IndexFunc(c.members(), func(m v1alpha2.EtcdMember) bool { return m.Spec.Bootstrap })
	name := c.members()[first].Name
	if c.get().Spec.Storage.Medium == v1alpha2.StorageMediumMemory {
		return
	}
	c.deletePod(name, true)
	for _, init := range c.pod(name).Spec.InitContainers {
		c.Expect(init.Name).To(gomega.Equal("install-launcher"), "init containers of the next Pod")
	}
	c.awaitReady(int32(len(c.members())))
}

// TestARestoreSaysWhatIsWrongAndGoesOnWhenThatIsPutRight, and touches nothing before.
func TestARestoreSaysWhatIsWrongAndGoesOnWhenThatIsPutRight(t *testing.T) {
	t.Parallel()
	old := newCluster(t, replicas(1))
	old.awaitReady(1)
	p := old.livePast(nobody)

	store := old.bucket()
	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: old.namespace, name: "new"}
	c.create(replicas(1), memory, from(store.Location("db/now.db", false)))
	c.watchInvariants()
	c.awaitWord(v1alpha2.FailureRestore, "Secret s3")
	c.entrust(store, func(s *corev1.Secret) { s.Data["AWS_SECRET_ACCESS_KEY"] = []byte("it is not this one") })
	c.awaitWord(v1alpha2.FailureRestore, "StoreAccessDenied")
	c.entrust(store, nil)
	c.awaitWord(v1alpha2.FailureRestore, "SnapshotMissing")

	flipped := slices.Clone(p.snapshot)
	flipped[len(flipped)/2] ^= 1
	c.Expect(store.Put(c.ctx, "db/now.db", flipped)).To(gomega.Succeed())
	c.hurry(store)
	c.awaitWord(v1alpha2.FailureRestore, "SnapshotDamaged")
	c.deletePod(c.memberNames()[0], true)

	c.Expect(store.Put(c.ctx, "db/now.db", p.snapshot)).To(gomega.Succeed())
	c.hurry(store)
	c.awaitReady(1)
	c.mustHold(p)
}

// hurry lets a fetch be tried at once: the kubelet waits a little longer each time.
func (c *cluster) hurry(b *bed.Bucket) {
	c.t.Helper()
	c.entrust(b, func(s *corev1.Secret) { s.Annotations = map[string]string{"hurry": time.Now().String()} })
}

// TestASnapshotOfANewerMinorIsRefused, from a volume.
func TestASnapshotOfANewerMinorIsRefused(t *testing.T) {
	t.Parallel()
	old := newCluster(t, replicas(1), version("3.7.3"))
	old.awaitReady(1)
	p := old.livePast(nobody)
	claim, dir := old.shelf()
	old.lay(dir, "db/now.db", p.snapshot)
	source := v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: claim, SubPath: "db/now.db"}}

	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: old.namespace, name: "new"}
	c.create(replicas(1), from(source))
	c.awaitWord(v1alpha2.FailureSnapshotTooNew, "spec.version")
	c.Expect(condition(c.get(), v1alpha2.ConditionStalled)).To(gomega.HavePrefix("True"))

	c.again(replicas(1), version("3.7.3"), from(source))
	c.awaitReady(1)
	c.mustHold(p)
	c.await("nobody holds the volume of the snapshot any more", func() {
		for _, v := range c.pod(c.memberNames()[0]).Spec.Volumes {
			c.Expect(v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim).To(gomega.BeTrue())
		}
	})
	c.awaitReady(1)
	c.mustHold(p)
}

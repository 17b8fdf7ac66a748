//go:build e2e && full

package e2e

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// restoration is a way to come back.
type restoration struct {
	from, to        string // minors of etcd
	store, security string
	members         int32
	memory, packed  bool
}

func (r restoration) String() string {
	return fmt.Sprintf("%s as %s from %s, %s, %d members, memory %t, packed %t", r.from, r.to, r.store, r.security, r.members, r.memory,
		r.packed)
}

// restorations hold each pair of properties.
func restorations() (all []restoration) {
	stores, securities := []string{"S3", "S3 over TLS", "a claim", "an EtcdSnapshot"}, []string{"plain", "mutual", "passwords"}
	for i, v := range [][2]string{
		{"3.5.35", "3.5.35"}, {"3.6.16", "3.6.16"}, {"3.7.3", "3.7.3"}, {"3.5.35", "3.6.16"}, {"3.6.16", "3.7.3"}, {"3.5.35", "3.7.3"},
	} {
		for j, store := range stores {
			members := []int32{1, 3}[(i+j)%2]
			all = append(all, restoration{v[0], v[1], store, securities[(i+j)%3], members, (i/2+j)%2 == 1, (i/3+j/2)%2 == 1})
		}
	}
	return all
}

func TestEveryWayToComeBackFromASnapshot(t *testing.T) {
	for _, r := range restorations() {
		t.Run(r.String(), func(t *testing.T) {
			t.Parallel()
			r.live(t)
		})
	}
}

func (r restoration) live(t *testing.T) {
	options := map[string][]option{
		"plain": nil, "mutual": {automatic}, "passwords": {byPassword, authenticated},
	}[r.security]
	who := nobody
	if r.security == "passwords" {
		who = account{"root", "root-first"}
	}
	old := newClusterWithAuth(t, append(options, version(r.from), replicas(1))...)
	old.awaitReady(1)
	p := old.livePast(who)

	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: old.namespace, name: "new"}
	options = append(options, version(r.to), replicas(r.members), r.stored(old, p))
	if r.memory {
		options = append(options, memory)
	}
	c.create(options...)
	c.watchInvariants()
	c.awaitReady(r.members)
	c.mustHold(p)
	c.mustFetchOnce()
	c.mustHold(p)
}

// stored puts the snapshot where the new cluster is to find it.
func (r restoration) stored(old *cluster, p *past) option {
	key, data := "db/now.db", p.snapshot
	if r.packed && r.store != "an EtcdSnapshot" {
		pack, err := zstd.NewWriter(nil)
		old.Expect(err).NotTo(gomega.HaveOccurred())
		key, data = "db/now.db.zst", pack.EncodeAll(p.snapshot, nil)
	}
	switch r.store {
	case "a claim":
		claim, dir := old.shelf()
		old.lay(dir, key, data)
		return from(v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: claim, SubPath: key}})
	case "an EtcdSnapshot":
		return r.saved(old, p)
	}
	store := old.bucket()
	old.entrust(store, nil)
	old.Expect(store.Put(old.ctx, key, data)).To(gomega.Succeed())
	return from(store.Location(key, r.store == "S3 over TLS"))
}

// saved lets the operator take the snapshot that the new cluster names, while the new cluster waits for it.
func (r restoration) saved(old *cluster, p *past) option {
	store := old.bucket()
	old.entrust(store, nil)
	old.Expect(old.as(p.who, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Delete(ctx, "late")
		return err
	})).To(gomega.Succeed())
	s := &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: old.namespace, Name: "now"},
		Spec: v1alpha2.EtcdSnapshotSpec{
			ClusterRef: corev1.LocalObjectReference{Name: old.name}, Destination: store.Location("db", false),
		},
	}
	if r.packed {
		s.Spec.Compression = v1alpha2.CompressionZstd
	}
	old.Expect(testbed.Create(old.ctx, s)).To(gomega.Succeed())
	return named(s.Name)
}

func named(snapshot string) option {
	return func(o *v1alpha2.EtcdCluster) {
		o.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{SnapshotRef: &corev1.LocalObjectReference{Name: snapshot}}}
	}
}

// TestARestoreThatIsCutOffIsDoneAgain kills the launcher while etcdutl works, and then deletes its Pod while the next one does.
func TestARestoreThatIsCutOffIsDoneAgain(t *testing.T) {
	t.Parallel()
	old := newCluster(t, replicas(1))
	old.awaitReady(1)
	old.swell(100)
	p := old.livePast(nobody)
	t.Logf("the snapshot has %d MiB", len(p.snapshot)>>20)
	claim, dir := old.shelf()
	old.lay(dir, "now.db", p.snapshot)

	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: old.namespace, name: "new"}
	c.create(replicas(1), from(v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: claim, SubPath: "now.db"}}))
	c.watchInvariants()
	c.catch("etcdutl")
	c.Expect(bed.Signal(c.pod(c.memberNames()[0]), "etcd-launcher", syscall.SIGKILL)).To(gomega.Succeed())
	c.catch("etcdutl")
	c.deletePod(c.memberNames()[0], true)
	c.awaitReady(1)
	c.mustHold(p)
	c.mustFetchOnce()
	c.mustHold(p)
}

// catch waits until a program runs in the first member's Pod.
func (c *cluster) catch(program string) {
	c.t.Helper()
	c.Eventually(func() bool {
		var members v1alpha2.EtcdMemberList
		if testbed.List(c.ctx, &members, c.ours()...) != nil || len(members.Items) == 0 {
			return false
		}
		pod := &corev1.Pod{}
		if testbed.Get(c.ctx, client.ObjectKeyFromObject(&members.Items[0]), pod) != nil {
			return false
		}
		pids, err := bed.Processes(pod, program)
		return err == nil && len(pids) > 0
	}).WithTimeout(patience).WithPolling(5*time.Millisecond).Should(gomega.BeTrue(), program+" runs")
}

// TestAClusterWaitsForTheSnapshotThatItNames, and says what it waits for; one that has failed is said, too.
func TestAClusterWaitsForTheSnapshotThatItNames(t *testing.T) {
	t.Parallel()
	old := newCluster(t, replicas(1))
	old.awaitReady(1)
	p := old.livePast(nobody)
	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: old.namespace, name: "new"}
	c.create(replicas(1), named("now"))
	c.awaitWord(v1alpha2.ReasonRestoring, "waiting for EtcdSnapshot now")
	c.Expect(c.members()).To(gomega.BeEmpty())
	var services corev1.ServiceList
	c.Expect(testbed.List(c.ctx, &services, c.ours()...)).To(gomega.Succeed())
	c.Expect(services.Items).To(gomega.BeEmpty())
	restoration{store: "an EtcdSnapshot"}.stored(old, p)
	c.awaitReady(1)
	c.mustHold(p)
	restore := c.members()[0].Spec.Restore
	c.Expect(restore.Snapshot).To(gomega.Equal("now"))
	c.Expect(strings.HasPrefix(restore.Artifact.Checksum, "sha256:")).To(gomega.BeTrue())
}

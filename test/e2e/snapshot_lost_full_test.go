//go:build e2e && full

package e2e

import (
	"context"
	"crypto/rand"
	"net/url"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clientv3 "go.etcd.io/etcd/client/v3"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// relayed is a bucket that is reached through a relay, which can be slow.
func (c *cluster) relayed() (*bed.Bucket, *bed.Relay, v1alpha2.SnapshotLocation) {
	c.t.Helper()
	store := c.bucket()
	c.entrust(store, nil)
	at := store.Location("db", false)
	behind, err := url.Parse(at.S3.Endpoint)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	relay := bed.NewRelay(c.t, behind.Host)
	at.S3.Endpoint = "http://" + relay.Address
	return store, relay, at
}

// agent waits until a Pod works on a snapshot, and for no other task.
func (c *cluster) agent(snapshot, task string) *corev1.Pod {
	c.t.Helper()
	pod := &corev1.Pod{}
	c.await("an agent runs to "+task, func() {
		var pods corev1.PodList
		c.Expect(testbed.List(c.ctx, &pods, client.InNamespace(c.namespace), client.MatchingLabels{
			v1alpha2.LabelSnapshot: snapshot, v1alpha2.LabelSnapshotTask: task,
		})).To(gomega.Succeed())
		running := 0
		for i := range pods.Items {
			if pods.Items[i].Status.Phase == corev1.PodRunning && pods.Items[i].DeletionTimestamp == nil {
				running++
				pod = &pods.Items[i]
			}
		}
		c.Expect(running).To(gomega.Equal(1))
	})
	return pod
}

// closeNodes lets nothing new onto nodes, until the test ends at the latest.
func closeNodes(t *testing.T, nodes ...string) (open func()) {
	t.Helper()
	for _, node := range nodes {
		if _, err := testbed.Kubectl(t, "cordon", node); err != nil {
			t.Fatal(err)
		}
	}
	open = func() {
		for _, node := range nodes {
			if _, err := testbed.Kubectl(t, "uncordon", node); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(open)
	return open
}

// Not parallel: it takes a node from everybody. The agent streams on that node, and the member that it streams from is on another one.
func TestASnapshotGoesOnElsewhereWhenTheNodeOfItsAgentIsLost(t *testing.T) {
	open := closeNodes(t, "node3")
	c := newCluster(t, replicas(1))
	c.awaitReady(1)
	c.swell(24)
	open()
	store, relay, at := c.relayed()
	relay.Slow(256 << 10)
	open = closeNodes(t, "node1", "node2")
	c.take("now", at, nil)
	agent := c.agent("now", "save")
	c.Expect(agent.Spec.NodeName).To(gomega.Equal("node3"))
	c.await("a part is on its way", func() {
		at := c.snapshot("now").Status.Progress
		c.Expect(at).NotTo(gomega.BeNil())
		c.Expect(at.Bytes).To(gomega.BeNumerically(">", 6<<20))
	})
	open()
	restore := killNode(t, "node3")
	relay.Slow(0)

	said := ""
	c.await("another try has stored it", func() {
		o := c.snapshot("now")
		if ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha2.ConditionReady); ready != nil && ready.Message != said {
			said = ready.Message
			t.Logf("%s: %s", ready.Reason, said)
		}
		keys, err := store.Keys(c.ctx)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		if len(keys) == 0 && o.Status.Phase == v1alpha2.SnapshotComplete {
			t.Fatal("it is complete, and nothing is stored")
		}
		c.Expect(o.Status.Phase).To(gomega.Equal(v1alpha2.SnapshotComplete))
		c.Expect(keys).To(gomega.Equal([]string{"db/now.db"}))
	})
	c.Expect(c.snapshot("now").Status.Attempts).To(gomega.BeNumerically(">", 1))
	c.tryOut("now", "Verified")
	restore()
	c.Expect(store.Unfinished(c.ctx)).To(gomega.BeEmpty())
}

// TestADrillWhoseAgentIsKilledIsTriedAgain: once its process gets no time for a last word, once its Pod is deleted.
func TestADrillWhoseAgentIsKilledIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, replicas(1), memory)
	c.awaitReady(1)
	c.populate(nobody)
	store, relay, at := c.relayed()
	c.take("now", at, nil)
	c.awaitComplete("now")
	for _, way := range []struct {
		name string
		end  func(context.Context, *corev1.Pod) error
	}{
		{"its process is killed", func(_ context.Context, p *corev1.Pod) error { return bed.Signal(p, "etcd-operator", syscall.SIGKILL) }},
		{"its Pod is deleted", func(ctx context.Context, p *corev1.Pod) error {
			return testbed.Delete(ctx, p, client.GracePeriodSeconds(0))
		}},
	} {
		relay.Hold(true)
		request := strconv.FormatInt(time.Now().UnixNano(), 10)
		_, err := testbed.Kubectl(t, "annotate", "etcdsnapshot/now", "--namespace="+c.namespace, "--overwrite",
			v1alpha2.AnnotationVerify+"="+request)
		c.Expect(err).NotTo(gomega.HaveOccurred())
		first := c.agent("now", "drill")
		c.Expect(way.end(c.ctx, first)).To(gomega.Succeed(), way.name)
		relay.Hold(false)
		c.await("another agent tries it out after "+way.name, func() {
			o := c.snapshot("now")
			verified := meta.FindStatusCondition(o.Status.Conditions, v1alpha2.ConditionVerified)
			c.Expect(verified).NotTo(gomega.BeNil())
			t.Logf("%s: %s", verified.Reason, verified.Message)
			c.Expect(o.Status.Phase).To(gomega.Equal(v1alpha2.SnapshotComplete))
			c.Expect(o.Status.Verification.Request).To(gomega.Equal(request))
			c.Expect(verified.Reason).To(gomega.Equal("Verified"))
		})
		c.await("nothing of it is left but the log of the last one", func() {
			var jobs batchv1.JobList
			c.Expect(testbed.List(c.ctx, &jobs, client.InNamespace(c.namespace), client.MatchingLabels{
				v1alpha2.LabelSnapshotTask: "drill",
			})).To(gomega.Succeed())
			c.Expect(jobs.Items).To(gomega.HaveLen(1))
			c.Expect(jobs.Items[0].Status.Succeeded).To(gomega.Equal(int32(1)))
		})
	}
	keys, err := store.Keys(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(keys).To(gomega.Equal([]string{"db/now.db"}))
}

// swell writes so many MiB that no compression makes smaller.
func (c *cluster) swell(megabytes int) {
	c.t.Helper()
	noise := make([]byte, 1<<20)
	_, _ = rand.Read(noise)
	c.Expect(c.as(nobody, func(ctx context.Context, etcd *clientv3.Client) error {
		for range megabytes { // versions of one key
			if _, err := etcd.Put(ctx, "a", string(noise)); err != nil {
				return err
			}
		}
		return nil
	})).To(gomega.Succeed())
}

//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// patience is how long anything may take that is expected to take seconds; a loaded machine with two cores is slow.
const patience = 3 * time.Minute

// cluster is an EtcdCluster under test. Within await its expectations are those of the wait: what does not hold yet is tried again.
type cluster struct {
	gomega.Gomega
	t         *testing.T
	ctx       context.Context
	namespace string
	name      string
	secured   bool // clients speak TLS
}

type option func(*v1alpha2.EtcdCluster)

func replicas(n int32) option { return func(c *v1alpha2.EtcdCluster) { c.Spec.Replicas = &n } }

// memory has room for etcd's log, which it lays out in files of 64 MB, the next one in advance.
func memory(c *v1alpha2.EtcdCluster) {
	c.Spec.Storage = v1alpha2.StorageSpec{Medium: v1alpha2.StorageMediumMemory, Size: resource.MustParse("512Mi")}
}

// newCluster creates a cluster of three small members in a namespace of its own, and watches its invariants until the test ends.
func newCluster(t *testing.T, options ...option) *cluster {
	t.Helper()
	return newClusterIn(t, testbed.Namespace(t), "main", options...)
}

func newClusterIn(t *testing.T, namespace, name string, options ...option) *cluster {
	t.Helper()
	c := &cluster{Gomega: gomega.NewWithT(t), t: t, ctx: t.Context(), namespace: namespace, name: name}
	c.create(options...)
	c.watchInvariants()
	return c
}

func (c *cluster) create(options ...option) {
	c.t.Helper()
	o := &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: c.name},
		Spec: v1alpha2.EtcdClusterSpec{
			Version: etcdVersion,
			Storage: v1alpha2.StorageSpec{Size: resource.MustParse("64Mi")},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
			}},
		},
	}
	for _, set := range options {
		set(o)
	}
	c.secured = o.Spec.TLS != nil && o.Spec.TLS.Client != nil
	c.Expect(testbed.Create(c.ctx, o)).To(gomega.Succeed())
}

func (c *cluster) get() *v1alpha2.EtcdCluster {
	c.t.Helper()
	o := &v1alpha2.EtcdCluster{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: c.name}, o)).To(gomega.Succeed())
	return o
}

func (c *cluster) ours() []client.ListOption {
	return []client.ListOption{client.InNamespace(c.namespace), client.MatchingLabels{v1alpha2.LabelCluster: c.name}}
}

// runningMembers select the Pods of members: what is tried out before a rollout runs in a Pod of the cluster too, and is none.
func (c *cluster) runningMembers() []client.ListOption {
	return append(c.ours(), client.MatchingLabels{v1alpha2.LabelCluster: c.name, "app.kubernetes.io/component": "member"})
}

// members are the EtcdMembers, the oldest first.
func (c *cluster) members() []v1alpha2.EtcdMember {
	c.t.Helper()
	var list v1alpha2.EtcdMemberList
	c.Expect(testbed.List(c.ctx, &list, c.ours()...)).To(gomega.Succeed())
	slices.SortFunc(list.Items, func(a, b v1alpha2.EtcdMember) int { return cmp.Compare(ordinal(&a), ordinal(&b)) })
	return list.Items
}

func ordinal(o client.Object) int {
	n, _ := strconv.Atoi(o.GetLabels()[v1alpha2.LabelOrdinal])
	return n
}

func (c *cluster) member(name string) *v1alpha2.EtcdMember {
	c.t.Helper()
	m := &v1alpha2.EtcdMember{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, m)).To(gomega.Succeed())
	return m
}

func (c *cluster) memberNames() (names []string) {
	c.t.Helper()
	for _, m := range c.members() {
		names = append(names, m.Name)
	}
	return names
}

func (c *cluster) pods() []corev1.Pod {
	c.t.Helper()
	var list corev1.PodList
	c.Expect(testbed.List(c.ctx, &list, c.runningMembers()...)).To(gomega.Succeed())
	return list.Items
}

func (c *cluster) pod(name string) *corev1.Pod {
	c.t.Helper()
	p := &corev1.Pod{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, p)).To(gomega.Succeed())
	return p
}

// deletePod deletes a Pod and waits until another one has its name, or, if none may come back, until it is gone.
func (c *cluster) deletePod(name string, comesBack bool) {
	c.t.Helper()
	old := c.pod(name)
	c.Expect(testbed.Delete(c.ctx, old)).To(gomega.Succeed())
	c.await("Pod "+name+" is gone", func() {
		now := &corev1.Pod{}
		err := testbed.Get(c.ctx, client.ObjectKeyFromObject(old), now)
		if comesBack {
			c.Expect(err).NotTo(gomega.HaveOccurred())
			c.Expect(now.UID).NotTo(gomega.Equal(old.UID))
			return
		}
		c.Expect(apierrors.IsNotFound(err) || now.UID != old.UID).To(gomega.BeTrue())
	})
}

func (c *cluster) claims() []corev1.PersistentVolumeClaim {
	c.t.Helper()
	var list corev1.PersistentVolumeClaimList
	c.Expect(testbed.List(c.ctx, &list, c.ours()...)).To(gomega.Succeed())
	return list.Items
}

// await waits until check holds; a failure says what was waited for and what was wrong last.
func (c *cluster) await(what string, check func()) {
	c.t.Helper()
	c.awaitFor(patience, what, check)
}

func (c *cluster) awaitFor(limit time.Duration, what string, check func()) {
	c.t.Helper()
	outer := c.Gomega
	c.Eventually(func(g gomega.Gomega) {
		c.Gomega = g
		defer func() { c.Gomega = outer }()
		check()
	}).WithContext(c.ctx).WithTimeout(limit).WithPolling(200*time.Millisecond).Should(gomega.Succeed(), what)
}

// awaitReady waits until the cluster is as asked for, and serves with n members.
func (c *cluster) awaitReady(n int32) *v1alpha2.EtcdCluster {
	c.t.Helper()
	var o *v1alpha2.EtcdCluster
	began := time.Now()
	c.await(fmt.Sprintf("%d members are ready", n), func() {
		o = c.get()
		c.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("True"))
		c.Expect(condition(o, v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True"))
		c.Expect(o.Status.ReadyMembers).To(gomega.Equal(n))
	})
	c.t.Logf("%s: %d members ready after another %.1f s", c.name, n, time.Since(began).Seconds())
	return o
}

// condition is a condition of the present spec as "Status Reason: message", empty if there is none.
func condition(o *v1alpha2.EtcdCluster, kind string) string {
	is := meta.FindStatusCondition(o.Status.Conditions, kind)
	if is == nil {
		return ""
	}
	if is.ObservedGeneration != o.Generation || o.Status.ObservedGeneration != o.Generation {
		return "stale " + is.Reason
	}
	return fmt.Sprintf("%s %s: %s", is.Status, is.Reason, is.Message)
}

// scale does what people do.
func (c *cluster) scale(n int) {
	c.t.Helper()
	_, err := testbed.Kubectl(c.t, "scale", "etcd/"+c.name, "--namespace="+c.namespace, "--replicas="+strconv.Itoa(n))
	c.Expect(err).NotTo(gomega.HaveOccurred())
}

// endpoints are the client addresses of all Pods that have one.
func (c *cluster) endpoints(ctx context.Context) ([]string, error) {
	var list corev1.PodList
	if err := testbed.List(ctx, &list, c.runningMembers()...); err != nil {
		return nil, err
	}
	var all []string
	for _, p := range list.Items {
		if p.Status.PodIP != "" {
			all = append(all, endpoint(&p))
		}
	}
	return all, nil
}

func endpoint(p *corev1.Pod) string { return net.JoinHostPort(p.Status.PodIP, "2379") }

// write starts traffic that lasts until it is stopped, or the test ends.
func (c *cluster) write() *traffic.Load {
	c.t.Helper()
	j, err := traffic.NewJournal(filepath.Join(c.t.TempDir(), "journal"))
	c.Expect(err).NotTo(gomega.HaveOccurred())
	l := traffic.Start(c.ctx, j, "journal/", c.endpoints, c.dialer())
	c.t.Cleanup(func() {
		_ = l.Stop() // settle has told of its errors, unless the test has failed before
		j.Close()
	})
	c.awaitAcks(l, 20)
	return l
}

// awaitAcks waits for n more acknowledged writes.
func (c *cluster) awaitAcks(l *traffic.Load, n int) {
	c.t.Helper()
	want := l.Journal.Acks() + n
	c.await(fmt.Sprintf("%d more writes are acknowledged", n), func() {
		c.Expect(l.Journal.Acks()).To(gomega.BeNumerically(">=", want))
	})
}

// settle stops the traffic and holds the cluster to every write that it acknowledged.
func (c *cluster) settle(l *traffic.Load) {
	c.t.Helper()
	c.Expect(l.Stop()).To(gomega.Succeed())
	c.verify(l)
	gap := l.Journal.LongestGap()
	c.t.Logf("%s: %d writes acknowledged, %d not, longest gap %d ms at %s",
		c.name, l.Journal.Acks(), l.Journal.Unanswered(), gap.Took.Milliseconds(), gap.From.Format("15:04:05.000"))
}

// verify reads the journal back from every member, and compares their data.
func (c *cluster) verify(l *traffic.Load) {
	c.t.Helper()
	all, err := c.endpoints(c.ctx)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	c.Expect(all).NotTo(gomega.BeEmpty())
	for _, e := range all {
		c.Expect(l.Verify(c.ctx, e)).To(gomega.Succeed(), "journal on "+e)
	}
	c.Expect(traffic.SameData(c.ctx, c.dialer(), all)).To(gomega.Succeed())
}

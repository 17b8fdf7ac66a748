//go:build e2e

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// generous lets a cluster lose more members than in a life.
func generous(o *v1alpha2.EtcdCluster) { o.Spec.MemberReplacement.MaxPerHour = new(int32(50)) }

// manual leaves the decision to people.
func manual(o *v1alpha2.EtcdCluster) { o.Spec.MemberReplacement.Mode = v1alpha2.ReplacementManual }

// nodeGrace is short enough to see what it is for.
func nodeGrace(seconds int32) option {
	return func(o *v1alpha2.EtcdCluster) { o.Spec.MemberReplacement.NodeLossGracePeriodSeconds = &seconds }
}

func volumeTTL(seconds int64) option {
	return func(o *v1alpha2.EtcdCluster) { o.Spec.Storage.ReplacedVolumeTTLSeconds = &seconds }
}

// ward is a cluster to which something happens under load.
type ward struct {
	*cluster
	load *traffic.Load
}

func newWard(t *testing.T, size int32, options ...option) *ward {
	t.Helper()
	c := newCluster(t, append([]option{replicas(size)}, options...)...)
	c.awaitReady(size)
	return &ward{c, c.write()}
}

// lose does something to a member after which it must be replaced for this reason, and the others must be who they were.
func (w *ward) lose(victim, reason string, harm func()) {
	w.t.Helper()
	before, size := w.identity(), int32(len(w.memberNames()))
	w.t.Logf("%s is to be replaced for %s", victim, reason)
	began := time.Now()
	harm()
	w.awaitReplaced(victim, reason)
	w.awaitReady(size)
	w.t.Logf("healed %s %.1f s after the fault", reason, time.Since(began).Seconds())
	w.expectSurvivors(before, victim)
}

// claimGone is either of two reasons: the operator may see the claim go before its Pod does.
const claimGone = v1alpha2.FailureVolumeMissing + "|" + v1alpha2.FailureVolumeTerminating

// awaitReplaced waits until a replacement is on record, and the member gone. The reason is a regular expression.
func (w *ward) awaitReplaced(victim, reason string) {
	w.t.Helper()
	w.awaitFor(2*patience, victim+" is replaced for "+reason, func() { // operators that are killed all the time need longer
		w.Expect(w.replacements()).To(gomega.ContainElement(gomega.MatchRegexp("^" + victim + " (" + reason + ")$")))
		w.Expect(w.memberNames()).NotTo(gomega.ContainElement(victim))
	})
}

// replacements are those on record.
func (c *cluster) replacements() (all []string) {
	c.t.Helper()
	for _, r := range c.get().Status.Replacements {
		all = append(all, r.Member+" "+r.Reason)
	}
	return all
}

// expectSurvivors holds the cluster to be what it was, but for some members that were replaced by others.
func (w *ward) expectSurvivors(before identity, victims ...string) {
	w.t.Helper()
	now := w.identity()
	w.Expect(now.ClusterID).To(gomega.Equal(before.ClusterID))
	w.Expect(now.Members).To(gomega.HaveLen(len(before.Members)))
	for name, id := range before.Members {
		if contains(victims, name) {
			w.Expect(now.Members).NotTo(gomega.HaveKey(name))
			for _, other := range now.Members {
				w.Expect(other).NotTo(gomega.Equal(id), "a member ID is used again")
			}
			continue
		}
		w.Expect(now.Members).To(gomega.HaveKeyWithValue(name, id))
		if uid, durable := before.Volumes["data-"+name]; durable {
			w.Expect(now.Volumes).To(gomega.HaveKeyWithValue("data-"+name, uid))
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// keep does something to a member that must not lead to its replacement, holds on for as long as it takes to be sure, mends it, and
// expects everybody to be who they were.
func (w *ward) keep(harm func() (mend func())) {
	w.t.Helper()
	before, size, recorded := w.identity(), int32(len(w.memberNames())), w.replacements()
	mend := harm()
	w.expectNoReplacement(6*time.Second, before, recorded)
	mend()
	w.awaitReady(size)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.Expect(w.replacements()).To(gomega.Equal(recorded))
}

// expectNoReplacement looks for some time whether a replacement begins.
func (w *ward) expectNoReplacement(during time.Duration, before identity, recorded []string) {
	w.t.Helper()
	w.Consistently(func(g gomega.Gomega) {
		outer := w.Gomega
		w.Gomega = g
		defer func() { w.Gomega = outer }()
		g.Expect(w.replacements()).To(gomega.Equal(recorded))
		g.Expect(w.memberNames()).To(gomega.HaveLen(len(before.Members)))
		for _, name := range w.memberNames() {
			g.Expect(before.Members).To(gomega.HaveKey(name))
		}
	}, during, 500*time.Millisecond).Should(gomega.Succeed())
}

// awaitFailure waits until a member says what is wrong with it.
func (c *cluster) awaitFailure(name, reason string) *v1alpha2.MemberFailure {
	c.t.Helper()
	var failure *v1alpha2.MemberFailure
	c.await(name+" says "+reason, func() {
		failure = c.member(name).Status.Failure
		c.Expect(failure).To(gomega.HaveField("Reason", reason))
	})
	c.t.Logf("%s: %s: %s", name, failure.Reason, failure.Message)
	return failure
}

// harmVolume changes the volume of a member while its etcd is stopped, and then kills that: the next start finds the change.
func (c *cluster) harmVolume(name string, change func(volume string) error) {
	c.t.Helper()
	pod, volume := c.pod(name), c.volume(name)
	c.Expect(bed.Signal(pod, "etcd", syscall.SIGSTOP)).To(gomega.Succeed())
	c.Expect(change(volume)).To(gomega.Succeed())
	c.Expect(bed.Signal(pod, "etcd", syscall.SIGKILL)).To(gomega.Succeed())
}

// deleteClaim deletes the claim of a member by hand, and its Pod, which the claim would outlive otherwise.
func (c *cluster) deleteClaim(name string) {
	c.t.Helper()
	c.Expect(testbed.DeleteByHand(c.ctx, c.claim(name))).To(gomega.Succeed())
	c.Expect(testbed.Delete(c.ctx, c.pod(name), client.GracePeriodSeconds(0))).To(gomega.Succeed())
}

func (c *cluster) claim(member string) *corev1.PersistentVolumeClaim {
	c.t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	c.Expect(testbed.Get(c.ctx, client.ObjectKey{Namespace: c.namespace, Name: "data-" + member}, claim)).To(gomega.Succeed())
	return claim
}

// change patches the EtcdCluster.
func (c *cluster) change(set option) {
	c.t.Helper()
	o := c.get()
	before := client.MergeFrom(o.DeepCopy())
	set(o)
	c.Expect(testbed.Patch(c.ctx, o, before)).To(gomega.Succeed())
}

// askForReplacement does what the documentation tells people to do.
func (c *cluster) askForReplacement(name string) {
	c.t.Helper()
	_, err := testbed.Kubectl(c.t, "annotate", "etcdmember", name, "--namespace="+c.namespace, v1alpha2.AnnotationReplace+"=true")
	c.Expect(err).NotTo(gomega.HaveOccurred())
}

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// Not parallel: it takes the API server from everybody. etcd does not need it.
func TestNobodyIsReplacedForAnOutageOfTheAPIServer(t *testing.T) {
	outage := 20 * time.Second
	if full {
		outage = 5 * time.Minute
	}
	w := newWard(t, 3, nodeGrace(1))
	before, all, began := w.identity(), w.pods(), time.Now()
	w.Expect(testbed.StopComponent(w.ctx, "kube-apiserver")).To(gomega.Succeed())
	back := sync.OnceFunc(func() {
		if err := testbed.StartComponent(context.Background(), "kube-apiserver"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(back)
	for time.Since(began) < outage {
		w.awaitAcks(w.load, 20) // in all that time
	}
	back()
	w.await("the API server is back", func() {
		w.Expect(testbed.Get(w.ctx, client.ObjectKeyFromObject(w.get()), &v1alpha2.EtcdCluster{})).To(gomega.Succeed())
	})
	w.expectNoReplacement(20*time.Second, w.names(), nil)
	w.awaitReadyWithin(7*time.Minute, 3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	for i := range all {
		w.Expect(w.pod(all[i].Name).UID).To(gomega.Equal(all[i].UID), "its Pod was made anew")
	}
	// The operator works again.
	w.change(nodeGrace(300)) // now it is about the volume
	victim := follower(w.cluster)
	w.lose(victim, v1alpha2.FailureDataLost, func() { w.harmVolume(victim, bed.Wipe) })
	w.settle(w.load)
}

// awaitReadyWithin is awaitReady for an operator that the kubelet lets wait after its crashes.
func (w *ward) awaitReadyWithin(limit time.Duration, n int32) {
	w.t.Helper()
	w.awaitFor(limit, fmt.Sprintf("%d members are ready", n), func() {
		o := w.get()
		w.Expect(condition(o, v1alpha2.ConditionReady)).To(gomega.HavePrefix("True"))
		w.Expect(o.Status.ReadyMembers).To(gomega.Equal(n))
		_, _, err := testbed.Leader(w.ctx)
		w.Expect(err).NotTo(gomega.HaveOccurred())
	})
}

// A second operator that asks for no Lease works on the same cluster all the time, as one does that has lost its Lease unknowingly.
func TestTwoOperatorsAtOnceReplaceOneMemberOnce(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, generous)
	w.startSecondOperator()
	w.keep(func() func() {
		name := follower(w.cluster)
		w.deletePod(name, true)
		return func() {}
	})
	for range 2 {
		victim := follower(w.cluster)
		w.lose(victim, v1alpha2.FailureDataLost, func() { w.harmVolume(victim, bed.Wipe) })
	}
	w.Expect(w.replacements()).To(gomega.HaveLen(2))
	w.settle(w.load)
}

// startSecondOperator runs another operator for this namespace only, until the test ends.
func (w *ward) startSecondOperator() {
	w.t.Helper()
	leader, _, err := testbed.Leader(w.ctx)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	second := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: leader.Namespace, GenerateName: "second-operator-"}, Spec: leader.Spec}
	second.Spec.NodeName, second.Spec.Hostname = "", ""
	second.Spec.Volumes = nil
	for i := range second.Spec.Containers {
		c := &second.Spec.Containers[i]
		c.VolumeMounts = nil
		c.Args = []string{"manager", "--leader-elect=false", "--watch-namespace=" + w.namespace, "--metrics-bind-address=0"}
	}
	w.Expect(testbed.Create(w.ctx, second)).To(gomega.Succeed())
	w.t.Cleanup(func() { _ = testbed.Delete(context.Background(), second) })
	w.await("the second operator runs", func() {
		w.Expect(testbed.Get(w.ctx, client.ObjectKeyFromObject(second), second)).To(gomega.Succeed())
		w.Expect(second.Status.ContainerStatuses).To(gomega.ContainElement(gomega.HaveField("Ready", true)))
	})
}

// Somebody else changes all objects all the time, so that most of what the operator writes meets a conflict.
func TestNobodyIsReplacedInAStormOfConflicts(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(1), generous)
	before := w.identity()
	calm := w.storm()
	w.expectNoReplacement(8*time.Second, before, nil)
	victim := follower(w.cluster)
	w.lose(victim, v1alpha2.FailureDataLost, func() { w.harmVolume(victim, bed.Wipe) })
	if n := calm(); n < 100 {
		t.Errorf("only %d changes: that was no storm", n)
	}
	w.Expect(w.replacements()).To(gomega.HaveLen(1))
	w.settle(w.load)
}

// storm changes an annotation of every object of the cluster in turn, until the func it returns is called, which tells how often.
func (w *ward) storm() (calm func() int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	var running sync.WaitGroup
	changes := 0
	running.Go(func() {
		for ctx.Err() == nil {
			for _, list := range []client.ObjectList{&v1alpha2.EtcdClusterList{}, &v1alpha2.EtcdMemberList{}, &corev1.PodList{},
				&corev1.PersistentVolumeClaimList{}} {
				if testbed.List(ctx, list, client.InNamespace(w.namespace)) != nil {
					continue
				}
				_ = eachItem(list, func(o client.Object) {
					patch := fmt.Sprintf(`{"metadata":{"annotations":{"e2e.test/storm":"%d"}}}`, changes)
					if testbed.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(patch))) == nil {
						changes++
					}
				})
			}
		}
	})
	calm = func() int {
		cancel()
		running.Wait()
		return changes
	}
	w.t.Cleanup(func() { calm() })
	return calm
}

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
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// TestChangedSettingsAreRolledThroughTheMembers changes what only another Pod takes over, twice in one go and once more while the
// first roll is under way.
func TestChangedSettingsAreRolledThroughTheMembers(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	fewest := w.watchReady()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Spec.Options = &v1alpha2.EtcdOptions{SnapshotCount: new(int64(5000))}
		o.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}
	})
	w.awaitCondition(v1alpha2.ConditionReady, "False")
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Options.SnapshotCount = new(int64(6000)) })
	w.await("all members are as the spec asks for", func() {
		w.Expect(w.get().Status.UpdatedMembers).To(gomega.BeEquivalentTo(3))
		for _, p := range w.pods() {
			w.Expect(p.Spec.Containers[0].Args).To(gomega.ContainElement("--snapshot-count=6000"))
			w.Expect(p.Spec.Containers[0].Resources.Requests.Cpu().String()).To(gomega.Equal("50m"))
		}
	})
	w.awaitReady(3)
	if n := fewest(); n < 2 {
		t.Errorf("there were only %d ready members", n)
	}
	w.expectSurvivors(before)
	w.settle(w.load)
}

// TestSettingThatEtcdRefusesCostsOneMember: the others stay as they were, and another change puts it right.
func TestSettingThatEtcdRefusesCostsOneMember(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Mi")} // etcd does not start in it
		o.Spec.Resources.Requests = o.Spec.Resources.Limits
	})
	w.awaitCondition(v1alpha2.ConditionReady, "False MemberNotReady")
	w.awaitAcks(w.load, 50)
	changed := 0
	for _, p := range w.pods() {
		if p.Spec.Containers[0].Resources.Limits.Memory().String() == "8Mi" {
			changed++
		}
	}
	w.Expect(changed).To(gomega.Equal(1), fmt.Sprint(w.memberNames()))
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.Resources = corev1.ResourceRequirements{} })
	w.awaitReady(3)
	w.expectSurvivors(before)
	w.settle(w.load)
}

// watchReady counts the Pods that are ready, again and again, until the func that it returns is called, which tells the fewest.
func (w *ward) watchReady() func() int {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	fewest := len(w.pods())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			var list corev1.PodList
			if testbed.List(ctx, &list, w.runningMembers()...) == nil {
				ready := 0
				for i := range list.Items {
					if s := list.Items[i].Status.ContainerStatuses; len(s) > 0 && s[0].Ready {
						ready++
					}
				}
				fewest = min(fewest, ready)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	stop := func() int {
		cancel()
		running.Wait()
		return fewest
	}
	w.t.Cleanup(func() { stop() })
	return stop
}

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// What is wrong around a member would be wrong around a new one too.
func TestMemberIsKeptWhateverIsWrongAroundIt(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(1))
	for _, fault := range []struct {
		name string
		harm func(victim string) (mend func())
	}{
		{"one crash", w.oneCrash}, {"unreadable data", w.unreadable}, {"a port is taken", w.portTaken}, {"out of memory", w.outOfMemory},
	} {
		victim := follower(w.cluster)
		t.Logf("fault: %s at %s", fault.name, victim)
		w.keep(func() func() {
			mend := fault.harm(victim)
			return func() {
				mend()
				w.deletePod(victim, true) // or the kubelet would let it wait for longer each time
			}
		})
		w.verify(w.load)
	}
	w.settle(w.load)
}

func (w *ward) unreadable(victim string) func() {
	data := filepath.Join(w.volume(victim), "data", "member")
	w.harmVolume(victim, func(string) error { return os.Chmod(data, 0) })
	w.awaitFailure(victim, v1alpha2.FailureDataUnreadable)
	return func() { w.Expect(os.Chmod(data, 0o700)).To(gomega.Succeed()) }
}

func (w *ward) portTaken(victim string) func() {
	ctx, giveBack := context.WithCancel(w.ctx)
	pod := w.pod(victim)
	taken, err := bed.TakePort(ctx, pod, 2380)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.await("the port is taken", func() {
		select {
		case <-taken:
		default:
			w.Expect(bed.Signal(pod, "etcd", syscall.SIGKILL)).To(gomega.Succeed())
		}
		w.Expect(taken).To(gomega.BeClosed())
	})
	w.awaitFailure(victim, v1alpha2.FailureAddressInUse)
	return giveBack
}

func (w *ward) outOfMemory(victim string) func() {
	pod := w.pod(victim)
	ctx, relax := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = bed.Squeeze(pod, "etcd") // it may not run at the moment
			time.Sleep(50 * time.Millisecond)
		}
	}()
	w.awaitFailure(victim, v1alpha2.FailureOutOfMemory)
	return func() {
		relax()
		<-done
	}
}

func (w *ward) oneCrash(victim string) func() {
	w.Expect(bed.Signal(w.pod(victim), "etcd", syscall.SIGKILL)).To(gomega.Succeed())
	return func() {}
}

func TestMemberWhoseVolumeIsFullIsKept(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(1))
	victim := follower(w.cluster)
	node, dir := w.limit(victim)
	w.keep(func() func() {
		w.Expect(testbed.FillVolume(w.ctx, node, dir)).To(gomega.Succeed())
		w.fatten()
		w.awaitFailure(victim, v1alpha2.FailureDiskFull)
		return func() { w.Expect(testbed.EmptyVolume(w.ctx, node, dir)).To(gomega.Succeed()) }
	})
	w.verify(w.load)
	w.withoutPod(victim, func() { w.Expect(testbed.FreeVolume(w.ctx, node, dir)).To(gomega.Succeed()) })
	w.awaitReady(3)
	w.settle(w.load)
}

// limit gives the volume of a member an end, at 300 MiB.
func (w *ward) limit(member string) (node, dir string) {
	w.t.Helper()
	node, dir = w.pod(member).Spec.NodeName, w.volume(member)
	w.withoutPod(member, func() { w.Expect(testbed.LimitVolume(w.ctx, node, dir, 300<<20)).To(gomega.Succeed()) })
	w.t.Cleanup(func() {
		if err := testbed.OnNode(context.Background(), node, `umount -l "$1" || true`, dir); err != nil {
			w.t.Log(err)
		}
	})
	w.awaitReady(3)
	return node, dir
}

// fatten writes so much that the database needs more room than etcd has taken in advance.
func (w *ward) fatten() {
	w.t.Helper()
	client := w.dial(endpoint(w.pod(w.leader())))
	for i := range 40 {
		_, err := client.Put(w.soon(), fmt.Sprintf("fat/%d", i), strings.Repeat("x", 512<<10))
		w.Expect(err).NotTo(gomega.HaveOccurred())
	}
}

// withoutPod does something while a member has no Pod: the operator keeps its hands off meanwhile.
func (w *ward) withoutPod(name string, do func()) {
	w.t.Helper()
	w.change(func(o *v1alpha2.EtcdCluster) {
		o.Annotations = map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled}
	})
	w.awaitCondition(v1alpha2.ConditionReady, "False ReconcilingDisabled")
	w.deletePod(name, false)
	do()
	w.change(func(o *v1alpha2.EtcdCluster) { delete(o.Annotations, v1alpha2.AnnotationReconcile) })
}

// A member that cannot be seen from one side only is not lost, however short the grace period is.
func TestMemberIsKeptWhileItIsCutOffFromOneSideOnly(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(1))
	for name, harm := range map[string]func(victim string) error{
		"from the operator": func(victim string) error { return bed.CutPods(w.ctx, w.pod(victim), w.others(victim)...) },
		"from its peers":    func(victim string) error { return bed.CutPeers(w.ctx, w.pod(victim)) },
	} {
		for _, victim := range []string{follower(w.cluster), w.leader()} {
			t.Logf("%s is cut off %s", victim, name)
			w.keep(func() func() {
				w.Expect(harm(victim)).To(gomega.Succeed())
				w.await(victim+" is missed", func() { w.Expect(condition(w.get(), v1alpha2.ConditionReady)).To(gomega.HavePrefix("False")) })
				w.Expect(condition(w.get(), v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("True"))
				return func() { w.Expect(bed.Heal(w.ctx, w.pod(victim))).To(gomega.Succeed()) }
			})
		}
	}
	w.settle(w.load)
}

// The operator reaches none of the members, who are well.
func TestNobodyIsReplacedWhileTheOperatorIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(1))
	w.keep(func() func() {
		for _, name := range w.memberNames() {
			w.Expect(bed.CutPods(w.ctx, w.pod(name), w.others(name)...)).To(gomega.Succeed())
		}
		w.awaitCondition(v1alpha2.ConditionReady, "False")
		w.awaitAcks(w.load, 100)
		return func() {
			for _, name := range w.memberNames() {
				w.Expect(bed.Heal(w.ctx, w.pod(name))).To(gomega.Succeed())
			}
		}
	})
	w.settle(w.load)
}

// others are the addresses of the other members.
func (w *ward) others(name string) (addresses []string) {
	for _, p := range w.pods() {
		if p.Name != name {
			addresses = append(addresses, p.Status.PodIP)
		}
	}
	return addresses
}

func TestMemberThatNobodyReachesIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(3))
	victim := w.leader()
	pod := w.pod(victim)
	w.lose(victim, v1alpha2.FailureUnreachable, func() { w.Expect(bed.CutAll(w.ctx, pod)).To(gomega.Succeed()) })
	w.settle(w.load)
}

func TestMembersThatHangOrCrashTogetherComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, nodeGrace(60)) // the liveness probe is faster
	w.keep(func() func() {
		pod := w.pod(w.leader())
		w.Expect(bed.Signal(pod, "etcd", syscall.SIGSTOP)).To(gomega.Succeed())
		w.expectNoReplacement(14*time.Second, w.names(), nil)
		return func() {
			if err := bed.Signal(pod, "etcd", syscall.SIGCONT); err != nil {
				t.Log(err) // the kubelet may have ended it
			}
		}
	})
	w.keep(func() func() {
		w.Expect(bed.SignalAll(w.pods(), "etcd", syscall.SIGKILL)).To(gomega.Succeed())
		return func() {}
	})
	w.settle(w.load)
}

// names is who is there, asked of Kubernetes only: a member that hangs would hold the question up.
func (w *ward) names() identity {
	id := identity{Members: map[string]string{}}
	for _, name := range w.memberNames() {
		id.Members[name] = ""
	}
	return id
}

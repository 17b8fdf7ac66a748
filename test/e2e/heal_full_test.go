//go:build e2e && full

package e2e

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// Not parallel: it takes a node from everybody. With a local volume the member is replaced, whoever says that the node is gone.
func TestMemberOfADeletedNodeIsReplaced(t *testing.T) {
	for name, way := range map[string]func(ctx context.Context, node string) error{
		"out-of-service": testbed.TaintOutOfService, "deleted": testbed.DeleteNode,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t, 3, nodeGrace(5))
			before, victim := w.identity(), w.on("node3")
			restore := killNode(t, "node3")
			w.Expect(way(w.ctx, "node3")).To(gomega.Succeed())
			w.awaitReplaced(victim, v1alpha2.FailureNodeLost)
			w.awaitReady(3)
			w.expectSurvivors(before, victim)
			restore()
			w.await("nothing of the old Pod is left", func() {
				for _, p := range w.pods() {
					w.Expect(p.Name).NotTo(gomega.Equal(victim))
					pids, err := bed.Processes(&p, "etcd")
					w.Expect(err).NotTo(gomega.HaveOccurred())
					w.Expect(pids).To(gomega.HaveLen(1))
				}
			})
			w.settle(w.load)
		})
	}
}

// whenever sends a signal to each etcd of a member's Pods as soon as it is there, until the func that it returns is called.
func (w *ward) whenever(name string, signal syscall.Signal) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		seen := map[int]bool{}
		for ctx.Err() == nil {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
			if testbed.Get(ctx, client.ObjectKeyFromObject(pod), pod) != nil {
				continue
			}
			pids, _ := bed.Processes(pod, "etcd")
			for _, pid := range pids {
				if !seen[pid] {
					seen[pid] = syscall.Kill(pid, signal) == nil
				}
			}
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	w.t.Cleanup(stop)
	return stop
}

func TestLearnerThatIsStuckIsTriedAgainUnderANewName(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.memberNames()
	w.scale(4)
	var learner string
	w.await("a fourth member is there", func() {
		names := w.memberNames()
		w.Expect(names).To(gomega.HaveLen(4))
		learner = names[3]
	})
	stop := w.whenever(learner, syscall.SIGSTOP)
	w.awaitFor(4*time.Minute, learner+" is given up", func() {
		w.Expect(w.replacements()).To(gomega.ContainElement(learner + " LearnerStuck"))
		w.Expect(w.memberNames()).NotTo(gomega.ContainElement(learner))
	})
	stop()
	w.awaitReady(4)
	w.Expect(w.memberNames()[:3]).To(gomega.Equal(before))
	w.settle(w.load)
}

func TestMemberThatCrashesForNoKnownReasonIsReplacedInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, victim := w.identity(), follower(w.cluster)
	stop := w.whenever(victim, syscall.SIGKILL)
	w.awaitFailure(victim, v1alpha2.FailureCrashing)
	w.awaitFor(15*time.Minute, victim+" is replaced", func() {
		w.Expect(w.replacements()).To(gomega.ContainElement(victim + " " + v1alpha2.FailureCrashing))
	})
	stop()
	w.awaitReady(3)
	w.expectSurvivors(before, victim)
	w.settle(w.load)
}

// joiner makes a cluster grow by a member that finds no node, and gives the func that lets it run.
func joiner(t *testing.T) (w *ward, learner string, release func()) {
	t.Helper()
	place := newPlaceEverywhere(t)
	w = newWard(t, 3, place.only)
	for _, node := range []string{"node1", "node2", "node3"} {
		w.Expect(place.patch(w.ctx, node, `{"metadata":{"labels":{"`+place.label+`":null}}}`)).To(gomega.Succeed())
	}
	w.scale(4)
	w.await("a fourth member is in etcd and waits for a node", func() {
		names := w.memberNames()
		w.Expect(names).To(gomega.HaveLen(4))
		learner = names[3]
		w.Expect(w.memberIDs()).To(gomega.HaveLen(4))
		w.Expect(unschedulable(w.pod(learner))).To(gomega.BeTrue())
	})
	return w, learner, func() { place.open("node1", "node2", "node3") }
}

func TestJoiningMemberWhosePeerURLWasChangedIsReplaced(t *testing.T) {
	t.Parallel()
	w, learner, release := joiner(t)
	list, err := w.dialAll().MemberList(w.soon())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, m := range list.Members {
		if strings.Contains(strings.Join(m.PeerURLs, ""), learner) {
			_, err := w.dialAll().MemberUpdate(w.soon(), m.ID, []string{"http://elsewhere:2380"})
			w.Expect(err).NotTo(gomega.HaveOccurred())
		}
	}
	release()
	w.await(learner+" is replaced", func() { w.Expect(w.memberNames()).NotTo(gomega.ContainElement(learner)) })
	w.awaitReady(4)
	w.settle(w.load)
}

// The voter that dies goes first; the one that joins knows a cluster then that is no more.
func TestJoiningMemberComesInEvenIfTheMembershipMovesOn(t *testing.T) {
	t.Parallel()
	w, _, release := joiner(t)
	victim := follower(w.cluster)
	w.harmVolume(victim, bed.Wipe)
	release()
	w.awaitGone(victim)
	w.awaitReady(4)
	w.settle(w.load)
}

func TestMemberWhoseImageIsAwayIsKept(t *testing.T) {
	t.Parallel()
	const version = "3.6.14" // of nobody else
	w := newWard(t, 3, nodeGrace(1), func(o *v1alpha2.EtcdCluster) { o.Spec.Version = version })
	victim := follower(w.cluster)
	node, image := w.pod(victim).Spec.NodeName, bed.EtcdImage(version)
	w.keep(func() func() {
		w.Expect(testbed.OnNode(w.ctx, node, `ctr -n k8s.io images rm "$1"`, image)).To(gomega.Succeed())
		w.deletePod(victim, true)
		w.awaitFailure(victim, v1alpha2.FailureImage)
		return func() { w.Expect(testbed.RestoreImage(w.ctx, node, "etcd_v"+version)).To(gomega.Succeed()) }
	})
	w.settle(w.load)
}

func TestMemberWithDataOfAnotherVersionIsKept(t *testing.T) {
	t.Parallel()
	newer := newWard(t, 1, func(o *v1alpha2.EtcdCluster) { o.Spec.Version = "3.7.3" })
	theirs := newer.volume(newer.memberNames()[0])
	w := newWard(t, 3, nodeGrace(1))
	victim := follower(w.cluster)
	dir := w.volume(victim)
	aside := dir + ".aside"
	t.Cleanup(func() { shell(t, `rm -rf "$1"`, aside) })
	w.keep(func() func() {
		w.harmVolume(victim, func(volume string) error {
			shell(t, `mv "$1/data/member" "$2" && cp -a "$3/data/member" "$1/data/member"`, volume, aside, theirs)
			return nil
		})
		w.awaitFailure(victim, v1alpha2.FailureVersionRefused)
		return func() { shell(t, `rm -rf "$1/data/member" && mv "$2" "$1/data/member"`, dir, aside) }
	})
	w.settle(w.load)
}

// Somebody removed a member from etcd by hand: its vote is gone, so it makes room for a new one.
func TestMemberThatWasRemovedFromEtcdByHandMakesRoom(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before, victim := w.identity(), follower(w.cluster)
	list, err := w.dialAll().MemberList(w.soon())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, m := range list.Members {
		if m.Name == victim {
			_, err := w.dialAll().MemberRemove(w.soon(), m.ID)
			w.Expect(err).NotTo(gomega.HaveOccurred())
		}
	}
	w.awaitGone(victim)
	w.awaitReady(3)
	w.expectSurvivors(before, victim)
	w.settle(w.load)
}

// Not parallel: it deletes the EtcdMembers of everybody, past every policy.
func TestMembersOutliveTheDefinitionOfTheirKind(t *testing.T) {
	w := newWard(t, 3)
	before := w.identity()
	definition, err := testbed.Kubectl(t, "get", "crd", "etcdmembers.etcd-operator.cozystack.io", "-o", "yaml", "--show-managed-fields=false")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	file := filepath.Join(t.TempDir(), "crd.yaml")
	shell(t, `grep -vE "^  (resourceVersion|uid|creationTimestamp|generation):" >"$1" <<<"$2"`, file, definition)
	restore := func() {
		if _, err := testbed.Kubectl(t, "apply", "--server-side", "--force-conflicts", "--filename="+file); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(restore)
	_, err = testbed.Kubectl(t, "delete", "crd", "etcdmembers.etcd-operator.cozystack.io", "--timeout=60s")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.await("the Pods are gone with their owners", func() { w.Expect(w.pods()).To(gomega.BeEmpty()) })
	w.Expect(w.claims()).To(gomega.HaveLen(3))
	restore()
	w.awaitFor(4*time.Minute, "the EtcdMembers are there again", func() { w.Expect(w.memberNames()).To(gomega.HaveLen(3)) })
	w.awaitTakenBack(before, nil)
	w.settle(w.load)
}

//go:build e2e

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

// A member that is stopped keeps its connections and answers nothing: the worst kind of hanging, since every call to it waits
// for its time to run out.
func TestClusterThatHangsDoesNotSlowTheOthers(t *testing.T) {
	t.Parallel()
	namespace := testbed.Namespace(t)
	var crowd []*cluster
	for n := range 8 {
		crowd = append(crowd, newClusterIn(t, namespace, fmt.Sprintf("crowd-%d", n), replicas(1)))
	}
	for _, c := range crowd {
		c.awaitReady(1)
	}
	stopped, others := crowd[0], crowd[1:]
	pod := stopped.pods()[0]
	stopped.Expect(bed.Signal(&pod, "etcd", syscall.SIGSTOP)).To(gomega.Succeed())
	t.Cleanup(func() {
		if err := bed.Signal(&pod, "etcd", syscall.SIGCONT); err != nil {
			t.Log(err) // the kubelet may have ended it
		}
	})
	stopped.awaitCondition(v1alpha2.ConditionAvailable, "False")

	began := time.Now()
	for _, c := range others[:3] {
		c.scale(3)
	}
	for _, c := range others[:3] {
		c.awaitReady(3)
	}
	t.Logf("three clusters grew from 1 to 3 beside one that hangs in %.1f s", time.Since(began).Seconds())
	for _, c := range others[3:] {
		c.scale(0)
	}
	for _, c := range others[3:] {
		c.awaitCondition(v1alpha2.ConditionReady, "True Paused")
	}
	stopped.Expect(condition(stopped.get(), v1alpha2.ConditionAvailable)).To(gomega.HavePrefix("False"))
}

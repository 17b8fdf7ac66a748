//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
)

// TestUpgradeExerciseOfTheCourse follows the exercise of the official operator's course on our API: a secured cluster of 3.5 is looked
// into from within a member, upgraded, and looked into again; a version two minors ahead is refused, and people find out why.
func TestUpgradeExerciseOfTheCourse(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3, automatic, of("3.5.35"))
	w.Expect(w.etcdctl("endpoint", "health", "--cluster")).To(gomega.HaveLen(3))
	w.Expect(w.etcdctl("put", "course", "taken")).To(gomega.Equal([]string{"OK"}))
	w.bring("3.6.16")
	w.Expect(w.etcdctl("get", "course", "--print-value-only")).To(gomega.Equal([]string{"taken"}))
	starts := w.starts()
	w.stalls("3.8.0", "VersionRefused", "3.8.0", starts)
	seen, err := testbed.Kubectl(t, "describe", "etcdcluster", w.name, "--namespace="+w.namespace)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(seen).To(gomega.ContainSubstring("VersionRefused"))
	w.Expect(seen).To(gomega.ContainSubstring("etcd 3.8.0 is not supported: 3.5, 3.6 and 3.7 are; the next one after 3.6 is 3.7.3"))
	w.await("the operator's log says it", func() {
		operators, err := testbed.OperatorPods(w.ctx)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		logs := ""
		for i := range operators {
			logs += testbed.Logs(w.ctx, &operators[i])
		}
		w.Expect(logs).To(gomega.MatchRegexp(`etcd 3\.8\.0 is not supported.*` + w.namespace))
	})
	w.change(of("3.6.16"))
	w.awaitReady(3)
	w.Expect(w.starts()).To(gomega.Equal(starts), "something was restarted")
	w.settle(w.load)
}

// etcdctl runs it in a member, as people do, and returns the lines that it prints.
func (c *cluster) etcdctl(args ...string) []string {
	c.t.Helper()
	const held = "/etc/etcd/tls/client/"
	out, err := testbed.Kubectl(c.t, append([]string{
		"exec", "--namespace=" + c.namespace, c.leader(), "--container=etcd", "--", "etcdctl", "--endpoints=https://127.0.0.1:2379",
		"--cacert=" + held + "ca.crt", "--cert=" + held + "tls.crt", "--key=" + held + "tls.key",
	}, args...)...)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return strings.Split(strings.TrimSpace(out), "\n")
}

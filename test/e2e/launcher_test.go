//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

const (
	keep     = `mkdir "$2" && mv "$1"/* "$2"`
	giveBack = `rm -rf "$1"/* && mv "$2"/* "$1" && rmdir "$2"`
)

// A member whose volume is not its own must not vote. Each time the volume is put back as it was, and the member is the same again:
// nobody has asked for its replacement.
func TestMemberNeverStartsOnAVolumeThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	c := newCluster(t, manual)
	c.awaitReady(3)
	load := c.write()
	before := c.identity()
	names := c.memberNames()
	victim, other := names[0], names[1]
	dir, theirs := c.volume(victim), c.volume(other)
	older := filepath.Join(t.TempDir(), "older")
	shell(t, `cp -a "$1" "$2"`, theirs, older)
	c.awaitAcks(load, 50)

	for _, fault := range []struct {
		claim string
		// $1 is the volume, $2 where its content can be kept on the same disk, $3 the other member's volume, $4 an older copy of that
		spoil, mend string
		code        int32
		reason      string
		words       string
	}{
		{"emptied", keep, giveBack, 42, v1alpha2.FailureDataLost, "the volume is empty, and the member has run before"},
		{
			"without its write-ahead log", `mkdir "$2" && mv "$1/data/member/wal" "$2"`, `mv "$2/wal" "$1/data/member" && rmdir "$2"`,
			42, v1alpha2.FailureDataLost, "write-ahead log is gone",
		},
		{"a copy of another member's", keep + ` && cp -a "$3"/* "$1"`, giveBack, 41, v1alpha2.FailureForeignData, "data of member " + other},
		{"an older copy of another volume", keep + ` && cp -a "$4"/* "$1"`, giveBack, 41, v1alpha2.FailureForeignData, "data of member " + other},
		{
			"unreadable", `chmod 0 "$1/data/member"`, `chmod 700 "$1/data/member"`,
			43, v1alpha2.FailureDataUnreadable, "permission denied",
		},
		{
			"of a wrong owner", `chown -R 0:0 "$1/data"`, `chown -R --reference="$1/member.json" "$1/data"`,
			43, v1alpha2.FailureDataUnreadable, "permission denied",
		},
	} {
		t.Logf("the volume of %s is %s", victim, fault.claim)
		aside := dir + ".aside"
		t.Cleanup(func() { os.RemoveAll(aside) })
		shell(t, fault.spoil, dir, aside, theirs, older)
		// Whoever has a file open goes on with it: only a new start shows the fault.
		c.deletePod(victim, true)
		c.awaitRefusal(victim, fault.code, fault.reason, fault.words)
		c.awaitAcks(load, 20)

		shell(t, fault.mend, dir, aside)
		c.deletePod(victim, true)
		c.awaitReady(3)
		c.Expect(c.identity()).To(gomega.Equal(before))
	}
	c.settle(load)
}

func TestMembersWithSwappedVolumesDoNotStart(t *testing.T) {
	t.Parallel()
	c := newCluster(t, manual) // whichever starts first makes a quorum, which would replace the other
	c.awaitReady(3)
	load := c.write()
	before := c.identity()
	names := c.memberNames()
	a, b := names[0], names[1]
	swap := func() {
		shell(t, `mkdir "$1/swap" && mv "$1"/[dm]* "$1/swap" && mv "$2"/* "$1" && mv "$1"/swap/* "$2" && rmdir "$1/swap"`,
			c.volume(a), c.volume(b))
	}
	swap()
	for _, name := range []string{a, b} {
		c.deletePod(name, true)
	}
	c.awaitRefusal(a, 41, v1alpha2.FailureForeignData, "data of member "+b)
	c.awaitRefusal(b, 41, v1alpha2.FailureForeignData, "data of member "+a)
	c.awaitCondition(v1alpha2.ConditionAvailable, "False")

	swap()
	for _, name := range []string{a, b} {
		c.deletePod(name, true)
	}
	c.awaitReady(3)
	c.Expect(c.identity()).To(gomega.Equal(before))
	c.settle(load)
}

// The volume is emptied while the Pod that may start empty still lives, and before there is a cluster: that Pod has started once.
func TestVolumeEmptiedBeforeTheFirstStartWasOverIsRefused(t *testing.T) {
	t.Parallel()
	place := newPlace(t)
	place.open("node1")
	c := newCluster(t, place.apart) // a single founder finds a node, and waits for the others
	var started string
	c.await("etcd has started on the only node", func() {
		started = ""
		for _, p := range c.pods() {
			if pids, err := bed.Processes(&p, "etcd"); err == nil && len(pids) > 0 {
				started = p.Name
			}
		}
		c.Expect(started).NotTo(gomega.BeEmpty())
		c.Expect(filepath.Glob(filepath.Join(c.volume(started), "data", "member", "wal", "*.wal"))).NotTo(gomega.BeEmpty())
	})
	dir, pod := c.volume(started), c.pod(started)
	// Stopped first, or it would write on while its files go.
	c.Expect(bed.Signal(pod, "etcd", syscall.SIGSTOP)).To(gomega.Succeed())
	shell(t, `rm -rf "$1"/*`, dir)
	c.Expect(bed.Signal(pod, "etcd", syscall.SIGKILL)).To(gomega.Succeed())

	c.awaitRefusal(started, 42, v1alpha2.FailureDataLost, "the volume is empty")
	c.Expect(c.pod(started).UID).To(gomega.Equal(pod.UID), "the container was started again in the same Pod")
	c.Expect(c.get().Status.ClusterID).To(gomega.BeEmpty())
}

// awaitRefusal waits until the launcher has refused to start a member, and the member and its cluster say why. From then on
// etcd must not have run.
func (c *cluster) awaitRefusal(name string, code int32, reason, words string) {
	c.t.Helper()
	c.await("the refusal is told", func() {
		p := c.pod(name)
		got, message := exitCode(p)
		c.Expect(got).To(gomega.Equal(code))
		c.Expect(message).To(gomega.ContainSubstring(words))
		c.Expect(bed.Processes(p, "etcd")).To(gomega.BeEmpty())
		failure := c.member(name).Status.Failure
		c.Expect(failure).NotTo(gomega.BeNil())
		c.Expect(failure.Reason).To(gomega.Equal(reason))
		c.Expect(failure.Message).To(gomega.ContainSubstring(words))
		c.Expect(failure.ExitCode).To(gomega.HaveValue(gomega.Equal(code)))
		c.Expect(condition(c.get(), v1alpha2.ConditionDegraded)).To(gomega.And(
			gomega.HavePrefix("True MembersBroken"), gomega.ContainSubstring(name), gomega.ContainSubstring(words)))
	})
	c.Consistently(func() ([]int, error) { return bed.Processes(c.pod(name), "etcd") }, 2*time.Second, 50*time.Millisecond).
		Should(gomega.BeEmpty(), "etcd runs on a volume that is not its own")
}

func (c *cluster) volume(member string) string {
	c.t.Helper()
	dir, err := testbed.VolumeDir(c.ctx, c.namespace, "data-"+member)
	c.Expect(err).NotTo(gomega.HaveOccurred())
	return dir
}

// shell runs a script on this machine, which holds all volumes.
func shell(t *testing.T, script string, args ...string) {
	t.Helper()
	cmd := exec.Command("bash", append([]string{"-euc", "shopt -s dotglob nullglob; " + script, "bash"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("run %q: %v: %s", script, err, out)
	}
}

package guard

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

const acknowledged = 50

// emptiedDisk is the case of etcd's issue 21178: a is down while the others acknowledge writes; they die too; the disk of b is
// emptied; a and b start. Both together are a majority, and a has never heard of the writes.
func emptiedDisk(t *testing.T, etcd, launcher string) (*cluster, *traffic.Journal) {
	t.Helper()
	j, err := traffic.NewJournal(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	c := newCluster(t, etcd, launcher)
	c.write(j, "before", 20, c.members...)
	c.leaderLast()
	a, b := c.members[0], c.members[1]
	a.kill()
	c.write(j, "while a is down", acknowledged, c.members[1:]...)
	for _, m := range c.members[1:] {
		m.kill()
	}
	b.loseDisk(t)
	c.start(a)
	c.start(b)
	return c, j
}

var versions = []string{"3.5.35", "3.6.16", "3.7.3"}

// TestWithoutTheLauncherAnEmptiedDiskLosesAcknowledgedWrites is the proof that the next test can fail.
func TestWithoutTheLauncherAnEmptiedDiskLosesAcknowledgedWrites(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c, j := emptiedDisk(t, etcdOf(t, version), "")
			a, b := c.members[0], c.members[1]
			stored := c.read(a, 2*time.Second)
			for try := 0; stored == nil && try < 30; try++ {
				// What it asks of a member that starts itself may be half of the truth. A Pod's container is started again, too.
				if _, ended := b.exit(0); ended {
					c.start(b)
				}
				stored = c.read(a, 2*time.Second)
			}
			if stored == nil {
				t.Fatal("a and b formed no quorum: nothing is shown")
			}
			err := j.Check(j.Acked(), stored)
			if err == nil || !strings.HasPrefix(err.Error(), "50 of 70 acknowledged writes are lost") {
				t.Fatalf("etcd alone kept the writes, so the guarded case shows nothing: %v", err)
			}
			t.Logf("etcd alone: %v", err)
		})
	}
}

func TestWithTheLauncherAnEmptiedDiskLosesNothing(t *testing.T) {
	launcher := buildLauncher(t)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c, j := emptiedDisk(t, etcdOf(t, version), launcher)
			a, b, leader := c.members[0], c.members[1], c.members[2]
			if code, ended := b.exit(10 * time.Second); !ended || code != 42 {
				t.Fatalf("b should have been refused with 42: ended %t, code %d", ended, code)
			}
			if stored := c.read(a, 3*time.Second); stored != nil {
				t.Fatalf("a alone answers, and holds %d keys", len(stored))
			}
			c.start(leader)
			stored := c.read(a, 30*time.Second)
			if stored == nil {
				t.Fatal("a and the one whose disk is whole should be a quorum")
			}
			if err := j.Check(j.Acked(), stored); err != nil {
				t.Error(err)
			}
			if len(stored) != 20+acknowledged {
				t.Errorf("want %d keys, got %d", 20+acknowledged, len(stored))
			}
		})
	}
}

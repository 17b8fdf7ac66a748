package snapshot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// TestADrillRestoresWhatWasSaved on the etcd of the same version, with authentication on, and tells other data apart.
func TestADrillRestoresWhatWasSaved(t *testing.T) {
	needReal(t)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			w, m := newWorld(t), startEtcd(t, version)
			w.agent.Roots.Programs = filepath.Dir(program(t, "etcd-v"+version+"/etcd"))
			m.put(t, 200, 1024)
			m.enableAuth(t, "let-me-in")
			what := saveTask(m, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
			w.fails(t, task.Save, what, task.EtcdAccessDenied)
			w.env[task.EnvEtcdUser], w.env[task.EnvEtcdPassword] = "root", "wrong"
			w.fails(t, task.Save, what, task.EtcdAccessDenied)
			w.env[task.EnvEtcdPassword] = "let-me-in"
			saved := w.succeeds(t, task.Save, what)
			if saved.TotalKeys == nil || *saved.TotalKeys != 200 || saved.HashKV == "" {
				t.Fatalf("saved %+v", saved)
			}

			drill := exact(task.Task{Location: what.Location, Expect: *saved, EtcdVersion: version}, "nightly.db")
			w.succeeds(t, task.Drill, drill)
			w.scratchIsEmpty(t)

			other := drill
			more := int64(201)
			other.Expect.TotalKeys = &more
			if message := w.fails(t, task.Drill, other, task.DrillFailed); !strings.Contains(message, "200 keys") {
				t.Errorf("the message does not tell the difference: %s", message)
			}
			other = drill
			other.Expect.Revision = 0
			w.fails(t, task.Drill, other, task.BadTask)
			flip(t, filepath.Join(w.agent.Roots.Volume, "nightly.db"), int(saved.SizeBytes/2))
			w.fails(t, task.Drill, drill, task.SnapshotDamaged)
			w.scratchIsEmpty(t)
		})
	}
}

// TestTheMemberOfADrillIsAskedItself: what it holds counts, not what was fetched.
func TestTheMemberOfADrillIsAskedItself(t *testing.T) {
	needReal(t)
	w, m := newWorld(t), startEtcd(t, "3.6.16")
	m.put(t, 20, 1024)
	what := saveTask(m, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
	saved := w.succeeds(t, task.Save, what)
	drill := exact(task.Task{Location: what.Location, Expect: *saved, EtcdVersion: "3.6.16"}, "nightly.db")
	t.Setenv(task.EnvEtcdPassword, "let-me-in")
	genuine := filepath.Dir(program(t, "etcd-v3.6.16/etcd"))
	for _, bad := range []struct {
		claim, etcdutl string
		reason         task.Reason
		says           string
	}{
		{"etcdutl refuses", "echo it is bad >&2; exit 1", task.SnapshotDamaged, "it is bad"},
		{"etcdutl is told no secret, which it might log", `echo "knows '$ETCD_PASSWORD'" >&2; exit 1`, task.SnapshotDamaged, "knows ''"},
		{"the node is full", "echo 'write: no space left on device' >&2; exit 1", task.ScratchFull, "no space"},
		{"other data are restored", genuine + `/etcdutl "$@" && shift 3 && for a; do case $a in --data-dir=*) dir=${a#*=};; esac; done &&
			LC_ALL=C sed -i 's/00000007/00000008/' $dir/member/snap/db`, task.DrillFailed, "HashKV"},
		{"nothing is restored", "for a; do case $a in --data-dir=*) mkdir -p ${a#*=}/member/snap;; esac; done", task.DrillFailed, "revision 1 "},
	} {
		t.Run(bad.claim, func(t *testing.T) {
			w.agent.Roots.Programs = t.TempDir()
			script := "#!/bin/bash\nexport PATH=/usr/bin:/bin\n" + bad.etcdutl + "\n"
			if err := os.WriteFile(filepath.Join(w.agent.Roots.Programs, "etcdutl"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(genuine, "etcd"), filepath.Join(w.agent.Roots.Programs, "etcd")); err != nil {
				t.Fatal(err)
			}
			if message := w.fails(t, task.Drill, drill, bad.reason); !strings.Contains(message, bad.says) {
				t.Errorf("the message does not say %q: %s", bad.says, message)
			}
			w.scratchIsEmpty(t)
		})
	}
}

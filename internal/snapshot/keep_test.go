package snapshot

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// stores runs a test for an S3 server and for a volume. file is where what is stored lies.
func stores(t *testing.T, test func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(name string) string)) {
	needReal(t)
	t.Run("s3", func(t *testing.T) {
		server, w := startS3(t), newWorld(t)
		test(t, w, server.location(""), server.file)
		if left := server.uploads(t); len(left) > 0 {
			t.Errorf("unfinished uploads are left: %v", left)
		}
		w.scratchIsEmpty(t)
	})
	t.Run("pvc", func(t *testing.T) {
		w := newWorld(t)
		test(t, w, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}}, func(name string) string {
			return filepath.Join(w.agent.Roots.Volume, name)
		})
		hidden, err := filepath.Glob(filepath.Join(w.agent.Roots.Volume, ".*"))
		if err != nil || len(hidden) > 0 {
			t.Errorf("unfinished files are left: %v, %v", hidden, err)
		}
		w.scratchIsEmpty(t)
	})
}

func exact(what task.Task, name string) task.Task {
	if what.Location.S3 != nil {
		at := *what.Location.S3
		at.Key = name
		what.Location.S3 = &at
	} else {
		at := *what.Location.PVC
		at.SubPath = name
		what.Location.PVC = &at
	}
	return what
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// flip turns one bit of a file over, where the server of S3 does not see it.
func flip(t *testing.T, file string, at int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one := make([]byte, 1)
	if _, err := f.ReadAt(one, int64(at)); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1
	if _, err := f.WriteAt(one, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// TestASecondTryFindsTheFirst: a Pod may die after it has stored all and before it has said so.
func TestASecondTryFindsTheFirst(t *testing.T) {
	stores(t, func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(string) string) {
		m := startEtcd(t, "3.6.16")
		m.put(t, 100, 1024)
		what := saveTask(m, to)
		first := w.succeeds(t, task.Save, what)
		m.put(t, 10, 1024)
		before := read(t, file("nightly.db"))
		second := w.succeeds(t, task.Save, what)
		first.Duration, second.Duration = nil, nil
		if *first.TotalKeys != *second.TotalKeys {
			t.Errorf("%d keys became %d", *first.TotalKeys, *second.TotalKeys)
		}
		first.TotalKeys, second.TotalKeys = nil, nil
		if *first != *second || !bytes.Equal(before, read(t, file("nightly.db"))) {
			t.Errorf("the second try reports %+v, the first %+v", second, first)
		}
		flip(t, file("nightly.db"), len(before)/2)
		third := w.succeeds(t, task.Save, what)
		if third.Revision != 111 || third.Checksum == first.Checksum {
			t.Errorf("what was damaged is reported as %+v", third)
		}
	})
}

// TestWhatIsNotOursIsLeftAlone: neither overwritten nor deleted, whatever it is.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	stores(t, func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(string) string) {
		m := startEtcd(t, "3.6.16")
		m.put(t, 10, 1024)
		what := saveTask(m, to)
		w.succeeds(t, task.Save, what)
		before := read(t, file("nightly.db"))
		other := what
		other.UID = "uid-2"
		message := w.fails(t, task.Save, other, task.ForeignObject)
		if !strings.Contains(message, "nightly.db") {
			t.Errorf("the message does not say where: %s", message)
		}
		w.fails(t, task.Delete, exact(other, "nightly.db"), task.ForeignObject)
		if !bytes.Equal(before, read(t, file("nightly.db"))) {
			t.Error("it was changed")
		}
		unmarked := what
		unmarked.Snapshot = "of-somebody"
		if err := os.WriteFile(file("of-somebody.db"), []byte("of somebody"), 0o644); err != nil {
			t.Fatal(err)
		}
		w.fails(t, task.Save, unmarked, task.ForeignObject)
		w.fails(t, task.Delete, exact(unmarked, "of-somebody.db"), task.ForeignObject)
		if got := read(t, file("of-somebody.db")); string(got) != "of somebody" {
			t.Errorf("it was changed to %q", got)
		}
	})
}

// TestDeletingDeletesOnce: what is gone need not be deleted.
func TestDeletingDeletesOnce(t *testing.T) {
	stores(t, func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(string) string) {
		m := startEtcd(t, "3.6.16")
		m.put(t, 10, 1024)
		what := saveTask(m, to)
		w.succeeds(t, task.Save, what)
		for range 2 {
			w.succeeds(t, task.Delete, exact(what, "nightly.db"))
		}
		for _, gone := range []string{"nightly.db", "nightly.db.json"} {
			if _, err := os.Stat(file(gone)); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", gone, err)
			}
		}
	})
}

// TestAFetchedSnapshotIsTheOneThatWasSaved, and nothing else gets the name of the file.
func TestAFetchedSnapshotIsTheOneThatWasSaved(t *testing.T) {
	stores(t, func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(string) string) {
		m := startEtcd(t, "3.6.16")
		m.put(t, 100, 1024)
		for _, compression := range []v1alpha2.SnapshotCompression{v1alpha2.CompressionNone, v1alpha2.CompressionZstd} {
			what, name := saveTask(m, to), "nightly.db"
			if what.Compression = compression; compression == v1alpha2.CompressionZstd {
				name += ".zst"
			}
			saved := w.succeeds(t, task.Save, what)
			fetch := exact(task.Task{Location: to, Expect: *saved, EtcdVersion: "3.6.16"}, name)
			fetch.File, fetch.DataDir = filepath.Join(t.TempDir(), "snapshot.db"), t.TempDir()
			w.succeeds(t, task.Fetch, fetch)
			whole := read(t, fetch.File)
			if int64(len(whole)) != saved.SizeBytes || len(whole)%512 != 32 {
				t.Errorf("fetched are %d bytes of %d", len(whole), saved.SizeBytes)
			}
			refuses := func(what task.Task, reason task.Reason) {
				t.Helper()
				what.File = filepath.Join(t.TempDir(), "snapshot.db")
				w.fails(t, task.Fetch, what, reason)
				if left, err := os.ReadDir(filepath.Dir(what.File)); err != nil || len(left) > 0 {
					t.Errorf("left are %v, %v", left, err)
				}
			}
			older := fetch
			older.EtcdVersion = "3.5.35"
			refuses(older, task.SnapshotTooNew)
			another := fetch
			another.Expect.Checksum = "sha256:0"
			refuses(another, task.SnapshotDamaged)
			another = fetch
			another.Expect.Revision++
			refuses(another, task.SnapshotDamaged)
			refuses(exact(fetch, "nothing.db"), task.SnapshotMissing)

			stored := read(t, file(name))
			unknown := fetch
			unknown.Expect = v1alpha2.SnapshotArtifact{}
			flip(t, file(name), len(stored)/2)
			refuses(unknown, task.SnapshotDamaged)
			flip(t, file(name), len(stored)/2)
			if err := os.Truncate(file(name), int64(len(stored)-40)); err != nil {
				t.Fatal(err)
			}
			refuses(unknown, task.SnapshotDamaged)
		}
	})
}

// TestNothingIsFetchedForAMemberThatHasData: the file may be gone by then.
func TestNothingIsFetchedForAMemberThatHasData(t *testing.T) {
	w := newWorld(t)
	what := exact(task.Task{Location: v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}}}, "gone.db")
	what.DataDir, what.File = t.TempDir(), filepath.Join(t.TempDir(), "snapshot.db")
	w.fails(t, task.Fetch, what, task.SnapshotMissing)
	if err := os.MkdirAll(filepath.Join(what.DataDir, "member", "wal"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.fails(t, task.Fetch, what, task.SnapshotMissing)
	if err := os.WriteFile(filepath.Join(what.DataDir, "member", "wal", "0.wal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.succeeds(t, task.Fetch, what)
}

// TestAnUploadThatNobodyFinishedIsRemoved: a Pod that was killed cannot have done so.
func TestAnUploadThatNobodyFinishedIsRemoved(t *testing.T) {
	needReal(t)
	server, w, m := startS3(t), newWorld(t), startEtcd(t, "3.6.16")
	core := minio.Core{Client: server.client}
	for _, key := range []string{"nightly.db", "nightly.db.zst", "other/nightly.db"} {
		if _, err := core.NewMultipartUpload(t.Context(), bucket, key, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w.succeeds(t, task.Save, saveTask(m, server.location("")))
	if left := server.uploads(t); len(left) != 2 || left[0] != "nightly.db.zst" {
		t.Errorf("left are %v", left)
	}
}

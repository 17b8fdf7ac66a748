package snapshot

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// faulty is an S3 server behind a wire, and a database that is sent in parts.
type faulty struct {
	*world
	server *s3
	wire   *wire
	member *member
	what   task.Task
}

func newFaulty(t *testing.T, server *s3, m *member) *faulty {
	t.Helper()
	f := &faulty{world: newWorld(t), server: server, wire: newWire(t, server.url), member: m}
	location := server.location(strings.ReplaceAll(t.Name(), " ", "-"))
	location.S3.Endpoint = f.wire.url
	f.what = saveTask(m, location)
	return f
}

func (f *faulty) key() string {
	return task.StoredAt("nightly", f.what.Location, f.what.Compression).S3.Key
}

// nothingIsStored says that no object and no upload is there.
func (f *faulty) nothingIsStored(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(f.server.file(f.key())); !os.IsNotExist(err) {
		t.Errorf("something is stored: %v", err)
	}
	for _, key := range f.server.uploads(t) {
		if key == f.key() {
			t.Errorf("an upload of %s is left", key)
		}
	}
	f.scratchIsEmpty(t)
}

// TestNoFaultEndsAsASuccess: of the store, of the network, of etcd. When the fault goes the next try succeeds.
func TestNoFaultEndsAsASuccess(t *testing.T) {
	needReal(t)
	server, m := startS3(t), startEtcd(t, "3.6.16")
	m.put(t, 40, 1<<20)
	const middle = 24 << 20
	for _, fault := range []struct {
		claim   string
		harm    func(f *faulty)
		mend    func(f *faulty)
		reason  task.Reason // none: it succeeds nevertheless
		says    string
		touches bool // something may be stored
	}{
		{claim: "the store is down", reason: task.StoreUnreachable, says: "127.0.0.1",
			harm: func(f *faulty) { f.wire.fail(true) }, mend: func(f *faulty) { f.wire.fail(false) }},
		{claim: "the store goes down in the middle", reason: task.StoreUnreachable, touches: true,
			harm: func(f *faulty) { f.wire.set(cutAt(to, middle, 1000)) }, mend: func(f *faulty) { f.wire.set(nil) }},
		{claim: "a connection is cut in the middle of a part",
			harm: func(f *faulty) { f.wire.set(cutAt(to, middle, 2)) }},
		{claim: "a connection is cut in the middle of reading back",
			harm: func(f *faulty) { f.wire.set(cutAt(back, middle, 2)) }},
		{claim: "reading back is cut again and again", reason: task.StoreUnreachable, touches: true,
			harm: func(f *faulty) { f.wire.set(cutAt(back, middle, 1000)) }, mend: func(f *faulty) { f.wire.set(nil) }},
		{claim: "a bit is flipped on the way to the store", reason: task.StoreFailed,
			harm: func(f *faulty) { f.wire.set(flipAt(to, middle)) }},
		{claim: "a bit is flipped on the way back", reason: task.ReadBackDiffers, touches: true,
			harm: func(f *faulty) { f.wire.set(flipAt(back, middle)) }},
		{claim: "the store is slow", harm: func(f *faulty) {
			f.wire.set(func(m *meddling) { m.delay = time.Millisecond })
		}},
		{claim: "the secret is wrong", reason: task.StoreAccessDenied, says: "denied",
			harm: func(*faulty) { _ = os.Setenv("AWS_SECRET_ACCESS_KEY", "wrong") },
			mend: func(*faulty) { _ = os.Setenv("AWS_SECRET_ACCESS_KEY", secretKey) }},
		{claim: "the bucket is another one", reason: task.StoreMissing, says: "bucket",
			harm: func(f *faulty) { f.what.Location.S3.Bucket = "nowhere" },
			mend: func(f *faulty) { f.what.Location.S3.Bucket = bucket }},
		{claim: "the member goes away in the middle", reason: task.StreamBroken,
			harm: func(f *faulty) { f.cutMember(t, middle) }, mend: func(f *faulty) { f.what.Endpoints[0].URL = m.url }},
		{claim: "no member is there", reason: task.NoHealthyMember, says: "m:",
			harm: func(f *faulty) { f.what.Endpoints[0].URL = "http://" + freeAddress(t) },
			mend: func(f *faulty) { f.what.Endpoints[0].URL = m.url }},
	} {
		t.Run(fault.claim, func(t *testing.T) {
			f := newFaulty(t, server, m)
			fault.harm(f)
			if fault.reason == "" {
				f.succeeds(t, task.Save, f.what)
				return
			}
			if message := f.fails(t, task.Save, f.what, fault.reason); !strings.Contains(message, fault.says) {
				t.Errorf("the message does not say %q: %s", fault.says, message)
			}
			if fault.mend != nil {
				fault.mend(f)
			}
			if !fault.touches {
				f.nothingIsStored(t)
			}
			f.succeeds(t, task.Save, f.what)
			f.scratchIsEmpty(t)
			if left := server.uploads(t); len(left) > 0 {
				t.Errorf("unfinished are %v", left)
			}
		})
	}
}

// cutMember puts a wire before the member that breaks in the middle.
func (f *faulty) cutMember(t *testing.T, at int64) {
	w := newWire(t, f.member.url)
	w.set(cutAt(back, at, 1000))
	f.what.Endpoints[0].URL = w.url
}

// onDial runs something when the agent has looked at the store, and before it writes.
func (w *world) onDial(run func()) {
	dial := w.agent.Dial
	w.agent.Dial = func(t etcd.Target) (etcd.Saver, error) {
		run()
		return dial(t)
	}
}

// TestWhatAppearsMeanwhileIsNotOverwritten: the look at the beginning is no proof at the end.
func TestWhatAppearsMeanwhileIsNotOverwritten(t *testing.T) {
	needReal(t)
	small, large := startEtcd(t, "3.6.16"), startEtcd(t, "3.6.16")
	small.put(t, 10, 1024)
	large.put(t, 40, 1<<20)
	for claim, m := range map[string]*member{"sent at once": small, "sent in parts": large} {
		t.Run(claim, func(t *testing.T) {
			stores(t, func(t *testing.T, w *world, to v1alpha2.SnapshotLocation, file func(string) string) {
				w.onDial(func() {
					if err := os.WriteFile(file("nightly.db"), []byte("of somebody"), 0o644); err != nil {
						t.Error(err)
					}
				})
				w.fails(t, task.Save, saveTask(m, to), task.ForeignObject)
				if got := read(t, file("nightly.db")); string(got) != "of somebody" {
					t.Errorf("it was changed: %d bytes", len(got))
				}
			})
		})
	}
	for claim, m := range map[string]*member{"at the last moment, sent at once": small, "at the last moment, sent in parts": large} {
		t.Run(claim, func(t *testing.T) {
			server, w := startS3(t), newWorld(t)
			location := server.location("")
			location.S3.Endpoint = front(t, server.url, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Header.Get("If-None-Match") != "" {
					server.put(t, "nightly.db", "of somebody")
				}
				next.ServeHTTP(w, r)
			})
			w.fails(t, task.Save, saveTask(m, location), task.ForeignObject)
			if got := read(t, server.file("nightly.db")); string(got) != "of somebody" {
				t.Errorf("it was changed: %d bytes", len(got))
			}
		})
	}
}

// TestAStoreWithoutConditionsIsLookedAtAgain: some answer that they do not know them.
func TestAStoreWithoutConditionsIsLookedAtAgain(t *testing.T) {
	needReal(t)
	server, m := startS3(t), startEtcd(t, "3.6.16")
	m.put(t, 40, 1<<20)
	w := newWorld(t)
	location := server.location("")
	location.S3.Endpoint = front(t, server.url, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "" && r.Method != http.MethodGet {
			refuse(w, http.StatusNotImplemented, "NotImplemented")
			return
		}
		next.ServeHTTP(w, r)
	})
	w.succeeds(t, task.Save, saveTask(m, location))
	w.succeeds(t, task.Delete, exact(saveTask(m, location), "nightly.db"))
	w.onDial(func() {
		if err := os.WriteFile(server.file("nightly.db"), []byte("of somebody"), 0o644); err != nil {
			t.Error(err)
		}
	})
	w.fails(t, task.Save, saveTask(m, location), task.ForeignObject)
	if got := read(t, server.file("nightly.db")); string(got) != "of somebody" {
		t.Errorf("it was changed: %d bytes", len(got))
	}
}

// TestALostAnswerIsNotTakenForSomebodyElse: the object is there, and it is ours, but nobody has said so.
func TestALostAnswerIsNotTakenForSomebodyElse(t *testing.T) {
	needReal(t)
	server, small, large := startS3(t), startEtcd(t, "3.6.16"), startEtcd(t, "3.6.16")
	small.put(t, 10, 1024)
	large.put(t, 40, 1<<20)
	for claim, m := range map[string]*member{"of the only request": small, "of the last request": large} {
		t.Run(claim, func(t *testing.T) {
			w, lost := newWorld(t), false
			location := server.location(strings.ReplaceAll(claim, " ", "-"))
			location.S3.Endpoint = front(t, server.url, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				writes := r.Method == http.MethodPost && r.URL.Query().Has("uploadId") || r.Method == http.MethodPut && r.URL.RawQuery == ""
				if !writes || lost {
					next.ServeHTTP(w, r)
					return
				}
				lost = true
				next.ServeHTTP(swallow{w}, r)
				panic(http.ErrAbortHandler)
			})
			report := w.do(t, task.Save, saveTask(m, location)) // some servers finish an upload twice without a word
			if !lost || !report.Succeeded && report.Reason != task.StoreFailed {
				t.Fatalf("lost an answer: %t, ended with %+v", lost, report)
			}
			w.succeeds(t, task.Save, saveTask(m, location))
		})
	}
}

// swallow keeps an answer from its client.
type swallow struct{ http.ResponseWriter }

func (swallow) Write(p []byte) (int, error) { return len(p), nil }
func (swallow) WriteHeader(int)             {}

// TestASnapshotComesFromAFollower while there is one.
func TestASnapshotComesFromAFollower(t *testing.T) {
	needReal(t)
	w, to := newWorld(t), v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}}
	members := startCluster(t, "3.6.16", 3)
	what := saveTask(members[0], to)
	what.Endpoints = nil
	leader := ""
	for i, m := range members {
		name := string(rune('a' + i))
		what.Endpoints = append(what.Endpoints, task.Endpoint{Member: name, URL: m.url})
		status, err := m.client.Status(t.Context(), m.url)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			leader = name
		}
	}
	saved := w.succeeds(t, task.Save, what)
	if saved.Member == leader || saved.Member == "" {
		t.Errorf("it came from %q, and %q leads", saved.Member, leader)
	}
	// Two are gone: the third has no quorum, and what it holds may be old.
	for i, m := range members {
		if string(rune('a'+i)) != saved.Member {
			_ = m.process.Process.Kill()
			_ = m.process.Wait()
		}
	}
	what.Snapshot = "later"
	eventually(t, "have no leader", func() error {
		ctx, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		m := members[saved.Member[0]-'a']
		status, err := m.client.Status(ctx, m.url)
		if err == nil && status.Leader != 0 {
			err = context.DeadlineExceeded
		}
		return err
	})
	if message := w.fails(t, task.Save, what, task.NoHealthyMember); !strings.Contains(message, "no leader") {
		t.Errorf("the message does not say why: %s", message)
	}
}

// TestTheVolumeMayBeFull, or the node's disk.
func TestTheVolumeMayBeFull(t *testing.T) {
	needReal(t)
	m := startEtcd(t, "3.6.16")
	m.put(t, 40, 1<<20)
	what := saveTask(m, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
	for _, full := range []struct {
		claim  string
		mount  func(Roots) string
		reason task.Reason
	}{
		{"the volume", func(r Roots) string { return r.Volume }, task.StoreFull},
		{"the node", func(r Roots) string { return r.Scratch }, task.ScratchFull},
	} {
		t.Run(full.claim, func(t *testing.T) {
			if what.Compression = v1alpha2.CompressionNone; full.reason == task.ScratchFull {
				what.Compression = v1alpha2.CompressionZstd // what is not compressed is not copied
			}
			w := newWorld(t)
			c := w.child(t, task.Save, what, full.mount(w.agent.Roots))
			report := c.report(t)
			if report.Succeeded || report.Reason != full.reason {
				t.Errorf("ended with %+v, want %s", report, full.reason)
			}
			w.succeeds(t, task.Save, what)
		})
	}
}

// TestAKilledAgentLeavesNothingThatTheNextOneMinds, and one that is told to stop cleans up itself.
func TestAKilledAgentLeavesNothingThatTheNextOneMinds(t *testing.T) {
	needReal(t)
	server, m := startS3(t), startEtcd(t, "3.6.16")
	m.put(t, 60, 1<<20)
	for _, told := range []bool{true, false} {
		t.Run(map[bool]string{true: "told to stop", false: "killed"}[told], func(t *testing.T) {
			f := newFaulty(t, server, m)
			f.wire.set(func(m *meddling) { m.delay = time.Millisecond / 2 })
			c := f.child(t, task.Save, f.what, "")
			eventually(t, "send a part", func() error {
				if f.wire.sent() < 30<<20 {
					return context.DeadlineExceeded
				}
				return nil
			})
			if told {
				c.stop(t)
				if report := c.report(t); report.Succeeded || report.Reason != task.Interrupted {
					t.Errorf("ended with %+v", report)
				}
				f.nothingIsStored(t)
			} else {
				c.kill(t)
				if len(server.uploads(t)) != 1 {
					t.Errorf("unfinished are %v, want the one that was killed", server.uploads(t))
				}
			}
			f.wire.set(nil)
			f.succeeds(t, task.Save, f.what)
			if left := server.uploads(t); len(left) > 0 {
				t.Errorf("unfinished are %v", left)
			}
		})
	}
	t.Run("killed while it writes to a volume", func(t *testing.T) {
		w := newWorld(t)
		slow := newWire(t, m.url)
		slow.set(func(m *meddling) { m.delay = time.Millisecond / 2 })
		what := saveTask(m, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
		what.Endpoints[0].URL = slow.url
		c := w.child(t, task.Save, what, "")
		half := filepath.Join(w.agent.Roots.Volume, ".nightly.db.uid-1.tmp")
		eventually(t, "write a part", func() error {
			info, err := os.Stat(half)
			if err == nil && info.Size() < 20<<20 {
				err = context.DeadlineExceeded
			}
			return err
		})
		c.kill(t)
		what.Endpoints[0].URL = m.url
		other := what
		other.UID = "uid-2"
		w.fails(t, task.Save, other, task.ForeignObject) // the name is taken
		w.succeeds(t, task.Save, what)
		if _, err := os.Stat(half); !os.IsNotExist(err) {
			t.Errorf("half of it is left: %v", err)
		}
	})
}

// TestDeletingAlsoRemovesWhatNobodyFinished, and is refused like anything else.
func TestDeletingAlsoRemovesWhatNobodyFinished(t *testing.T) {
	needReal(t)
	server := startS3(t)
	w := newWorld(t)
	what := exact(task.Task{Snapshot: "nightly", UID: "uid-1", Location: server.location("")}, "nightly.db")
	core := minio.Core{Client: server.client}
	if _, err := core.NewMultipartUpload(t.Context(), bucket, "nightly.db", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	w.fails(t, task.Delete, what, task.StoreAccessDenied)
	w.fails(t, task.Fetch, task.Task{Location: what.Location, File: filepath.Join(t.TempDir(), "f")}, task.StoreAccessDenied)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	w.succeeds(t, task.Delete, what)
	if left := server.uploads(t); len(left) > 0 {
		t.Errorf("unfinished are %v", left)
	}
	what.Location.S3.Bucket = "nowhere"
	what.File = filepath.Join(t.TempDir(), "f")
	w.fails(t, task.Fetch, what, task.StoreMissing)
}

package snapshot

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const (
	// realVariable makes the tests run that want real etcd and a real S3 server, as the contract suite does.
	realVariable = "ETCD_CONTRACT_REAL"
	// binVariable is a folder with etcd-v<version>/etcd for each version, and versitygw; by default .testbed/bin of the repository.
	binVariable = "ETCD_BIN_DIR"
)

// versions are those that snapshots are taken from and restored to.
var versions = []string{"3.5.35", "3.6.16", "3.7.3"}

func needReal(t *testing.T) {
	t.Helper()
	if os.Getenv(realVariable) != "1" {
		t.Skipf("NOT RUN: snapshots of real etcd %s in a real S3 server; set %s=1", strings.Join(versions, ", "), realVariable)
	}
}

func program(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv(binVariable)
	if dir == "" {
		dir = filepath.Join("..", "..", ".testbed", "bin")
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(path); err != nil {
		t.Fatalf("%s is missing: %v\nBuild it with `.testbed/bin/testbed build s3 etcd-3.5.35 etcd-3.6.16 etcd-3.7.3` (as `make test` does), or "+
			"point %s at a folder that has it.", name, err, binVariable)
	}
	return path
}

// lastPort is the port that was given out last. They lie below those that the kernel gives to outgoing connections.
var lastPort = func() *atomic.Int32 {
	var port atomic.Int32
	port.Store(10000 + int32(os.Getpid()%16000))
	return &port
}()

func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// run starts a program that ends with the test.
func run(t *testing.T, env []string, path string, args ...string) *exec.Cmd {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			const most = 2000
			t.Logf("the last that %s said:\n%s", filepath.Base(path), text[max(0, len(text)-most):])
		}
	})
	return cmd
}

// eventually waits for something of another process.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// member is a cluster of one real member.
type member struct {
	url     string
	process *exec.Cmd
	client  *clientv3.Client
}

func startEtcd(t *testing.T, version string) *member { return startCluster(t, version, 1)[0] }

// startCluster starts members a, b, c, ...; the only one of a single member is called m.
func startCluster(t *testing.T, version string, size int) []*member {
	t.Helper()
	members, names, peers, initial := make([]*member, size), make([]string, size), make([]string, size), []string{}
	for i := range members {
		members[i], names[i], peers[i] = &member{url: "http://" + freeAddress(t)}, string(rune('a'+i)), "http://"+freeAddress(t)
		if size == 1 {
			names[i] = "m"
		}
		initial = append(initial, names[i]+"="+peers[i])
	}
	for i, m := range members {
		m.process = run(t, nil, program(t, "etcd-v"+version+"/etcd"),
			"--name="+names[i], "--data-dir="+filepath.Join(t.TempDir(), "data"),
			"--listen-client-urls="+m.url, "--advertise-client-urls="+m.url,
			"--listen-peer-urls="+peers[i], "--initial-advertise-peer-urls="+peers[i], "--initial-cluster="+strings.Join(initial, ","),
			"--unsafe-no-fsync", "--log-level=warn", "--max-request-bytes=10000000")
		m.client = dial(t, m.url)
	}
	for _, m := range members {
		eventually(t, "reach etcd", func() error {
			ctx, end := context.WithTimeout(t.Context(), time.Second)
			defer end()
			_, err := m.client.Get(ctx, "x")
			return err
		})
	}
	return members
}

func dial(t *testing.T, url string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// put writes keys with values of that many bytes.
func (m *member) put(t *testing.T, keys, bytes int) {
	t.Helper()
	for i := range keys {
		value := strings.Repeat(fmt.Sprintf("%08d", i), bytes/8)
		if _, err := m.client.Put(t.Context(), fmt.Sprintf("key-%06d", i), value); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *member) hash(t *testing.T, revision int64) string {
	t.Helper()
	answer, err := m.client.HashKV(t.Context(), m.url, revision)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%08x", answer.Hash)
}

// s3 is a real S3 server with a bucket.
type s3 struct {
	url, dir string
	client   *minio.Client
}

const (
	bucket    = "backups"
	accessKey = "snapshots"
	secretKey = "not-a-secret-of-anybody"
	region    = "us-east-1"
)

// startS3 starts one, with more arguments for TLS.
func startS3(t *testing.T, secure ...string) *s3 {
	t.Helper()
	address := freeAddress(t)
	s := &s3{url: "http://" + address, dir: t.TempDir()}
	options := &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: region}
	if len(secure) > 0 {
		s.url, options.Secure = "https://"+address, true
		options.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	}
	if err := os.Mkdir(filepath.Join(s.dir, bucket), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, []string{"ROOT_ACCESS_KEY_ID=" + accessKey, "ROOT_SECRET_ACCESS_KEY=" + secretKey}, program(t, "versitygw"),
		append(append([]string{"--port", address, "--region", region}, secure...), "posix", s.dir)...)
	var err error
	s.client, err = minio.New(address, options)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "reach the S3 server", func() error {
		_, err := s.client.BucketExists(t.Context(), bucket)
		return err
	})
	return s
}

func (s *s3) location(key string) v1alpha2.SnapshotLocation {
	return v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{Endpoint: s.url, Bucket: bucket, Key: key, Region: region, ForcePathStyle: true}}
}

// file is where the server keeps an object.
func (s *s3) file(key string) string { return filepath.Join(s.dir, bucket, filepath.FromSlash(key)) }

// put stores something for somebody else.
func (s *s3) put(t *testing.T, key, data string) {
	t.Helper()
	_, err := s.client.PutObject(t.Context(), bucket, key, strings.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	if err != nil {
		t.Error(err)
	}
}

// uploads are those that nobody has finished.
func (s *s3) uploads(t *testing.T) (keys []string) {
	t.Helper()
	for u := range s.client.ListIncompleteUploads(t.Context(), bucket, "", true) {
		if u.Err != nil {
			t.Fatal(u.Err)
		}
		keys = append(keys, u.Key)
	}
	return keys
}

// world is what an agent is told to work with.
type world struct {
	agent *Agent
	env   map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{env: map[string]string{}}
	t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	w.agent = &Agent{
		Roots:  Roots{Volume: t.TempDir(), Scratch: t.TempDir(), EtcdTLS: t.TempDir(), StoreCA: t.TempDir()},
		Getenv: func(name string) string { return w.env[name] },
		Dial:   etcd.Adapter{}.DialSaver, Now: time.Now, Progress: &Progress{}, Log: testr.New(t),
	}
	return w
}

func (w *world) do(t *testing.T, kind task.Kind, what task.Task) task.Report {
	t.Helper()
	report := w.agent.Run(t.Context(), kind, what)
	text, err := report.Encode()
	if err != nil || len(text) > 4096 {
		t.Errorf("the report has %d bytes: %v", len(text), err)
	}
	if strings.Contains(string(text), secretKey) {
		t.Errorf("the report tells the secret: %s", text)
	}
	return report
}

func (w *world) succeeds(t *testing.T, kind task.Kind, what task.Task) *v1alpha2.SnapshotArtifact {
	t.Helper()
	report := w.do(t, kind, what)
	if !report.Succeeded {
		t.Fatalf("%s failed: %s: %s", kind, report.Reason, report.Message)
	}
	if (report.Artifact != nil) != (kind == task.Save) {
		t.Fatalf("the report of %s has the artifact %v", kind, report.Artifact)
	}
	return report.Artifact
}

func (w *world) fails(t *testing.T, kind task.Kind, what task.Task, reason task.Reason) string {
	t.Helper()
	report := w.do(t, kind, what)
	if report.Succeeded || report.Reason != reason || report.Artifact != nil || report.Message == "" {
		t.Fatalf("%s ended with %+v, want %s", kind, report, reason)
	}
	if kind != task.Fetch && reason != task.BadTask && !strings.HasSuffix(report.Message, "; "+advice[reason]) {
		t.Errorf("the message does not say what to do: %s", report.Message)
	}
	return report.Message
}

// scratchIsEmpty says that nothing is left on the node.
func (w *world) scratchIsEmpty(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(w.agent.Roots.Scratch)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the scratch directory: %v, %v", left, err)
	}
}

func saveTask(m *member, to v1alpha2.SnapshotLocation) task.Task {
	return task.Task{
		Snapshot: "nightly", UID: "uid-1", Location: to, Compression: v1alpha2.CompressionNone,
		Endpoints: []task.Endpoint{{Member: "m", URL: m.url}},
	}
}

func (m *member) enableAuth(t *testing.T, password string) {
	t.Helper()
	for _, step := range []func() error{
		func() error { _, err := m.client.UserAdd(t.Context(), "root", password); return err },
		func() error { _, err := m.client.UserGrantRole(t.Context(), "root", "root"); return err },
		func() error { _, err := m.client.AuthEnable(t.Context()); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

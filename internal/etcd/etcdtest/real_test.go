package etcdtest_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdtest"
)

// versions are the etcd versions that the contract holds for.
var versions = []string{"3.5.35", "3.6.16", "3.7.3"}

const (
	// realVariable makes TestReal run.
	realVariable = "ETCD_CONTRACT_REAL"
	// binVariable is a folder with etcd-v<version>/etcd for each version; by default .testbed/bin of the repository.
	binVariable = "ETCD_BIN_DIR"
)

// TestMain lets as many scenarios wait for etcd's 5 seconds at the same time as there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// before is the version before one in versions, empty for the first.
func before(version string) string {
	for i, v := range versions[1:] {
		if v == version {
			return versions[i]
		}
	}
	return ""
}

func TestReal(t *testing.T) {
	if os.Getenv(realVariable) != "1" {
		t.Skipf("NOT RUN: the contract on real etcd %s; set %s=1", strings.Join(versions, ", "), realVariable)
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			binary := binaryOf(t, version)
			start := func(t *testing.T) etcdtest.Harness {
				return &processes{
					binary: binary, version: version, dir: t.TempDir(), t: t, members: map[string]*process{}, metrics: etcd.NewMetrics(nil),
				}
			}
			etcdtest.Run(t, start)
			etcdtest.RunReal(t, start)
		})
	}
}

func binaryOf(t *testing.T, version string) string {
	t.Helper()
	dir := os.Getenv(binVariable)
	if dir == "" {
		dir = filepath.Join("..", "..", "..", ".testbed", "bin")
	}
	binary, err := filepath.Abs(filepath.Join(dir, "etcd-v"+version, "etcd"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(binary); err != nil {
		t.Fatalf("etcd %s is missing: %v\nBuild it with `.testbed/bin/testbed build etcd-%s` (as `make test` does), or point %s at a folder "+
			"with etcd-v%s/etcd.", version, err, version, binVariable, version)
	}
	return binary
}

// processes is the harness of real etcd processes on loopback.
type processes struct {
	t       *testing.T
	binary  string
	version string
	dir     string
	members map[string]*process
	metrics *etcd.Metrics
	files   []string // flags that make the client port speak TLS, if any
}

// process is a member: its addresses, and the process that runs last.
type process struct {
	peer, client, metrics string // host:port on which etcd listens
	front                 *front // what its clients dial
	command               *exec.Cmd
	log                   string
	ended                 chan struct{}
}

func (r *processes) Version() string        { return r.version }
func (r *processes) Before() string         { return before(r.version) }
func (r *processes) Dialer() etcd.Dialer    { return etcd.Adapter{} }
func (r *processes) Peers() etcd.PeerReader { return r.metrics }
func (r *processes) Pass(d time.Duration)   { time.Sleep(d) }

func (r *processes) Address(name string) (peerURL, clientURL string) {
	p := r.members[name]
	if p == nil {
		p = &process{peer: freeAddress(r.t), client: freeAddress(r.t), metrics: freeAddress(r.t)}
		p.front = listen(r.t, p.client)
		r.members[name] = p
	}
	return "http://" + p.peer, r.scheme() + p.front.address()
}

func (r *processes) MetricsAddress(name string) string { return "http://" + r.members[name].metrics }

func (r *processes) scheme() string {
	if len(r.files) > 0 {
		return "https://"
	}
	return "http://"
}

// lastPort is the port that was given out last. They lie below those that the kernel gives to outgoing connections.
var lastPort = func() *atomic.Int32 {
	var port atomic.Int32
	port.Store(12000 + int32(os.Getpid()%16000))
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

func (r *processes) Start(t *testing.T, args etcdfake.Args) {
	t.Helper()
	p := r.members[args.Name]
	state := "new"
	if args.Existing {
		state = "existing"
	}
	p.log = filepath.Join(r.dir, args.Name+".log")
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.command = exec.Command(binaryOf(t, args.Version), "--name="+args.Name, "--data-dir="+filepath.Join(r.dir, args.Volume),
		"--listen-peer-urls="+args.PeerURL, "--initial-advertise-peer-urls="+args.PeerURL,
		"--listen-client-urls="+r.scheme()+p.client, "--advertise-client-urls="+args.ClientURL,
		"--listen-metrics-urls="+r.MetricsAddress(args.Name),
		"--initial-cluster="+args.InitialCluster, "--initial-cluster-token="+args.Token, "--initial-cluster-state="+state,
		"--heartbeat-interval=50", "--election-timeout=500", "--unsafe-no-fsync", "--log-level=warn")
	p.command.Args = append(append(p.command.Args, checks(args)...), r.files...)
	p.command.Stdout, p.command.Stderr = log, log
	if err := p.command.Start(); err != nil {
		t.Fatalf("start etcd: %v", err)
	}
	command, ended := p.command, make(chan struct{})
	p.ended = ended
	go func() {
		_ = command.Wait() // its outcome is read from ProcessState
		close(ended)
	}()
	r.t.Cleanup(func() {
		_ = command.Process.Kill()
		<-ended
		if text, err := os.ReadFile(log.Name()); r.t.Failed() && err == nil {
			const most = 4000
			r.t.Logf("the last that %s said:\n%s", args.Name, text[max(0, len(text)-most):])
		}
	})
}

func (r *processes) Exited(t *testing.T, name string) *etcdfake.Exit {
	t.Helper()
	p := r.members[name]
	select {
	case <-p.ended:
	default:
		return nil
	}
	log, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return &etcdfake.Exit{Code: p.command.ProcessState.ExitCode(), Message: string(log)}
}

func (r *processes) Kill(t *testing.T, name string) {
	t.Helper()
	p := r.members[name]
	_ = p.command.Process.Kill() // it may have ended
	<-p.ended
}

func (r *processes) End(t *testing.T, name string) {
	t.Helper()
	p := r.members[name]
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.ended
}

func (r *processes) Freeze(t *testing.T, name string) {
	t.Helper()
	if err := r.members[name].command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatalf("stop %s: %v", name, err)
	}
}

func (r *processes) Put(t *testing.T, name string, keys int) error {
	t.Helper()
	c := r.direct(t, name)
	for i := range keys {
		if _, err := c.Put(t.Context(), fmt.Sprint("key-", i), sound); err != nil {
			return err
		}
	}
	return nil
}

func (r *processes) Compact(t *testing.T, name string, revision int64) {
	t.Helper()
	if _, err := r.direct(t, name).Compact(t.Context(), revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatalf("compact through %s: %v", name, err)
	}
}

func (r *processes) RaiseAlarm(t *testing.T, name string, kind etcd.AlarmType) {
	t.Helper()
	c := r.direct(t, name)
	status, err := c.Status(t.Context(), c.Endpoints()[0])
	if err != nil {
		t.Fatalf("read status of %s: %v", name, err)
	}
	_, err = clientv3.RetryMaintenanceClient(c, c.ActiveConnection()).Alarm(t.Context(), &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId,
		Alarm: etcdserverpb.AlarmType(etcdserverpb.AlarmType_value[string(kind)]),
	})
	if err != nil {
		t.Fatalf("raise alarm of %s: %v", name, err)
	}
}

func (r *processes) direct(t *testing.T, name string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + r.members[name].client}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *processes) Mute(_ *testing.T, name string, on bool) { r.members[name].front.mute(on) }

package guard

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

const repository = "../.."

// etcdOf is etcd's program of a version.
func etcdOf(t *testing.T, version string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(repository, ".testbed", "bin", "etcd-v"+version, "etcd"))
	if err == nil {
		_, err = exec.LookPath(path)
	}
	if err != nil {
		t.Fatalf("%v: run \"make test-contract\", which builds etcd %s", err, version)
	}
	return path
}

// buildLauncher builds the launcher of this tree.
func buildLauncher(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "etcd-launcher")
	if out, err := exec.Command("go", "build", "-o", path, repository+"/cmd/etcd-launcher").CombinedOutput(); err != nil {
		t.Fatalf("build the launcher: %v: %s", err, out)
	}
	return path
}

// member is one of a cluster of three, and its disk.
type member struct {
	name, client, peer string
	disk               string // holds the data, and the launcher's marker beside it
	started            bool
	command            *exec.Cmd
	ended              chan struct{}
}

// cluster is three members on loopback.
type cluster struct {
	t        *testing.T
	etcd     string
	launcher string // empty: etcd starts without asking anybody
	members  []*member
}

func newCluster(t *testing.T, etcd, launcher string) *cluster {
	t.Helper()
	c := &cluster{t: t, etcd: etcd, launcher: launcher}
	for _, name := range []string{"a", "b", "c"} {
		c.members = append(c.members, &member{
			name: name, client: freeAddress(t), peer: freeAddress(t), disk: filepath.Join(t.TempDir(), name),
		})
	}
	for _, m := range c.members {
		c.start(m)
	}
	return c
}

// start starts a member as its Pod would: with the same flags each time, but that the cluster is new only once.
func (c *cluster) start(m *member) {
	c.t.Helper()
	state, grant := "existing", ""
	if !m.started {
		state, grant = "new", "empty"
	}
	if err := os.MkdirAll(m.disk, 0o700); err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, o := range c.members {
		all = append(all, o.name+"=http://"+o.peer)
	}
	argv := []string{
		c.etcd, "--name=" + m.name, "--data-dir=" + filepath.Join(m.disk, "data"),
		"--listen-peer-urls=http://" + m.peer, "--initial-advertise-peer-urls=http://" + m.peer,
		"--listen-client-urls=http://" + m.client, "--advertise-client-urls=http://" + m.client,
		"--initial-cluster=" + strings.Join(all, ","), "--initial-cluster-token=guard", "--initial-cluster-state=" + state,
		"--heartbeat-interval=50", "--election-timeout=500", "--log-level=panic",
	}
	if c.launcher != "" {
		argv = append([]string{
			c.launcher, "start", "--token=guard", "--member=" + m.name, "--volume=disk-of-" + m.name, "--grant=" + grant,
			"--data-dir=" + filepath.Join(m.disk, "data"), "--marker=" + filepath.Join(m.disk, "member.json"),
			"--state-dir=" + c.t.TempDir(), "--",
		}, argv...)
	}
	m.started, m.command, m.ended = true, exec.Command(argv[0], argv[1:]...), make(chan struct{})
	if err := m.command.Start(); err != nil {
		c.t.Fatalf("start %s: %v", m.name, err)
	}
	command, ended := m.command, m.ended
	go func() {
		_ = command.Wait() // its outcome is read from ProcessState
		close(ended)
	}()
	c.t.Cleanup(func() { m.kill() })
}

// kill ends a member as a power loss does. What it had handed to the kernel to send is not taken back, so it is not merely stopped.
func (m *member) kill() {
	_ = m.command.Process.Kill() // it may have ended
	<-m.ended
}

// loseDisk empties the disk of a member that does not run.
func (m *member) loseDisk(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(m.disk); err != nil {
		t.Fatal(err)
	}
}

// exit is the exit code of a member that ends within some time.
func (m *member) exit(limit time.Duration) (code int, ended bool) {
	select {
	case <-m.ended:
		return m.command.ProcessState.ExitCode(), true
	case <-time.After(limit):
		return 0, false
	}
}

// write writes so many keys through some members, and holds on to what was acknowledged.
func (c *cluster) write(j *traffic.Journal, prefix string, n int, through ...*member) {
	c.t.Helper()
	client := c.dial(through...)
	for i := range n {
		key := fmt.Sprintf("%s/%03d", prefix, i)
		if err := j.Sending(key, key); err != nil {
			c.t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
		_, err := client.Put(ctx, key, key)
		cancel()
		if err == nil {
			err = j.Acknowledged(key, time.Now())
		}
		if err != nil {
			c.t.Fatalf("write %s: %v", key, err)
		}
	}
}

func (c *cluster) dial(members ...*member) *clientv3.Client {
	c.t.Helper()
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.client)
	}
	client, err := traffic.Dial(endpoints...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	return client
}

// leaderLast puts the members into an order.
func (c *cluster) leaderLast() {
	c.t.Helper()
	client := c.dial(c.members...)
	for i, m := range c.members {
		status, err := client.Status(c.t.Context(), m.client)
		if err != nil {
			c.t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			last := len(c.members) - 1
			c.members[i], c.members[last] = c.members[last], c.members[i]
			return
		}
	}
	c.t.Fatal("nobody leads")
}

// read reads everything from a member, linearizably; nil if that takes too long.
func (c *cluster) read(m *member, limit time.Duration) map[string]string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	got, err := c.dial(m).Get(ctx, "", clientv3.WithPrefix())
	if err != nil {
		return nil
	}
	stored := map[string]string{}
	for _, kv := range got.Kvs {
		stored[string(kv.Key)] = string(kv.Value)
	}
	return stored
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

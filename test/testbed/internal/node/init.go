package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

const containerdSocket = "/run/containerd/containerd.sock"

// Init is PID 1 of the node; it returns only with an error, and the node ends with it.
func (n Node) Init() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n.mounts(); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(n.Name())); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	// This uses os/exec, so it comes before the supervisor's wait loop.
	if err := network.ConfigureNode(ctx, n.Number); err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() {
		if err := n.boot(newSupervisor()); err != nil {
			failed <- err
		}
	}()
	select {
	case <-stop:
		return nil
	case err := <-failed:
		return err
	}
}

// mounts gives the node its own view of the folders that the programs write to.
func (n Node) mounts() error {
	// Nothing mounted here is seen by the host, and what the host mounts later is seen here: volumes with a size of their own
	// (machine.ShareVolumes). Then share within the node: volume mounts have to propagate.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("cut the mounts off from the host: %w", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	for _, d := range []string{"/run/containerd", "/run/netns", "/run/lock"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("create %s: %w", d, err)
		}
	}
	for from, to := range n.binds() {
		if err := syscall.Mount(from, to, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", to, err)
		}
	}
	return nil
}

// boot starts containerd, imports the images, and starts the kubelet and kube-proxy once the API server listens.
func (n Node) boot(s *supervisor) error {
	go s.keep(n.log("containerd"), n.Tools.Containerd, "--config", n.Dir("containerd.toml"))
	if err := await("unix", containerdSocket, time.Minute); err != nil {
		return err
	}
	if err := n.importImages(s); err != nil {
		return err
	}
	address := fmt.Sprintf("%s:%d", network.HostIP, network.APIPort)
	if err := await("tcp", address, 10*time.Minute); err != nil {
		return err
	}
	pki := n.Layout.PKI
	go s.keep(n.log("kube-proxy"), n.Layout.Bin("kube-proxy"),
		"--config="+n.Dir("kube-proxy.yaml"), "--hostname-override="+n.Name())
	s.keep(n.log("kubelet"), n.Layout.Bin("kubelet"),
		"--config="+n.Dir("kubelet.yaml"), "--kubeconfig="+pki(n.Name()+".conf"),
		"--hostname-override="+n.Name(), "--node-ip="+n.IP(),
		fmt.Sprintf("--node-labels=topology.kubernetes.io/zone=zone%d", n.Number), "--v=2")
	return nil
}

// await waits until something listens.
func await(kind, address string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.DialTimeout(kind, address, time.Second)
		if err == nil {
			_ = conn.Close()
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("wait for %s: %w", address, err)
		}
	}
}

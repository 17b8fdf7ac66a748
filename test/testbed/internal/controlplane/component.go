package controlplane

import (
	"fmt"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/process"
)

const (
	etcdClient = "http://127.0.0.1:23790"
	etcdPeer   = "http://127.0.0.1:23800"
)

// Stores are the programs that start first; Controllers start once the API server is ready.
var (
	Stores      = []string{"etcd", "kube-apiserver"}
	Controllers = []string{"kube-controller-manager", "kube-scheduler", "coredns", "provisioner"}
)

// Names lists the programs that every cluster has, in the order of their start.
func Names() []string { return append(append([]string(nil), Stores...), Controllers...) }

// Program returns how to start a program.
func Program(l layout.Layout, name string) (process.Program, error) {
	args := map[string]func(layout.Layout) []string{
		"etcd": etcdArgs, "kube-apiserver": apiserverArgs, "kube-controller-manager": managerArgs,
		"kube-scheduler": schedulerArgs, "coredns": dnsArgs, "provisioner": provisionerArgs,
		"cert-manager": certManagerArgs, s3Plain: s3Args, s3TLS: s3TLSArgs,
	}[name]
	p := process.Program{Name: name, Path: l.Bin(name), Args: args(l), Log: l.Logs(name + ".log"), Owner: l.Root}
	if name != s3Plain && name != s3TLS {
		return p, nil
	}
	var err error
	p.Path = l.Bin("versitygw")
	p.Env, err = s3Env(l)
	return p, err
}

// etcdArgs skips fsync: the cluster's state is not worth the waiting.
func etcdArgs(l layout.Layout) []string {
	return []string{
		"--name=cp", "--data-dir=" + l.Run("etcd"),
		"--listen-client-urls=" + etcdClient, "--advertise-client-urls=" + etcdClient,
		"--listen-peer-urls=" + etcdPeer, "--initial-advertise-peer-urls=" + etcdPeer,
		"--initial-cluster=cp=" + etcdPeer, "--unsafe-no-fsync", "--log-level=warn",
	}
}

func apiserverArgs(l layout.Layout) []string {
	return []string{
		"--etcd-servers=" + etcdClient,
		"--bind-address=" + network.HostIP, "--advertise-address=" + network.HostIP,
		fmt.Sprintf("--secure-port=%d", network.APIPort),
		"--client-ca-file=" + l.PKI("ca.crt"),
		"--tls-cert-file=" + l.PKI("apiserver.crt"), "--tls-private-key-file=" + l.PKI("apiserver.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true", "--anonymous-auth=true",
		"--service-account-issuer=https://kubernetes.default.svc." + network.ClusterDomain,
		"--service-account-key-file=" + l.PKI("sa.pub"), "--service-account-signing-key-file=" + l.PKI("sa.key"),
		"--service-cluster-ip-range=" + network.ServiceNet,
		"--kubelet-client-certificate=" + l.PKI("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + l.PKI("apiserver-kubelet-client.key"),
		"--kubelet-certificate-authority=" + l.PKI("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + l.PKI("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.PKI("front-proxy-client.crt"),
		"--proxy-client-key-file=" + l.PKI("front-proxy-client.key"),
		"--enable-aggregator-routing=true", "--cert-dir=" + l.Run("kube-apiserver"), "--profiling=false",
	}
}

func managerArgs(l layout.Layout) []string {
	conf := l.PKI("controller-manager.conf")
	return []string{
		"--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
		"--service-account-private-key-file=" + l.PKI("sa.key"), "--root-ca-file=" + l.PKI("ca.crt"),
		"--cluster-signing-cert-file=" + l.PKI("ca.crt"), "--cluster-signing-key-file=" + l.PKI("ca.key"),
		"--client-ca-file=" + l.PKI("ca.crt"), "--requestheader-client-ca-file=" + l.PKI("front-proxy-ca.crt"),
		"--node-monitor-period=1s", "--node-monitor-grace-period=8s",
		"--kube-api-qps=100", "--kube-api-burst=200",
		"--cert-dir=" + l.Run("kube-controller-manager"), "--profiling=false",
	}
}

func schedulerArgs(l layout.Layout) []string {
	conf := l.PKI("scheduler.conf")
	return []string{
		"--kubeconfig=" + conf, "--authentication-kubeconfig=" + conf, "--authorization-kubeconfig=" + conf,
		"--bind-address=127.0.0.1", "--leader-elect=false",
		"--cert-dir=" + l.Run("kube-scheduler"), "--profiling=false",
	}
}

func dnsArgs(l layout.Layout) []string { return []string{"-conf", l.Run("Corefile")} }

func provisionerArgs(l layout.Layout) []string {
	return []string{"-kubeconfig", l.PKI("provisioner.conf"), "-root", l.Volumes()}
}

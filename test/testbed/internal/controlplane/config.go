package controlplane

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"text/template"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
	"github.com/cozystack/etcd-operator/test/testbed/internal/node"
	"github.com/cozystack/etcd-operator/test/testbed/internal/pki"
)

//go:embed Corefile
var corefile string

//go:embed root.zone
var rootZone []byte

// Manifests are the objects that every cluster gets.
//
//go:embed manifests.yaml
var Manifests []byte

// Configure writes keys, kubeconfigs and the DNS configuration for a cluster of so many nodes.
func Configure(l layout.Layout, nodes int) error {
	if err := certificates(l, nodes); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	t, err := template.New("Corefile").Parse(corefile)
	if err != nil {
		return fmt.Errorf("parse Corefile: %w", err)
	}
	var b bytes.Buffer
	values := map[string]string{
		"HostIP": network.HostIP, "Domain": network.ClusterDomain,
		"Kubeconfig": l.PKI("coredns.conf"), "RootZone": l.Run("root.zone"),
	}
	if err := t.Execute(&b, values); err != nil {
		return fmt.Errorf("fill in Corefile: %w", err)
	}
	if err := os.WriteFile(l.Run("Corefile"), b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write Corefile: %w", err)
	}
	if err := os.WriteFile(l.Run("root.zone"), rootZone, 0o644); err != nil {
		return fmt.Errorf("write root zone: %w", err)
	}
	return nil
}

func certificates(l layout.Layout, nodes int) error {
	ca, err := pki.Open(l.PKI(), "ca")
	if err != nil {
		return err
	}
	front, err := pki.Open(l.PKI(), "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := pki.KeyPair(l.PKI(), "sa"); err != nil {
		return err
	}
	if err := front.Issue(pki.Request{Name: "front-proxy-client", CommonName: "front-proxy-client"}); err != nil {
		return err
	}
	for _, r := range serving(nodes) {
		if err := ca.Issue(r); err != nil {
			return err
		}
	}
	for _, r := range clients(nodes) {
		if err := ca.Kubeconfig(r, network.APIServer, l.PKI(r.Name+".conf")); err != nil {
			return err
		}
	}
	admin := pki.Request{Name: "admin", CommonName: "admin", Organization: "system:masters"}
	return ca.Kubeconfig(admin, network.APIServer, l.Kubeconfig())
}

// serving lists the certificates of servers, and the one client that uses no kubeconfig.
func serving(nodes int) []pki.Request {
	requests := []pki.Request{
		{
			Name: "apiserver", CommonName: "kube-apiserver", Server: true,
			DNS: []string{
				"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc." + network.ClusterDomain,
			},
			IPs: []string{"127.0.0.1", network.APIServiceIP, network.HostIP},
		},
		{Name: "s3", CommonName: "s3", Server: true, DNS: []string{"localhost"}, IPs: []string{network.HostIP}},
		{Name: "apiserver-kubelet-client", CommonName: "kube-apiserver-kubelet-client", Organization: "system:masters"},
	}
	for n := 1; n <= nodes; n++ {
		requests = append(requests, pki.Request{
			Name: node.Name(n) + "-server", CommonName: "system:node:" + node.Name(n), Organization: "system:nodes",
			DNS: []string{node.Name(n)}, IPs: []string{network.NodeIP(n)}, Server: true,
		})
	}
	return requests
}

func clients(nodes int) []pki.Request {
	requests := []pki.Request{
		{Name: "controller-manager", CommonName: "system:kube-controller-manager"},
		{Name: "scheduler", CommonName: "system:kube-scheduler"},
		{Name: "kube-proxy", CommonName: "system:kube-proxy"},
		{Name: "coredns", CommonName: "coredns"},
		{Name: "provisioner", CommonName: "provisioner"},
		{Name: "cert-manager", CommonName: "cert-manager"},
	}
	for n := 1; n <= nodes; n++ {
		requests = append(requests, pki.Request{
			Name: node.Name(n), CommonName: "system:node:" + node.Name(n), Organization: "system:nodes",
		})
	}
	return requests
}

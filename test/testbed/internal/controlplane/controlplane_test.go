package controlplane

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

func TestConfigure(t *testing.T) {
	l := layout.Layout{Root: t.TempDir()}
	if err := l.Make(); err != nil {
		t.Fatal(err)
	}
	if err := Configure(l, 2); err != nil {
		t.Fatal(err)
	}
	// Every file that a program is told to read is there.
	for _, name := range append(Names(), AddOns()...) {
		for _, arg := range Program(l, name).Args {
			file := arg[strings.Index(arg, "=")+1:]
			if !strings.HasPrefix(file, l.PKI()) {
				continue
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, f := range []string{l.Kubeconfig(), l.Run("Corefile"), l.Run("root.zone"), l.PKI("node2.conf"), l.PKI("node2-server.key")} {
		if _, err := os.Stat(f); err != nil {
			t.Error(err)
		}
	}
	raw, err := os.ReadFile(l.PKI("apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{network.HostIP, network.APIServiceIP, "kubernetes.default.svc"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewClient(l); err != nil {
		t.Error(err)
	}
}

func TestParseNodes(t *testing.T) {
	raw := `{"items":[
	 {"metadata":{"name":"node1"},"status":{"nodeInfo":{"kubeletVersion":"v1"},"conditions":[
	  {"type":"MemoryPressure","status":"False"},
	  {"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-02T03:04:05Z"}],
	  "images":[{"names":["localhost/a:1","localhost/b:1"]}]}},
	 {"metadata":{"name":"node2"},"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}]}`
	nodes, err := parseNodes([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if n := nodes["node1"]; !n.Ready || n.Version != "v1" || n.Heartbeat.Year() != 2026 {
		t.Errorf("node1 is %+v", n)
	}
	if n := nodes["node2"]; n.Ready || len(nodes) != 2 {
		t.Errorf("node2 is %+v of %d", n, len(nodes))
	}
	if _, err := parseNodes([]byte("x")); err == nil {
		t.Error("nonsense is accepted")
	}
}

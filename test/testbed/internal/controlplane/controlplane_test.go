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
	for _, name := range append(Names(), AddOnPrograms(AddOns())...) {
		p, err := Program(l, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, arg := range p.Args {
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

func TestTheS3ServerKeepsItsCredentialsToItself(t *testing.T) {
	l := layout.Layout{Root: t.TempDir()}
	var secrets []string
	for _, name := range []string{s3Plain, s3TLS, s3Plain} {
		p, err := Program(l, name)
		if err != nil {
			t.Fatal(err)
		}
		secret, found := strings.CutPrefix(p.Env[1], "ROOT_SECRET_ACCESS_KEY=")
		if !found || len(secret) < 20 || strings.Contains(strings.Join(p.Args, " "), secret) {
			t.Errorf("%s is started with %d variables", name, len(p.Env))
		}
		secrets = append(secrets, secret)
	}
	if secrets[0] != secrets[1] || secrets[1] != secrets[2] {
		t.Error("its processes have different credentials")
	}
	raw, err := os.ReadFile(l.S3Credentials())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AWS_SECRET_ACCESS_KEY=" + secrets[0], "AWS_CA_BUNDLE=" + l.PKI("ca.crt"), "TESTBED_S3_TLS_URL=https://"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the file lacks %s", strings.Split(want, "=")[0])
		}
	}
	if info, err := os.Stat(l.S3Credentials()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(l.S3Credentials(), []byte("AWS_ACCESS_KEY_ID=x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Program(l, s3Plain); err == nil {
		t.Error("it is started without a secret")
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

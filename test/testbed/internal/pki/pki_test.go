package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestIssue(t *testing.T) {
	dir := t.TempDir()
	ca, err := Open(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Name: "server", CommonName: "s", Organization: "o", DNS: []string{"localhost"}, IPs: []string{"127.0.0.1"}, Server: true}
	if err := ca.Issue(r); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, filepath.Join(dir, "ca.crt")))
	cert := certificate(t, filepath.Join(dir, "server.crt"))
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("verify for %s: %v", name, err)
		}
	}
	client := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := cert.Verify(client); err == nil {
		t.Error("a server's certificate is good for a client")
	}
	info, err := os.Stat(filepath.Join(dir, "server.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
}

func TestSecondRunKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	var runs [2][]byte
	for n := range runs {
		ca, err := Open(dir, "ca")
		if err != nil {
			t.Fatal(err)
		}
		if err := KeyPair(dir, "sa"); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "admin.conf")
		if err := ca.Kubeconfig(Request{Name: "admin", CommonName: "admin"}, "https://localhost:6443", file); err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"admin.conf", "ca.crt", "ca.key", "sa.key", "sa.pub"} {
			raw, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			runs[n] = append(runs[n], raw...)
		}
	}
	if !bytes.Equal(runs[0], runs[1]) {
		t.Error("the second run made new keys")
	}
}

func TestKubeconfig(t *testing.T) {
	dir := t.TempDir()
	ca, err := Open(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "x.conf")
	if err := ca.Kubeconfig(Request{Name: "x", CommonName: "x"}, "https://localhost:6443", file); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"server: https://localhost:6443", "context: {cluster: testbed, user: x}", "client-key-data: LS0"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %q in\n%s", want, raw)
		}
	}
	if strings.Contains(string(raw), "%!") {
		t.Errorf("the template does not fit its values:\n%s", raw)
	}
}

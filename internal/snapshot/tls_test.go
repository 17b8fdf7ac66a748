package snapshot

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// authority issues certificates for 127.0.0.1.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

// write puts a certificate for a name, its key and the CA into a directory, as a Pod has them.
func (a authority) write(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	err = errors.Join(err, writePEM(dir, "tls.crt", "CERTIFICATE", raw), writePEM(dir, "tls.key", "EC PRIVATE KEY", secret), a.writeCA(dir))
	if err != nil {
		t.Fatal(err)
	}
}

func (a authority) writeCA(dir string) error {
	return writePEM(dir, "ca.crt", "CERTIFICATE", a.certificate.Raw)
}

func writePEM(dir, name, kind string, data []byte) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600)
}

// TestTheStoreIsTrustedByItsCA, and nobody else is.
func TestTheStoreIsTrustedByItsCA(t *testing.T) {
	needReal(t)
	ca, other, m, w := newAuthority(t), newAuthority(t), startEtcd(t, "3.6.16"), newWorld(t)
	m.put(t, 40, 1<<20)
	dir := t.TempDir()
	ca.write(t, dir, "s3")
	server := startS3(t, "--cert", filepath.Join(dir, "tls.crt"), "--key", filepath.Join(dir, "tls.key"))
	what := saveTask(m, server.location("tls"))
	if message := w.fails(t, task.Save, what, task.StoreUnreachable); !strings.Contains(message, "unknown authority") {
		t.Errorf("the message does not say why: %s", message)
	}
	for _, trusted := range []authority{other, ca} {
		if err := trusted.writeCA(w.agent.Roots.StoreCA); err != nil {
			t.Fatal(err)
		}
		if trusted == other {
			w.fails(t, task.Save, what, task.StoreUnreachable)
		}
	}
	w.succeeds(t, task.Save, what)
}

// TestMembersAreTrustedByTheirCA, and told who asks by a certificate.
func TestMembersAreTrustedByTheirCA(t *testing.T) {
	needReal(t)
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			ca, w, dir := newAuthority(t), newWorld(t), t.TempDir()
			ca.write(t, dir, "member")
			ca.write(t, w.agent.Roots.EtcdTLS, "root")
			url, peer := "https://"+freeAddress(t), "http://"+freeAddress(t)
			run(t, nil, program(t, "etcd-v"+version+"/etcd"), "--name=m", "--data-dir="+filepath.Join(t.TempDir(), "data"),
				"--listen-client-urls="+url, "--advertise-client-urls="+url, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
				"--initial-cluster=m="+peer, "--unsafe-no-fsync", "--log-level=warn", "--client-cert-auth",
				"--trusted-ca-file="+filepath.Join(dir, "ca.crt"), "--cert-file="+filepath.Join(dir, "tls.crt"),
				"--key-file="+filepath.Join(dir, "tls.key"))
			what := saveTask(&member{url: url}, v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "claim"}})
			eventually(t, "save", func() error {
				if report := w.do(t, task.Save, what); !report.Succeeded {
					return errors.New(report.Message)
				}
				return nil
			})
			what.Snapshot = "without-a-certificate"
			for _, name := range []string{"tls.crt", "tls.key"} {
				if err := os.Remove(filepath.Join(w.agent.Roots.EtcdTLS, name)); err != nil {
					t.Fatal(err)
				}
			}
			w.fails(t, task.Save, what, task.NoHealthyMember)
		})
	}
}

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// form is what a test wants of a certificate. It is made without the code under test.
type form struct {
	name          string
	ca            bool
	dns           []string
	usages        []x509.ExtKeyUsage
	before, after time.Time
	key           crypto.Signer
}

// issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key crypto.Signer
}

var both = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

// make signs with by, or with its own key if by is nil.
func (f form) make(t *testing.T, by *issued) issued {
	t.Helper()
	if f.key == nil {
		f.key = ecKey(t)
	}
	if f.before.IsZero() {
		f.before = noon.Add(-day)
	}
	if f.after.IsZero() {
		f.after = noon.Add(day)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: f.name}, NotBefore: f.before, NotAfter: f.after,
		DNSNames: f.dns, ExtKeyUsage: f.usages, IsCA: f.ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if f.ca {
		template.KeyUsage = x509.KeyUsageCertSign
	}
	parent, key := template, f.key
	if by != nil {
		parent, key = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, f.key.Public(), key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return issued{c, f.key}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pemOf("PRIVATE KEY", der)
}

func secret(t *testing.T, ca []byte, key crypto.Signer, chain ...issued) map[string][]byte {
	t.Helper()
	var all []*x509.Certificate
	for _, c := range chain {
		all = append(all, c.Certificate)
	}
	return map[string][]byte{ChainKey: encode(all), PrivateKey: pkcs8(t, key), BundleKey: ca}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

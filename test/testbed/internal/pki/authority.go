package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const validity = 10 * 365 * 24 * time.Hour

// Request describes a certificate.
type Request struct {
	// Name is the file name without .crt and .key.
	Name         string
	CommonName   string
	Organization string
	DNS          []string
	IPs          []string
	Server       bool
}

// Authority is a certificate authority in a folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Open loads an authority from NAME.crt and NAME.key in the folder, or makes a new one.
func Open(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create key folder: %w", err)
	}
	base := filepath.Join(dir, name)
	if !exists(base + ".crt") {
		if err := create(base, name); err != nil {
			return nil, fmt.Errorf("create authority %s: %w", name, err)
		}
	}
	cert, key, err := load(base)
	if err != nil {
		return nil, fmt.Errorf("load authority %s: %w", name, err)
	}
	return &Authority{dir: dir, cert: cert, key: key}, nil
}

func create(base, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate key: %w", err)
	}
	t, err := template("testbed-"+name, "")
	if err != nil {
		return err
	}
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	return save(base, der, key)
}

// Issue makes a certificate unless there is one.
func (a *Authority) Issue(r Request) error {
	base := filepath.Join(a.dir, r.Name)
	if exists(base+".crt") && exists(base+".key") {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate key of %s: %w", r.Name, err)
	}
	t, err := template(r.CommonName, r.Organization)
	if err != nil {
		return err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if r.Server {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	t.DNSNames = r.DNS
	for _, ip := range r.IPs {
		t.IPAddresses = append(t.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign certificate of %s: %w", r.Name, err)
	}
	return save(base, der, key)
}

// KeyPair makes NAME.key and NAME.pub unless they are there: the signing key of service account tokens.
func KeyPair(dir, name string) error {
	base := filepath.Join(dir, name)
	if exists(base+".key") && exists(base+".pub") {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("generate key %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode public key %s: %w", name, err)
	}
	if err := saveKey(base+".key", key); err != nil {
		return err
	}
	return write(base+".pub", "PUBLIC KEY", public, 0o644)
}

func template(cn, org string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	subject := pkix.Name{CommonName: cn}
	if org != "" {
		subject.Organization = []string{org}
	}
	now := time.Now()
	// An hour back: the clock of a machine that was resumed may step.
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}, nil
}

func load(base string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	crt, err := read(base + ".crt")
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(crt)
	if err != nil {
		return nil, nil, fmt.Errorf("parse certificate: %w", err)
	}
	raw, err := read(base + ".key")
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("parse key: %w", err)
	}
	return cert, key, nil
}

// save writes the key first: the certificate says that both are there.
func save(base string, der []byte, key *ecdsa.PrivateKey) error {
	if err := saveKey(base+".key", key); err != nil {
		return err
	}
	return write(base+".crt", "CERTIFICATE", der, 0o644)
}

func saveKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return write(file, "EC PRIVATE KEY", der, 0o600)
}

func write(file, kind string, der []byte, mode os.FileMode) error {
	raw := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, raw, mode); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(file), err)
	}
	return nil
}

func read(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("find PEM data in " + filepath.Base(file))
	}
	return block.Bytes, nil
}

func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Size() > 0
}

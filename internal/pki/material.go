package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Keys of the data of a TLS Secret.
const (
	ChainKey   = "tls.crt"
	PrivateKey = "tls.key"
	BundleKey  = "ca.crt"
)

// Material is what a TLS Secret holds. Its private key never leaves it by printing or marshalling.
type Material struct {
	Chain  []*x509.Certificate // the leaf first, then intermediates
	Bundle Bundle              // empty if there is no ca.crt
	key    crypto.Signer
}

// Parse reads the data of a TLS Secret. It judges nothing beyond that: see Check.
func Parse(data map[string][]byte) (Material, error) {
	var m Material
	var errs [3]error
	if m.Chain, errs[0] = parseChain(data[ChainKey]); errs[0] != nil {
		errs[0] = fmt.Errorf("%s %w", ChainKey, errs[0])
	}
	if m.key, errs[1] = parseKey(data[PrivateKey]); errs[1] != nil {
		errs[1] = fmt.Errorf("%s %w", PrivateKey, errs[1])
	}
	if len(data[BundleKey]) > 0 {
		if m.Bundle, errs[2] = ParseBundle(data[BundleKey]); errs[2] != nil {
			errs[2] = fmt.Errorf("%s %w", BundleKey, errs[2])
		}
	}
	return m, errors.Join(errs[:]...)
}

// ParsePair reads the data of a TLS Secret in which key and certificate belong together.
func ParsePair(name string, data map[string][]byte) (Material, error) {
	m, err := Parse(data)
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	found := &Problems{Material: name}
	if found.checkKey(m); len(found.List) > 0 {
		return m, found
	}
	return m, nil
}

// Leaf is the certificate that is presented.
func (m Material) Leaf() *x509.Certificate { return m.Chain[0] }

// Data is what the Secret of m holds, with the bundle that its reader is to trust.
func (m Material) Data(trust Bundle) (map[string][]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(m.key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return map[string][]byte{
		ChainKey:   encode(m.Chain),
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		BundleKey:  trust.PEM(),
	}, nil
}

// ChainPEM writes certificates in their order, as tls.crt holds them.
func ChainPEM(chain []*x509.Certificate) []byte { return encode(chain) }

// TLS is m as package tls wants it.
func (m Material) TLS() tls.Certificate {
	c := tls.Certificate{PrivateKey: m.key, Leaf: m.Leaf()}
	for _, part := range m.Chain {
		c.Certificate = append(c.Certificate, part.Raw)
	}
	return c
}

// String names the certificate and nothing that is secret.
func (m Material) String() string {
	if len(m.Chain) == 0 {
		return "no certificate"
	}
	f := FactsOf(m.Leaf())
	return fmt.Sprintf("certificate %s of %q until %s", f.Serial, f.Subject, f.NotAfter.Format(time.RFC3339))
}

// GoString is String: the key stays out of %#v too.
func (m Material) GoString() string { return m.String() }

// Facts are what people may know of a certificate.
type Facts struct {
	Serial, Subject, Issuer string
	NotBefore, NotAfter     time.Time
}

// FactsOf describes c.
func FactsOf(c *x509.Certificate) Facts {
	return Facts{
		Serial: Serial(c), Subject: c.Subject.String(), Issuer: c.Issuer.String(), NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}
}

// Serial is the serial number of c as handshakes and status are compared by it.
func Serial(c *x509.Certificate) string { return fmt.Sprintf("%x", c.SerialNumber) }

// parseChain skips what is no certificate, as package tls does for etcd.
func parseChain(text []byte) ([]*x509.Certificate, error) {
	if len(text) == 0 {
		return nil, ErrMissing
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != certificateBlock {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %d: %w", ErrUnparsable, len(chain)+1, err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, fmt.Errorf("%w: it holds no certificate", ErrUnparsable)
	}
	return chain, nil
}

// parseKey takes the first private key. Its errors never quote what they read.
func parseKey(text []byte) (crypto.Signer, error) {
	if len(text) == 0 {
		return nil, ErrMissing
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, fmt.Errorf("%w: the private key is encrypted", ErrUnparsable)
		case block.Type == "PRIVATE KEY", strings.HasSuffix(block.Type, " PRIVATE KEY"):
			return decodeKey(block.Bytes)
		}
	}
	return nil, fmt.Errorf("%w: it holds no private key", ErrUnparsable)
}

func decodeKey(der []byte) (crypto.Signer, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			key, err = x509.ParseECPrivateKey(der)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the private key is neither PKCS #1 nor PKCS #8 nor SEC 1", ErrUnparsable)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("%w: the private key is neither RSA nor ECDSA nor Ed25519", ErrUnparsable)
}

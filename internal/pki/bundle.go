package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
)

const certificateBlock = "CERTIFICATE"

// Bundle is a set of certificates that are trusted to vouch for others. The zero Bundle trusts nobody.
type Bundle struct{ certificates []*x509.Certificate }

// NewBundle makes a bundle of certificates, each of them once and in the order of their fingerprints.
func NewBundle(certificates ...*x509.Certificate) Bundle {
	all := slices.Clone(certificates)
	slices.SortFunc(all, func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	all = slices.CompactFunc(all, (*x509.Certificate).Equal)
	slices.SortFunc(all, func(a, b *x509.Certificate) int { return bytes.Compare(digest(a), digest(b)) })
	return Bundle{all}
}

// ParseBundle reads a bundle as strictly as etcd does, which does not start if a block is anything but a certificate.
func ParseBundle(text []byte) (Bundle, error) {
	var all []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return Bundle{}, fmt.Errorf("%w: block %d is cut off or garbled", ErrUnparsable, len(all)+1)
			}
			break
		}
		if block.Type != certificateBlock {
			return Bundle{}, fmt.Errorf("%w: block %d is a %q, not a certificate", ErrUnparsable, len(all)+1, block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Bundle{}, fmt.Errorf("%w: block %d: %w", ErrUnparsable, len(all)+1, err)
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return Bundle{}, fmt.Errorf("%w: it holds no certificate", ErrUnparsable)
	}
	return NewBundle(all...), nil
}

// With is the union of two bundles.
func (b Bundle) With(other Bundle) Bundle {
	return NewBundle(slices.Concat(b.certificates, other.certificates)...)
}

// Only is the part of b whose fingerprints are listed.
func (b Bundle) Only(fingerprints []string) Bundle {
	return NewBundle(slices.DeleteFunc(slices.Clone(b.certificates), func(c *x509.Certificate) bool {
		return !slices.Contains(fingerprints, Fingerprint(c))
	})...)
}

// Len counts the certificates.
func (b Bundle) Len() int { return len(b.certificates) }

// Certificates lists them.
func (b Bundle) Certificates() []*x509.Certificate { return slices.Clone(b.certificates) }

// Fingerprints lists those of the certificates, sorted.
func (b Bundle) Fingerprints() []string {
	all := make([]string, len(b.certificates))
	for i, c := range b.certificates {
		all[i] = Fingerprint(c)
	}
	return all
}

// Hash is the same for bundles that trust the same certificates, however they are written. It may be part of a name.
func (b Bundle) Hash() string {
	h := sha256.New()
	for _, c := range b.certificates {
		h.Write(digest(c))
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// PEM writes the bundle, byte for byte the same for the same certificates.
func (b Bundle) PEM() []byte { return encode(b.certificates) }

// Pool is the bundle as package x509 wants it.
func (b Bundle) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range b.certificates {
		pool.AddCert(c)
	}
	return pool
}

// Fingerprint tells a certificate from all others.
func Fingerprint(c *x509.Certificate) string { return hex.EncodeToString(digest(c)[:10]) }

func digest(c *x509.Certificate) []byte {
	sum := sha256.Sum256(c.Raw)
	return sum[:]
}

func encode(certificates []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certificates {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: c.Raw}))
	}
	return text.Bytes()
}

package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"time"
)

// Lives of certificates when nothing else is asked for.
const (
	DefaultAuthorityLife = 10 * 365 * 24 * time.Hour
	DefaultLeafLife      = 365 * 24 * time.Hour
)

// Why an authority does not issue.
var (
	ErrNotAuthority = errors.New("not a CA")
	ErrTooLate      = errors.New("the CA ends")
	ErrRequest      = errors.New("incomplete request")
)

// Authority is a CA of the cluster's own: a certificate and the key that signs.
type Authority struct{ material Material }

// AuthorityRequest asks for a new authority.
type AuthorityRequest struct {
	Cluster    string
	Generation int           // tells the authorities of a cluster apart, for people
	Life       time.Duration // DefaultAuthorityLife if zero
	Now        time.Time
	Random     io.Reader
}

// NewAuthority makes a CA that vouches for leaves only. It never signs with a key that another authority has.
func NewAuthority(r AuthorityRequest) (Authority, error) {
	if r.Cluster == "" {
		return Authority{}, fmt.Errorf("create CA: %w: no cluster", ErrRequest)
	}
	template, key, err := begin(r.Random, r.Now, orElse(r.Life, DefaultAuthorityLife))
	if err != nil {
		return Authority{}, fmt.Errorf("create CA: %w", err)
	}
	template.Subject = pkix.Name{CommonName: authorityName(r.Cluster, r.Generation)}
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.IsCA, template.MaxPathLenZero = true, true
	certificate, err := sign(r.Random, template, template, key.Public(), key)
	if err != nil {
		return Authority{}, fmt.Errorf("create CA: %w", err)
	}
	return Authority{Material{Chain: []*x509.Certificate{certificate}, Bundle: NewBundle(certificate), key: key}}, nil
}

// ParseAuthority reads the data of the Secret in which an authority is kept.
func ParseAuthority(data map[string][]byte) (Authority, error) {
	m, err := ParsePair("CA", data)
	if err != nil {
		return Authority{}, fmt.Errorf("read %w", err)
	}
	if c := m.Leaf(); !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return Authority{}, fmt.Errorf("read CA: %w: %q may not sign certificates", ErrNotAuthority, c.Subject)
	}
	return Authority{m}, nil
}

// Certificate is what others trust.
func (a Authority) Certificate() *x509.Certificate { return a.material.Leaf() }

// Data is what the Secret of the authority holds. Its ca.crt is trust, so that the Secret also says whom to trust meanwhile.
func (a Authority) Data(trust Bundle) (map[string][]byte, error) { return a.material.Data(trust) }

// String names the authority's certificate and nothing that is secret.
func (a Authority) String() string { return a.material.String() }

// GoString is String: the key stays out of %#v too.
func (a Authority) GoString() string { return a.material.String() }

// LeafRequest asks for a certificate of a member or of a client. On the client plane etcd takes CommonName for a user's name:
// a server's certificate allows clientAuth too, so it must not be called like a user.
type LeafRequest struct {
	CommonName string
	DNSNames   []string
	IPs        []net.IP
	Usages     []x509.ExtKeyUsage
	Life       time.Duration // DefaultLeafLife if zero; cut where the authority ends
	Now        time.Time
	Random     io.Reader
}

// Issue makes a key and a certificate for it, which never outlives the authority.
func (a Authority) Issue(r LeafRequest) (Material, error) {
	if len(r.Usages) == 0 || r.CommonName == "" && len(r.DNSNames) == 0 && len(r.IPs) == 0 {
		return Material{}, fmt.Errorf("issue certificate for %q: %w: it needs a name and a usage", r.CommonName, ErrRequest)
	}
	if len(r.CommonName) > longestName {
		return Material{}, fmt.Errorf("issue certificate for %q: %w: common names end at %d characters", r.CommonName, ErrRequest, longestName)
	}
	template, key, err := begin(r.Random, r.Now, orElse(r.Life, DefaultLeafLife))
	if err != nil {
		return Material{}, fmt.Errorf("issue certificate for %q: %w", r.CommonName, err)
	}
	ca := a.Certificate()
	if template.NotAfter.After(ca.NotAfter) {
		template.NotAfter = ca.NotAfter
	}
	if template.NotBefore.Before(ca.NotBefore) {
		template.NotBefore = ca.NotBefore
	}
	if !r.Now.Before(template.NotAfter) || r.Now.Before(ca.NotBefore) {
		return Material{}, fmt.Errorf("issue certificate for %q: %w: %q is valid from %s to %s", r.CommonName, ErrTooLate, ca.Subject,
			ca.NotBefore.Format(time.RFC3339), ca.NotAfter.Format(time.RFC3339))
	}
	template.Subject = pkix.Name{CommonName: r.CommonName}
	template.DNSNames, template.IPAddresses = r.DNSNames, r.IPs
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, r.Usages
	certificate, err := sign(r.Random, template, ca, key.Public(), a.material.key)
	if err != nil {
		return Material{}, fmt.Errorf("issue certificate for %q: %w", r.CommonName, err)
	}
	return Material{Chain: []*x509.Certificate{certificate}, Bundle: NewBundle(ca), key: key}, nil
}

// RenewAt is when c is to be renewed: at two thirds of its life, or up to 5 % of its life earlier, which spreads the members and
// is always the same for one of them.
func RenewAt(c *x509.Certificate, member string) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	sum := sha256.Sum256([]byte(member))
	spread := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53) // in [0, 1)
	return c.NotBefore.Add(life / 3 * 2).Add(-time.Duration(spread * float64(life) / 20))
}

// begin fills in what all certificates have. They begin a little early, because clocks differ.
func begin(random io.Reader, now time.Time, life time.Duration) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	const skew = 5 * time.Minute
	if life < time.Second {
		return nil, nil, fmt.Errorf("%w: a life of %s", ErrRequest, life)
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, nil, fmt.Errorf("draw serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and of one length
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, nil, fmt.Errorf("generate key: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), BasicConstraintsValid: true,
		NotBefore: now.Add(-min(skew, life/20)), NotAfter: now.Add(life),
	}, key, nil
}

func sign(random io.Reader, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(random, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return certificate, nil
}

// longestName is what X.509 allows a common name.
const longestName = 64

func authorityName(cluster string, generation int) string {
	suffix := " CA " + strconv.Itoa(generation)
	return cluster[:min(len(cluster), longestName-len(suffix))] + suffix
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What can be wrong with a piece of material.
var (
	ErrMissing     = errors.New("is missing")
	ErrUnparsable  = errors.New("does not parse")
	ErrNoBundle    = errors.New("no CA bundle")
	ErrKeyMismatch = errors.New("key and certificate do not belong together")
	ErrUntrusted   = errors.New("not issued by a CA of the bundle")
	ErrName        = errors.New("name not covered")
	ErrUsage       = errors.New("usage not allowed")
	ErrExpired     = errors.New("expired")
	ErrNotYetValid = errors.New("not yet valid")
)

// PeerUsages is what the certificate of a peer has to allow: etcd presents it on both sides of connections between members.
func PeerUsages() []x509.ExtKeyUsage {
	return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
}

// ServerUsages is what the certificate that clients see has to allow. With client certificates required, etcd's JSON gateway dials
// its own member with it: server/embed/etcd.go, grpcGatewayDial, alike in 3.5.35, 3.6.16 and 3.7.3 (etcd-io/etcd#9785, #16590).
// Without clientAuth gRPC works, but /v3/ answers errors and, before 3.7 dialled only on demand, the log fills with them.
func ServerUsages(mutual bool) []x509.ExtKeyUsage {
	if mutual {
		return PeerUsages()
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
}

// ClientUsages is what the certificate of a client has to allow.
func ClientUsages() []x509.ExtKeyUsage { return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// Need is what a piece of material is needed for.
type Need struct {
	Names  []string // DNS names and IP addresses that the leaf must cover
	Usages []x509.ExtKeyUsage
	Bundle Bundle // that the leaf must verify against; the material's own ca.crt if empty
	Now    time.Time
}

// Problem is one thing that is wrong. Kind is, or wraps, one of the errors above.
type Problem struct {
	Kind    error
	Message string
}

func (p Problem) Error() string { return p.Message }

// Unwrap lets errors.Is find the kind.
func (p Problem) Unwrap() error { return p.Kind }

// Problems is everything that is wrong with one piece of material.
type Problems struct {
	Material string // its name
	List     []Problem
}

func (p *Problems) Error() string {
	all := make([]string, len(p.List))
	for i, one := range p.List {
		all[i] = one.Message
	}
	return p.Material + ": " + strings.Join(all, "; ")
}

// Unwrap lets errors.Is find every kind.
func (p *Problems) Unwrap() []error {
	all := make([]error, len(p.List))
	for i, one := range p.List {
		all[i] = one
	}
	return all
}

func (p *Problems) add(kind error, format string, args ...any) {
	p.List = append(p.List, Problem{kind, fmt.Sprintf(format, args...)})
}

// Check reads the material called name and says, as *Problems, everything for which it must not be given to anybody.
func Check(name string, data map[string][]byte, need Need) (Material, error) {
	found := &Problems{Material: name}
	m, err := Parse(data)
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			found.List = append(found.List, Problem{one, one.Error()})
		}
	}
	trust := need.Bundle
	if trust.Len() == 0 {
		trust = m.Bundle
		if len(data[BundleKey]) == 0 {
			found.add(ErrNoBundle, "%s is missing", BundleKey)
		}
	}
	if len(m.Chain) > 0 {
		found.checkKey(m)
		found.checkTime(m.Leaf(), need.Now)
		if trust.Len() > 0 {
			found.checkTrust(m.Chain, trust, need)
		}
		found.checkNames(m.Leaf(), need.Names)
	}
	if len(found.List) > 0 {
		return m, found
	}
	return m, nil
}

func (p *Problems) checkKey(m Material) {
	if m.key == nil {
		return
	}
	public, ok := m.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(m.Leaf().PublicKey) {
		p.add(ErrKeyMismatch, "%s is not the key of the certificate in %s", PrivateKey, ChainKey)
	}
}

// checkTime names points in time, not distances: the message stays the same until something changes.
func (p *Problems) checkTime(leaf *x509.Certificate, now time.Time) {
	switch {
	case now.After(leaf.NotAfter):
		p.add(ErrExpired, "the certificate expired at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		p.add(ErrNotYetValid, "the certificate is valid only from %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
}

// checkTrust looks at the chain at a time at which the leaf is valid: that it has expired is said already.
func (p *Problems) checkTrust(chain []*x509.Certificate, trust Bundle, need Need) {
	leaf, at := chain[0], need.Now
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	err := verify(chain, trust, x509.ExtKeyUsageAny, at)
	if err != nil {
		p.addChain(err, leaf, trust, at)
	}
	for _, usage := range need.Usages {
		switch {
		case !allows(leaf, usage):
			p.add(ErrUsage, "the certificate lacks the extended key usage %s", usageName(usage))
		case err == nil && verify(chain, trust, usage, at) != nil:
			p.add(ErrUsage, "a CA above the certificate does not allow the extended key usage %s", usageName(usage))
		}
	}
}

func (p *Problems) addChain(err error, leaf *x509.Certificate, trust Bundle, at time.Time) {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && !invalid.Cert.Equal(leaf) {
		if at.Before(invalid.Cert.NotBefore) {
			p.add(ErrNotYetValid, "the CA %q is valid only from %s", invalid.Cert.Subject, invalid.Cert.NotBefore.UTC().Format(time.RFC3339))
			return
		}
		p.add(ErrExpired, "the CA %q expired at %s", invalid.Cert.Subject, invalid.Cert.NotAfter.UTC().Format(time.RFC3339))
		return
	}
	p.add(ErrUntrusted, "the certificate, issued by %q, does not verify against the %s in the bundle: %s", leaf.Issuer,
		count(trust.Len(), "certificate"), strings.TrimPrefix(err.Error(), "x509: "))
}

func (p *Problems) checkNames(leaf *x509.Certificate, names []string) {
	var lacking []string
	for _, name := range names {
		if leaf.VerifyHostname(name) != nil {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return
	}
	has := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		has = append(has, ip.String())
	}
	p.add(ErrName, "the certificate does not cover %s; it has %s", some(lacking), some(has))
}

// Vouchers lists the fingerprints of the certificates of trust under which the chain verifies at a time, for all usages.
func Vouchers(chain []*x509.Certificate, trust Bundle, usages []x509.ExtKeyUsage, at time.Time) []string {
	var all []string
	if len(usages) == 0 {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	for _, ca := range trust.certificates {
		refused := slices.ContainsFunc(usages, func(usage x509.ExtKeyUsage) bool {
			return verify(chain, NewBundle(ca), usage, at) != nil
		})
		if !refused {
			all = append(all, Fingerprint(ca))
		}
	}
	return all
}

func verify(chain []*x509.Certificate, trust Bundle, usage x509.ExtKeyUsage, at time.Time) error {
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: trust.Pool(), Intermediates: NewBundle(chain[1:]...).Pool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	return err
}

// allows is package x509's rule: a certificate without any usage allows all.
func allows(leaf *x509.Certificate, usage x509.ExtKeyUsage) bool {
	return len(leaf.ExtKeyUsage) == 0 && len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) || slices.Contains(leaf.ExtKeyUsage, usage)
}

func usageName(usage x509.ExtKeyUsage) string {
	switch usage {
	case x509.ExtKeyUsageServerAuth:
		return "serverAuth"
	case x509.ExtKeyUsageClientAuth:
		return "clientAuth"
	default:
		return fmt.Sprint(usage)
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// some keeps messages short: conditions are read in a terminal.
func some(names []string) string {
	const most = 5
	switch n := len(names); {
	case n == 0:
		return "no names"
	case n > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}

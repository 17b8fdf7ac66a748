package pki

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestKeysOfAllKindsAreRead(t *testing.T) {
	rsa, ec, ed := rsaKey(t), ecKey(t), edKey(t)
	sec1, err := x509.MarshalECPrivateKey(ec.(*ecdsa.PrivateKey))
	must(t, err)
	parameters := pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, text := range map[string][]byte{
		"RSA in PKCS #1":                      pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa)),
		"RSA in PKCS #8":                      pkcs8(t, rsa),
		"ECDSA in SEC 1":                      pemOf("EC PRIVATE KEY", sec1),
		"ECDSA in SEC 1 after its parameters": slices.Concat(parameters, pemOf("EC PRIVATE KEY", sec1)),
		"ECDSA in PKCS #8":                    pkcs8(t, ec),
		"Ed25519 in PKCS #8":                  pkcs8(t, ed),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseKey(text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKeysThatCannotBeUsedAreRefusedWithoutBeingQuoted(t *testing.T) {
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	must(t, err)
	for name, c := range map[string]struct {
		text []byte
		want string
	}{
		"none":        {nil, "is missing"},
		"no PEM":      {[]byte("s3cr3t"), "it holds no private key"},
		"garbage":     {pemOf("PRIVATE KEY", []byte("s3cr3t")), "neither PKCS #1 nor PKCS #8 nor SEC 1"},
		"encrypted":   {pemOf("ENCRYPTED PRIVATE KEY", []byte("s3cr3t")), "is encrypted"},
		"X25519":      {pkcs8(t, x25519), "neither RSA nor ECDSA nor Ed25519"},
		"certificate": {pemOf("CERTIFICATE", []byte("s3cr3t")), "it holds no private key"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseKey(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if !errors.Is(err, ErrUnparsable) && !errors.Is(err, ErrMissing) {
				t.Errorf("%v is of no kind", err)
			}
		})
	}
}

func TestAPairIsACertificateAndItsKey(t *testing.T) {
	a, b := form{name: "a"}.make(t, nil), form{name: "b"}.make(t, nil)
	for name, c := range map[string]struct {
		data map[string][]byte
		want error
	}{
		"they belong together": {secret(t, nil, a.key, a), nil},
		"another's key":        {secret(t, nil, b.key, a), ErrKeyMismatch},
		"no key":               {map[string][]byte{ChainKey: encode([]*x509.Certificate{a.Certificate})}, ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParsePair("it", c.data); !errors.Is(err, c.want) || err != nil && !strings.HasPrefix(err.Error(), "it: ") {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestBundlesAreReadAsStrictlyAsByEtcd(t *testing.T) {
	a, b := form{name: "a", ca: true}.make(t, nil), form{name: "b", ca: true}.make(t, nil)
	one := encode([]*x509.Certificate{a.Certificate})
	two := encode([]*x509.Certificate{a.Certificate, b.Certificate})
	for name, c := range map[string]struct {
		text []byte
		want int // certificates, or 0 if it is refused
	}{
		"one":                      {one, 1},
		"two":                      {two, 2},
		"two between comments":     {slices.Concat([]byte("# old\n"), one, []byte("\n# new\n"), two), 2},
		"the same twice":           {slices.Concat(one, one), 1},
		"nothing":                  {nil, 0},
		"no PEM":                   {[]byte("hello"), 0},
		"cut off":                  {two[:len(two)-40], 0},
		"with a key":               {slices.Concat(one, pkcs8(t, a.key)), 0},
		"with a garbled block":     {slices.Concat(one, pemOf("CERTIFICATE", []byte("x"))), 0},
		"with a header of old PEM": {pemOf("TRUSTED CERTIFICATE", a.Raw), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseBundle(c.text)
			if got.Len() != c.want || (err == nil) != (c.want > 0) || err != nil && !errors.Is(err, ErrUnparsable) {
				t.Errorf("%d certificates, %v, want %d", got.Len(), err, c.want)
			}
		})
	}
}

func TestBundlesThatTrustTheSameAreTheSame(t *testing.T) {
	a, b := form{name: "a", ca: true}.make(t, nil).Certificate, form{name: "b", ca: true}.make(t, nil).Certificate
	ab, ba := NewBundle(a, b), NewBundle(b, a, b)
	if ab.Hash() != ba.Hash() || !bytes.Equal(ab.PEM(), ba.PEM()) || !slices.Equal(ab.Fingerprints(), ba.Fingerprints()) {
		t.Error("order and repetition make a difference")
	}
	if NewBundle(a).Hash() == ab.Hash() || NewBundle(a).Hash() == NewBundle(b).Hash() {
		t.Error("different bundles have one hash")
	}
	if got := NewBundle(a).With(NewBundle(b)); got.Hash() != ab.Hash() {
		t.Error("the union is not the bundle of both")
	}
	if got := ab.Only([]string{Fingerprint(b)}); got.Hash() != NewBundle(b).Hash() {
		t.Error("the part is not the bundle of one")
	}
	again, err := ParseBundle(ba.PEM())
	must(t, err)
	if again.Hash() != ab.Hash() {
		t.Error("writing and reading changes the bundle")
	}
}

func TestMaterialSurvivesItsSecretAndNeverPrintsItsKey(t *testing.T) {
	ca := form{name: "ca", ca: true}.make(t, nil)
	leaf := form{name: "leaf", dns: []string{"a"}, usages: both}.make(t, &ca)
	m, err := Parse(secret(t, NewBundle(ca.Certificate).PEM(), leaf.key, leaf))
	must(t, err)
	data, err := m.Data(m.Bundle)
	must(t, err)
	again, err := Check("again", data, Need{Names: []string{"a"}, Usages: PeerUsages(), Now: noon})
	must(t, err)
	if Serial(again.Leaf()) != Serial(leaf.Certificate) {
		t.Errorf("serial %s, want %s", Serial(again.Leaf()), Serial(leaf.Certificate))
	}
	secretNumber := fmt.Sprint(leaf.key.(*ecdsa.PrivateKey).D) //nolint:staticcheck // what must not be printed
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, m); strings.Contains(text, secretNumber) || !strings.Contains(text, "CN=leaf") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	f := FactsOf(m.Leaf())
	if f.Subject != "CN=leaf" || f.Issuer != "CN=ca" || !f.NotAfter.Equal(noon.Add(day)) || !f.NotBefore.Equal(noon.Add(-day)) {
		t.Errorf("facts are %+v", f)
	}
}

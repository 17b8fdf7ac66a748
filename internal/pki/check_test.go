package pki

import (
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// kinds are all that a Problem can be of.
var kinds = []error{
	ErrMissing, ErrUnparsable, ErrNoBundle, ErrKeyMismatch, ErrUntrusted, ErrName, ErrUsage, ErrExpired, ErrNotYetValid,
}

func TestCheckNamesEverythingThatIsWrong(t *testing.T) {
	server, client := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	names := []string{"c", "c.ns.svc", "m1.c.ns.svc", "localhost"}
	has := []string{"c", "c.ns.svc", "*.c.ns.svc", "localhost"}
	good := form{name: "leaf", dns: has, usages: both}
	ca, foreign := form{name: "ca", ca: true}.make(t, nil), form{name: "foreign", ca: true}.make(t, nil)
	expired := form{name: "old ca", ca: true, before: noon.Add(-9 * day), after: noon.Add(-time.Hour)}.make(t, nil)
	future := form{name: "next ca", ca: true, before: noon.Add(time.Hour)}.make(t, nil)
	middle := form{name: "middle", ca: true}.make(t, &ca)
	narrow := form{name: "narrow", ca: true, usages: server}.make(t, &ca)
	pem := func(cs ...issued) []byte {
		var b Bundle
		for _, c := range cs {
			b = b.With(NewBundle(c.Certificate))
		}
		return b.PEM()
	}
	leaf := func(f form, by *issued, ca []byte, more ...issued) map[string][]byte {
		l := f.make(t, by)
		return secret(t, ca, l.key, slices.Concat([]issued{l}, more)...)
	}
	but := func(data map[string][]byte, key, text string) map[string][]byte {
		data = maps.Clone(data)
		if data[key] = []byte(text); text == "" {
			delete(data, key)
		}
		return data
	}
	with := func(f form, change func(*form)) form { change(&f); return f }
	fine := leaf(good, &ca, pem(ca))
	for name, c := range map[string]struct {
		data   map[string][]byte
		need   func(*Need)
		kinds  []error
		saying string
	}{
		"nothing is wrong":                        {data: fine},
		"a leaf below an intermediate in tls.crt": {data: leaf(good, &middle, pem(ca), middle)},
		"an RSA key":                              {data: leaf(with(good, func(f *form) { f.key = rsaKey(t) }), &ca, pem(ca))},
		"an Ed25519 key":                          {data: leaf(with(good, func(f *form) { f.key = edKey(t) }), &ca, pem(ca))},
		"no usages at all allow all":              {data: leaf(with(good, func(f *form) { f.usages = nil }), &ca, pem(ca))},
		"a bundle that also trusts another":       {data: leaf(good, &ca, pem(foreign, ca))},
		"a certificate that is its own CA": {
			data: func() map[string][]byte { s := good.make(t, nil); return secret(t, pem(s), s.key, s) }(),
		},
		"a server without mTLS needs no clientAuth": {
			data: leaf(with(good, func(f *form) { f.usages = server }), &ca, pem(ca)),
			need: func(n *Need) { n.Usages = ServerUsages(false) },
		},
		"a client needs no names": {
			data: leaf(form{name: "root", usages: client}, &ca, pem(ca)),
			need: func(n *Need) { n.Usages, n.Names = ClientUsages(), nil },
		},
		"another bundle than its own is enough": {
			data: but(fine, BundleKey, ""),
			need: func(n *Need) { n.Bundle = NewBundle(foreign.Certificate, ca.Certificate) },
		},

		"no tls.crt": {data: but(fine, ChainKey, ""), kinds: []error{ErrMissing}, saying: "tls.crt is missing"},
		"no tls.key": {data: but(fine, PrivateKey, ""), kinds: []error{ErrMissing}, saying: "tls.key is missing"},
		"no ca.crt":  {data: but(fine, BundleKey, ""), kinds: []error{ErrNoBundle}, saying: "ca.crt is missing"},
		"nothing":    {kinds: []error{ErrMissing, ErrNoBundle}, saying: "tls.crt is missing; tls.key is missing; ca.crt is missing"},
		"a tls.crt without PEM": {
			data:   but(fine, ChainKey, "x"),
			kinds:  []error{ErrUnparsable},
			saying: "tls.crt does not parse: it holds no certificate",
		},
		"a garbled tls.crt": {
			data:   but(fine, ChainKey, string(pemOf("CERTIFICATE", []byte("x")))),
			kinds:  []error{ErrUnparsable},
			saying: "tls.crt does not parse: certificate 1",
		},
		"a garbled tls.key": {data: but(fine, PrivateKey, "x"), kinds: []error{ErrUnparsable}, saying: "tls.key does not parse"},
		"a garbled ca.crt":  {data: but(fine, BundleKey, "x"), kinds: []error{ErrUnparsable}, saying: "ca.crt does not parse"},
		"another's key": {
			data:   but(fine, PrivateKey, string(pkcs8(t, ecKey(t)))),
			kinds:  []error{ErrKeyMismatch},
			saying: "tls.key is not the key of the certificate in tls.crt",
		},
		"a key of another kind": {
			data:   but(fine, PrivateKey, string(pkcs8(t, edKey(t)))),
			kinds:  []error{ErrKeyMismatch},
			saying: "is not the key",
		},
		"another CA": {
			data:   leaf(good, &ca, pem(foreign)),
			kinds:  []error{ErrUntrusted},
			saying: `issued by "CN=ca", does not verify against the 1 certificate in the bundle`,
		},
		"no intermediate": {data: leaf(good, &middle, pem(ca)), kinds: []error{ErrUntrusted}, saying: `issued by "CN=middle"`},
		"another bundle": {
			data:   fine,
			need:   func(n *Need) { n.Bundle = NewBundle(foreign.Certificate) },
			kinds:  []error{ErrUntrusted},
			saying: "does not verify",
		},
		"a leaf that cannot sign": {
			data:   func() map[string][]byte { l := good.make(t, &ca); return leaf(good, &l, pem(ca), l) }(),
			kinds:  []error{ErrUntrusted},
			saying: "does not verify",
		},

		"a wildcard covers one label only": {
			data:   fine,
			need:   func(n *Need) { n.Names = []string{"x.m1.c.ns.svc"} },
			kinds:  []error{ErrName},
			saying: "does not cover x.m1.c.ns.svc; it has c, c.ns.svc, *.c.ns.svc, localhost",
		},
		"the name above the wildcard": {
			data:   leaf(with(good, func(f *form) { f.dns = []string{"*.c.ns.svc"} }), &ca, pem(ca)),
			kinds:  []error{ErrName},
			saying: "does not cover c, c.ns.svc, localhost; it has *.c.ns.svc",
		},
		"no names": {
			data:   leaf(with(good, func(f *form) { f.dns = nil }), &ca, pem(ca)),
			kinds:  []error{ErrName},
			saying: "it has no names",
		},
		"an address": {
			data:   fine,
			need:   func(n *Need) { n.Names = []string{"127.0.0.1"} },
			kinds:  []error{ErrName},
			saying: "does not cover 127.0.0.1",
		},
		"the common name covers nothing": {
			data:   leaf(with(good, func(f *form) { f.name, f.dns = "c", []string{"d"} }), &ca, pem(ca)),
			kinds:  []error{ErrName},
			saying: "does not cover c,",
		},

		"a peer without clientAuth": {
			data:   leaf(with(good, func(f *form) { f.usages = server }), &ca, pem(ca)),
			kinds:  []error{ErrUsage},
			saying: "lacks the extended key usage clientAuth",
		},
		"a peer without serverAuth": {
			data:   leaf(with(good, func(f *form) { f.usages = client }), &ca, pem(ca)),
			kinds:  []error{ErrUsage},
			saying: "lacks the extended key usage serverAuth",
		},
		"an mTLS server without it": {
			data:   leaf(with(good, func(f *form) { f.usages = server }), &ca, pem(ca)),
			need:   func(n *Need) { n.Usages = ServerUsages(true) },
			kinds:  []error{ErrUsage},
			saying: "clientAuth",
		},
		"a CA that does not allow it": {
			data:   leaf(good, &narrow, pem(ca), narrow),
			kinds:  []error{ErrUsage},
			saying: "a CA above the certificate does not allow the extended key usage clientAuth",
		},
		"expired": {
			data:   fine,
			need:   func(n *Need) { n.Now = noon.Add(day + 90*time.Second) },
			kinds:  []error{ErrExpired},
			saying: "expired at 2026-01-03T12:00:00Z",
		},
		"not yet valid": {
			data:   fine,
			need:   func(n *Need) { n.Now = noon.Add(-3 * day) },
			kinds:  []error{ErrNotYetValid},
			saying: "valid only from 2026-01-01T12:00:00Z",
		},
		"a CA that has expired": {
			data:   leaf(good, &expired, pem(expired)),
			kinds:  []error{ErrExpired},
			saying: `the CA "CN=old ca" expired at 2026-01-02T11:00:00Z`,
		},
		"a CA that is not valid yet": {
			data:   leaf(good, &future, pem(future)),
			kinds:  []error{ErrNotYetValid},
			saying: `the CA "CN=next ca" is valid only from`,
		},
		"everything that can be wrong": {
			data: but(leaf(form{name: "x", usages: client, after: noon.Add(-time.Hour)}, &foreign, pem(ca)),
				PrivateKey, string(pkcs8(t, ecKey(t)))),
			kinds:  []error{ErrKeyMismatch, ErrUntrusted, ErrName, ErrUsage, ErrExpired},
			saying: "Secret c-peer-tls: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			need := Need{Names: names, Usages: PeerUsages(), Now: noon}
			if c.need != nil {
				c.need(&need)
			}
			_, err := Check("Secret c-peer-tls", c.data, need)
			var found []error
			for _, kind := range kinds {
				if errors.Is(err, kind) {
					found = append(found, kind)
				}
			}
			if !slices.Equal(found, c.kinds) || err != nil && !strings.Contains(err.Error(), c.saying) {
				t.Errorf("got %v (%v)\nwant %v: %q", err, found, c.kinds, c.saying)
			}
		})
	}
}

func TestVouchersAreThoseUnderWhichALeafVerifies(t *testing.T) {
	ca, foreign := form{name: "ca", ca: true}.make(t, nil), form{name: "ca", ca: true}.make(t, nil)
	renewed := form{name: "ca", ca: true, key: ca.key, after: noon.Add(9 * day)}.make(t, nil) // as cert-manager does by default
	leaf := form{name: "leaf", usages: both, after: noon.Add(5 * day)}.make(t, &ca)
	trust := NewBundle(ca.Certificate, foreign.Certificate, renewed.Certificate)
	chain := []*x509.Certificate{leaf.Certificate}
	for name, c := range map[string]struct {
		at     time.Time
		usages []x509.ExtKeyUsage
		want   []string
	}{
		"both with the key that signed":   {noon, PeerUsages(), []string{Fingerprint(ca.Certificate), Fingerprint(renewed.Certificate)}},
		"no usage in particular":          {noon, nil, []string{Fingerprint(ca.Certificate), Fingerprint(renewed.Certificate)}},
		"the one that is still valid":     {noon.Add(3 * day), PeerUsages(), []string{Fingerprint(renewed.Certificate)}},
		"nobody once the leaf expired":    {noon.Add(6 * day), PeerUsages(), nil},
		"nobody for what it does not say": {noon, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := Vouchers(chain, trust, c.usages, c.at)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

package certificate

import (
	"crypto/x509"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
)

// previousKey holds, in the Secret of a member's certificate, the one that the member was last seen to show, while that is another.
const previousKey = "previous.crt"

// paper is what the Secret of a member, or of a client, holds and says.
type paper struct {
	secret   *corev1.Secret // nil if there is none
	material pki.Material
	usable   bool                // certificate and key are there and belong together
	shown    string              // identity of what was shown last
	previous []*x509.Certificate // what was shown last, if that is another
	since    time.Time           // since when it has held certificates of these CAs
}

// read reads a Secret. What cannot be read is as good as missing.
func read(secret *corev1.Secret) paper {
	if secret == nil {
		return paper{}
	}
	p := paper{secret: secret, shown: secret.Annotations[v1alpha2.AnnotationCertificateShown]}
	var err error
	p.material, err = pki.ParsePair(secret.Name, secret.Data)
	p.usable = err == nil
	if text := secret.Data[previousKey]; len(text) > 0 {
		before, _ := pki.Parse(map[string][]byte{pki.ChainKey: text}) // there is no key, and nothing else to fail
		p.previous = before.Chain
	}
	if since, err := time.Parse(time.RFC3339, secret.Annotations[v1alpha2.AnnotationCertificateSince]); err == nil {
		p.since = since
	}
	return p
}

// identity tells a certificate from all others. It begins with the serial number, which people know it by; that alone does not do,
// because who issues certificates by hand gives the same number twice.
func identity(c *x509.Certificate) string { return pki.Serial(c) + "-" + pki.Fingerprint(c) }

// is says whether p holds c.
func (p paper) is(c *x509.Certificate) bool { return p.usable && c.Equal(p.material.Leaf()) }

// lastShown is what the holder of p shows, or showed when it was last seen; nil if that is not known.
func (p paper) lastShown(now *x509.Certificate) []*x509.Certificate {
	before := len(p.previous) > 0
	switch {
	case now != nil && p.is(now), now == nil && p.usable && p.shown == identity(p.material.Leaf()):
		return p.material.Chain
	case before && (now == nil || now.Equal(p.previous[0])):
		return p.previous
	case now != nil:
		return []*x509.Certificate{now}
	}
	return nil
}

// recorded says whether p tells already that its holder shows c.
func (p paper) recorded(c *x509.Certificate) bool {
	if p.shown != identity(c) {
		return false
	}
	if p.is(c) {
		return len(p.previous) == 0
	}
	return len(p.previous) > 0 && p.previous[0].Equal(c)
}

// record writes down, in a copy of the Secret, that its holder shows this chain.
func (p paper) record(chain []*x509.Certificate) *corev1.Secret {
	changed := p.secret.DeepCopy()
	if changed.Annotations == nil {
		changed.Annotations = map[string]string{}
	}
	changed.Annotations[v1alpha2.AnnotationCertificateShown] = identity(chain[0])
	if delete(changed.Data, previousKey); !p.is(chain[0]) {
		changed.Data[previousKey] = pki.ChainPEM(chain)
	}
	return changed
}

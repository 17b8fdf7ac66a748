package certificate

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Secrets that people bring along: one certificate for all members of a plane, and one for the operator. They are checked and copied;
// what is wrong with one is said, and members keep what they have.

// named is a Secret that the spec names, and the field that does.
type named struct{ name, field string }

func (n named) String() string { return fmt.Sprintf("Secret %s (spec.tls.%s)", n.name, n.field) }

func namedBy(ref *corev1.LocalObjectReference, field string) []named {
	if ref == nil {
		return nil
	}
	return []named{{ref.Name, field}}
}

// namedOn are the Secrets named for a plane: that of the members, and that of the operator if there is one.
func namedOn(c *v1alpha2.EtcdCluster, kind resource.Plane) (members, operator []named) {
	switch tls := c.Spec.TLS; {
	case tls == nil:
	case kind == resource.PeerPlane && tls.Peer != nil:
		return namedBy(tls.Peer.SecretRef, "peer.secretRef"), nil
	case kind == resource.ClientPlane && tls.Client != nil:
		return namedBy(tls.Client.ServerSecretRef, "client.serverSecretRef"),
			namedBy(tls.Client.OperatorClientSecretRef, "client.operatorClientSecretRef")
	}
	return nil, nil
}

// namedSecrets are the names of all of them, and of those that cert-manager writes.
func namedSecrets(c *v1alpha2.EtcdCluster) (names []string) {
	for _, kind := range kinds {
		members, operator := namedOn(c, kind)
		for _, n := range append(members, operator...) {
			names = append(names, n.name)
		}
		for _, o := range ordersOn(c, kind) {
			names = append(names, o.name)
		}
	}
	return names
}

func fromSecrets(p *plane) (s supply) {
	members, operator := namedOn(p.cluster, p.kind)
	for _, n := range members {
		need := pki.Need{Names: namesForAll(p.cluster), Usages: p.needed(), Now: p.now}
		m, err := p.check(n, need)
		if err != nil {
			s.trouble = append(s.trouble, *err)
			continue
		}
		s.want = m.Bundle
		p.known = p.known.With(m.Bundle)
		s.member = []offer{p.copyOf(m, n.String(), p.judged())}
	}
	for _, n := range operator {
		need := pki.Need{Usages: pki.ClientUsages(), Bundle: s.want.With(p.published()), Now: p.now}
		if need.Bundle.Len() == 0 {
			continue // what is wrong with the members' Secret is said, and nothing can be said of this one
		}
		m, err := p.check(n, need)
		if err == nil {
			err = p.checkRoot(n, m)
		}
		if err != nil {
			s.trouble = append(s.trouble, *err)
			continue
		}
		m.Bundle = need.Bundle
		s.client = []offer{p.copyOf(m, n.String(), pki.ClientUsages())}
	}
	if len(operator) > len(s.client) && len(p.publishedAnchors()) == 0 {
		s.want = pki.Bundle{} // nobody starts members that the operator could not speak with
	}
	return s
}

// check reads a Secret and says what keeps it from being given to anybody.
func (p *plane) check(n named, need pki.Need) (pki.Material, *trouble) {
	secret := p.supplied[n.name]
	if secret == nil {
		return pki.Material{}, &trouble{v1alpha2.ReasonSecretMissing, n.String() + " is not there"}
	}
	m, err := pki.Check(n.String(), secret.Data, need)
	if err != nil {
		return pki.Material{}, &trouble{v1alpha2.ReasonCertificateInvalid, err.Error()}
	}
	return m, nil
}

// checkRoot: with authentication etcd takes the common name of a client for the user.
func (p *plane) checkRoot(n named, m pki.Material) *trouble {
	auth := p.cluster.Spec.Auth
	if name := m.Leaf().Subject.CommonName; auth != nil && auth.Enabled && name != rootUser {
		return &trouble{v1alpha2.ReasonCertificateInvalid,
			fmt.Sprintf("%s: with spec.auth the common name has to be %s, not %q", n, rootUser, name)}
	}
	return nil
}

package certificate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	cmv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Certificates that cert-manager issues: one for all members of a plane, and one for the operator. What it writes is checked and copied
// like the Secrets that people bring along. It may come and go while the operator runs, so its kinds are read live and not watched;
// of Secrets every change is seen.

// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=list;create;update;delete

// order is a Certificate that the spec asks for. Its Secret has the same name.
type order struct {
	named
	issuer   v1alpha2.IssuerReference
	operator bool // it is the operator's, else that of all members
}

// ordersOn are the Certificates for a plane.
func ordersOn(c *v1alpha2.EtcdCluster, kind resource.Plane) (all []order) {
	tls := c.Spec.TLS
	switch {
	case tls == nil:
	case kind == resource.PeerPlane && tls.Peer != nil && tls.Peer.CertManager != nil:
		name := named{resource.LeafName(c.Name, kind), "peer.certManager.issuerRef"}
		all = append(all, order{named: name, issuer: tls.Peer.CertManager.IssuerRef})
	case kind == resource.ClientPlane && tls.Client != nil && tls.Client.CertManager != nil:
		name := named{resource.LeafName(c.Name, kind), "client.certManager.serverIssuerRef"}
		all = append(all, order{named: name, issuer: tls.Client.CertManager.ServerIssuerRef})
		if issuer := tls.Client.CertManager.OperatorClientIssuerRef; issuer != nil {
			name := named{resource.IssuedClientName(c.Name), "client.certManager.operatorClientIssuerRef"}
			all = append(all, order{name, *issuer, true})
		}
	}
	return all
}

// ordered are the Certificates of the cluster that are there.
type ordered struct {
	nowhere      bool // the API server knows no such kind
	certificates map[string]*cmv1.Certificate
}

// readOrdered asks for Certificates only where there may be some: each question about a kind that is not there is one about all kinds.
func (s *scene) readOrdered(ctx context.Context, live client.Reader) error {
	sought := false
	for _, kind := range kinds {
		sought = sought || len(ordersOn(s.cluster, kind)) > 0 ||
			slices.ContainsFunc(issuedNames(s.cluster, kind), func(name string) bool { return s.secrets[name] != nil })
	}
	if !sought {
		return nil
	}
	var list cmv1.CertificateList
	err := s.list(ctx, live, &list)
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) { // the second where the kind was there a moment ago
		s.ordered.nowhere = true
		return nil
	}
	s.ordered.certificates = map[string]*cmv1.Certificate{}
	for i := range list.Items {
		s.ordered.certificates[list.Items[i].Name] = &list.Items[i]
	}
	return err
}

// issuedNames are those of all Certificates that there may be for a plane.
func issuedNames(c *v1alpha2.EtcdCluster, kind resource.Plane) []string {
	if kind == resource.PeerPlane {
		return []string{resource.LeafName(c.Name, kind)}
	}
	return []string{resource.LeafName(c.Name, kind), resource.IssuedClientName(c.Name)}
}

// fromCertManager: the issuers of members and of the operator may be different ones, and then both CAs are trusted.
func fromCertManager(p *plane) (s supply) {
	lacking := false
	for _, o := range ordersOn(p.cluster, p.kind) {
		troubles, asks := p.progress(o)
		if s.asks == nil {
			s.asks = asks
		}
		usages := p.judged()
		need := pki.Need{Names: namesForAll(p.cluster), Usages: p.needed(), Now: p.now}
		if o.operator {
			usages = pki.ClientUsages()
			need = pki.Need{Usages: usages, Now: p.now}
		}
		m, err := p.delivered(o, need)
		if err != nil && (err.reason != v1alpha2.ReasonSecretMissing || len(troubles) == 0) {
			troubles = append(troubles, *err)
		}
		s.trouble = append(s.trouble, troubles...)
		if err != nil {
			lacking = true
			continue
		}
		s.want = s.want.With(m.Bundle)
		p.known = p.known.With(m.Bundle)
		into := &s.member
		if o.operator {
			into = &s.client
		}
		*into = []offer{p.copyOf(m, o.String(), usages)}
	}
	switch published := p.published(); {
	case lacking && published.Len() == 0:
		s.want = pki.Bundle{} // nobody starts members that the operator could not speak with
	case lacking:
		s.want = s.want.With(published)
	}
	s.upkeep = (*plane).inherit
	return s
}

// progress says what keeps a Certificate from being ready, and what is to be asked of cert-manager.
func (p *plane) progress(o order) (troubles []trouble, asks *step) {
	if p.ordered.nowhere {
		return []trouble{{v1alpha2.ReasonCertManagerMissing,
			fmt.Sprintf("spec.tls.%s needs cert-manager: this Kubernetes knows no Certificates of %s", o.field, cmv1.SchemeGroupVersion)}}, nil
	}
	there := p.ordered.certificates[o.name]
	if there == nil {
		if secret := p.supplied[o.name]; secret != nil && !issued(secret) {
			return nil, nil // which is said where the Secret is read
		}
		c := &cmv1.Certificate{ObjectMeta: resource.CertificateSecret(p.cluster, o.name, "").ObjectMeta}
		c.Spec.PrivateKey = &cmv1.CertificatePrivateKey{
			Algorithm: cmv1.ECDSAKeyAlgorithm, Size: 256, RotationPolicy: cmv1.RotationPolicyAlways,
		}
		p.specify(c, o)
		return []trouble{{v1alpha2.ReasonCertificatePending, fmt.Sprintf("Certificate %s is yet to be created", o.name)}},
			asking("create", c, func(ctx context.Context, r *Reconciler) error { return r.create(ctx, c) })
	}
	want := there.DeepCopy()
	if p.specify(want, o); !equality.Semantic.DeepEqual(want.Spec, there.Spec) {
		asks = asking("correct", want, func(ctx context.Context, r *Reconciler) error { return r.update(ctx, want) })
	}
	if said, ready := saidOf(there); !ready {
		troubles = []trouble{{v1alpha2.ReasonCertificatePending, fmt.Sprintf("Certificate %s: %s", o.name, said)}}
	}
	return troubles, asks
}

// specify sets what members need. All else, such as how long certificates live, is left as people have it.
func (p *plane) specify(c *cmv1.Certificate, o order) {
	s := &c.Spec
	s.SecretName = o.name
	s.IssuerRef = cmmeta.IssuerReference{Group: cmv1.SchemeGroupVersion.Group, Kind: cmv1.IssuerKind, Name: o.issuer.Name}
	if o.issuer.Kind != "" {
		s.IssuerRef.Kind = o.issuer.Kind
	}
	s.CommonName, s.DNSNames, s.IPAddresses = rootUser, nil, nil
	s.Usages = []cmv1.KeyUsage{cmv1.UsageDigitalSignature, cmv1.UsageClientAuth}
	if !o.operator {
		// Clients are users by their common name, and the gateway of etcd is a client with this certificate: it gets none.
		dns, ips := p.namesOfAll()
		s.CommonName, s.DNSNames = "", dns
		for _, ip := range ips {
			s.IPAddresses = append(s.IPAddresses, ip.String())
		}
		s.Usages = []cmv1.KeyUsage{cmv1.UsageDigitalSignature, cmv1.UsageServerAuth, cmv1.UsageClientAuth}
	}
	if s.SecretTemplate == nil {
		s.SecretTemplate = &cmv1.CertificateSecretTemplate{}
	}
	if s.SecretTemplate.Labels == nil {
		s.SecretTemplate.Labels = map[string]string{}
	}
	maps.Copy(s.SecretTemplate.Labels, resource.CertificateSecret(p.cluster, o.name, "").Labels)
}

// saidOf is what cert-manager says of a Certificate that is not ready.
func saidOf(c *cmv1.Certificate) (said string, ready bool) {
	var all []string
	for _, condition := range c.Status.Conditions {
		switch {
		case condition.Type == cmv1.CertificateConditionReady && condition.Status == cmmeta.ConditionTrue:
			return "", true
		case condition.Message != "" && !slices.Contains(all, condition.Message):
			all = append(all, condition.Message)
		}
	}
	if len(all) == 0 {
		return "cert-manager has not said anything of it yet", false
	}
	return strings.Join(all, "; "), false
}

// delivered reads what cert-manager has written.
func (p *plane) delivered(o order, need pki.Need) (pki.Material, *trouble) {
	if secret := p.supplied[o.name]; secret != nil && !issued(secret) {
		name := &taken{what: "Secret " + o.name}
		return pki.Material{}, new(name.trouble())
	}
	m, err := p.check(o.named, need)
	if err == nil && o.operator {
		err = p.checkRoot(o.named, m)
	}
	return m, err
}

// issued says whether cert-manager wrote a Secret for the Certificate of the same name.
func issued(secret client.Object) bool {
	return secret.GetAnnotations()[cmv1.CertificateNameKey] == secret.GetName()
}

// inherit lets the Secrets go with the cluster: cert-manager itself leaves them behind, with their keys. They stay for as long as the
// Certificate does, which would have them written again, and when only that goes.
func (p *plane) inherit() *step {
	for _, o := range ordersOn(p.cluster, p.kind) {
		secret, c := p.supplied[o.name], p.ordered.certificates[o.name]
		if secret == nil || !issued(secret) || c == nil {
			continue
		}
		mine := secret.DeepCopy()
		resource.Own(mine, v1alpha2.GroupVersion.WithKind("EtcdCluster"), p.cluster)
		if resource.Own(mine, cmv1.SchemeGroupVersion.WithKind(cmv1.CertificateKind), c); equality.Semantic.DeepEqual(mine, secret) {
			continue
		}
		return &step{
			does: "let Secret " + secret.Name + " go with the cluster",
			take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, mine) },
		}
	}
	return nil
}

// dismiss deletes what is not asked of cert-manager any more, once members and clients have left it: the Certificate first, or the
// Secret would come back.
func (p *plane) dismiss() *step {
	if p.wanted && (!p.settled() || len(p.supply.trouble) > 0) {
		return nil
	}
	for _, name := range issuedNames(p.cluster, p.kind) {
		if p.orders(name) {
			continue
		}
		if c := p.ordered.certificates[name]; c != nil {
			return deleting(c, "Certificate")
		}
		if secret := p.secrets[name]; secret != nil && issued(secret) && !slices.Contains(namedSecrets(p.cluster), name) {
			return deleting(secret, "Secret")
		}
	}
	return nil
}

// orders says whether a Certificate is asked for, or is that of clients and members still ask those for one.
func (p *plane) orders(name string) bool {
	return name == resource.IssuedClientName(p.cluster.Name) && p.operator() == "" && p.asked() ||
		slices.ContainsFunc(ordersOn(p.cluster, p.kind), func(o order) bool { return o.name == name })
}

// refusal is what the API server, or cert-manager's webhook, has against a Certificate.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// asking is a step that cert-manager may refuse.
func asking(verb string, c *cmv1.Certificate, take func(context.Context, *Reconciler) error) *step {
	return &step{does: verb + " Certificate " + c.Name, take: func(ctx context.Context, r *Reconciler) error {
		if err := take(ctx, r); err != nil {
			return &refusal{err}
		}
		return nil
	}}
}

package certificate

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// A CA of the cluster's own, for each plane another one. It is kept in a Secret, together with the one before it while that still
// has to issue certificates: to members that renew or join before all members trust the new CA.

// Keys of the Secret of a CA for the one before.
const (
	formerChain = "previous.crt"
	formerKey   = "previous.key"
)

// root is the user that may do everything, and the common name of the operator's certificate.
const rootUser = "root"

// authorities are what the Secret of a CA holds.
type authorities struct {
	secret  *corev1.Secret
	current pki.Authority
	former  *pki.Authority // nil if there is none that is still valid
}

func (r *Reconciler) auto(p *plane, lives v1alpha2.AutoCertificates) supply {
	s := supply{issues: true}
	name := resource.AuthorityName(p.cluster.Name, p.kind)
	secret := p.secrets[name]
	if secret == nil {
		s.first = p.newAuthority(nil, lives)
		return s
	}
	current, err := pki.ParseAuthority(secret.Data)
	if err != nil {
		s.trouble = []trouble{{v1alpha2.ReasonCertificateInvalid,
			fmt.Sprintf("Secret %s: %v; once it is deleted, a new CA is made and introduced", name, err)}}
		return s
	}
	a := &authorities{secret: secret, current: current}
	former, err := pki.ParseAuthority(map[string][]byte{pki.ChainKey: secret.Data[formerChain], pki.PrivateKey: secret.Data[formerKey]})
	if err == nil && p.now.Before(former.Certificate().NotAfter) {
		a.former = &former
	}
	if a.due(p) {
		s.first = p.newAuthority(a, lives)
	}
	s.want = pki.NewBundle(current.Certificate())
	p.known = p.known.With(s.want)
	s.offer(p, current, lives)
	if a.former != nil {
		p.known = p.known.With(pki.NewBundle(a.former.Certificate()))
		s.offer(p, *a.former, lives)
	}
	s.upkeep = a.upkeep
	return s
}

// due says whether the CA is to be replaced: at two thirds of its life, and when what the last replacement left is done, unless it
// is about to end.
func (a *authorities) due(p *plane) bool {
	c := a.current.Certificate()
	renew := pki.RenewAt(c, p.cluster.Name)
	urgent := renew.Add(c.NotAfter.Sub(renew) / 2)
	return !p.now.Before(renew) && (a.former == nil || !p.now.Before(urgent))
}

// newAuthority makes a CA. The one before stays beside it as long as it is valid.
func (p *plane) newAuthority(before *authorities, lives v1alpha2.AutoCertificates) *step {
	name := resource.AuthorityName(p.cluster.Name, p.kind)
	does := "create CA in Secret " + name
	if before != nil {
		does = fmt.Sprintf("replace CA %s in Secret %s", pki.Fingerprint(before.current.Certificate()), name)
	}
	return &step{does: does, take: func(ctx context.Context, r *Reconciler) error {
		fresh, err := pki.NewAuthority(pki.AuthorityRequest{
			Cluster: p.cluster.Name, Generation: generation(p.known), Life: length(lives.CADuration), Now: p.now, Random: r.Random,
		})
		if err != nil {
			return err
		}
		trust := pki.NewBundle(fresh.Certificate()).With(p.published())
		data, err := fresh.Data(trust)
		if err != nil {
			return fmt.Errorf("write CA: %w", err)
		}
		if before == nil {
			secret := resource.CertificateSecret(p.cluster, name, "")
			secret.Data = data
			return r.create(ctx, secret)
		}
		if p.now.Before(before.current.Certificate().NotAfter) {
			data[formerChain], data[formerKey] = before.secret.Data[pki.ChainKey], before.secret.Data[pki.PrivateKey]
		}
		secret := before.secret.DeepCopy()
		secret.Data = data
		return r.update(ctx, secret)
	}}
}

// upkeep keeps the Secret's ca.crt what clients are to trust, and drops the CA before once nobody trusts it any more.
func (a *authorities) upkeep(p *plane) *step {
	secret := a.secret.DeepCopy()
	does := "announce " + p.decision.Bundle.Short() + " in Secret " + secret.Name
	secret.Data[pki.BundleKey] = p.bundle().PEM()
	_, kept := secret.Data[formerChain]
	if kept && (a.former == nil || p.retired(pki.Fingerprint(a.former.Certificate()))) {
		delete(secret.Data, formerChain)
		delete(secret.Data, formerKey)
		does = "drop the CA before from Secret " + secret.Name
	}
	if same(secret.Data, a.secret.Data) {
		return nil
	}
	return &step{does: does, take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, secret) }}
}

// offer adds what a CA can issue.
func (s *supply) offer(p *plane, by pki.Authority, lives v1alpha2.AutoCertificates) {
	ca := by.Certificate()
	life := length(lives.CertificateDuration)
	if life == 0 {
		life = pki.DefaultLeafLife
	}
	leaf := plan.Leaf{Renew: p.now.Add(life / 3 * 2), Expires: p.now.Add(life)}
	if leaf.Expires.After(ca.NotAfter) {
		leaf.Expires = ca.NotAfter
	}
	if p.now.Before(ca.NotAfter) {
		leaf.Vouchers = plan.Anchors{pki.Fingerprint(ca)}
	}
	from := "a new one of CA " + pki.Fingerprint(ca)
	s.member = append(s.member, offer{leaf, from, func(to string, random io.Reader) (pki.Material, error) {
		return by.Issue(p.request(to, life, random))
	}})
	s.client = append(s.client, offer{leaf, from, func(to string, random io.Reader) (pki.Material, error) {
		return by.Issue(pki.LeafRequest{CommonName: p.commonName(to), Usages: pki.ClientUsages(), Life: life, Now: p.now, Random: random})
	}})
}

// request is for a member's certificate. On the client plane etcd takes the common name for a user's, and nobody is called nothing.
func (p *plane) request(to string, life time.Duration, random io.Reader) pki.LeafRequest {
	dns, ips := p.names(to)
	r := pki.LeafRequest{DNSNames: dns, IPs: ips, Usages: p.needed(), Life: life, Now: p.now, Random: random}
	if p.kind == resource.PeerPlane {
		r.CommonName = to
	}
	return r
}

// generation numbers the CAs of a cluster, above all that are known.
func generation(known pki.Bundle) int {
	highest := 0
	for _, c := range known.Certificates() {
		name := c.Subject.CommonName
		if n, err := strconv.Atoi(name[strings.LastIndex(name, " ")+1:]); err == nil {
			highest = max(highest, n)
		}
	}
	return highest + 1
}

func length(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

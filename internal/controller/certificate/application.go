package certificate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// application is a client whose certificate is asked for by a Secret that names the cluster. The Secret belongs to whoever made it: only
// what was issued is written into it, and it is never deleted.
type application struct {
	secret *corev1.Secret
	name   string // the common name that is asked for
}

// longestCommonName is what X.509 allows.
const longestCommonName = 64

// readApplications finds the Secrets of a cluster's applications. One of the operator's own is none, whatever somebody wrote on it.
func (s *scene) readApplications(ctx context.Context, names, live client.Reader) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	asking := client.MatchingLabels{v1alpha2.LabelClientCertificateOf: s.cluster.Name}
	if err := names.List(ctx, list, client.InNamespace(s.cluster.Namespace), asking); err != nil {
		return fmt.Errorf("list Secrets of applications: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int { return strings.Compare(a.Name, b.Name) })
	for i := range list.Items {
		secret := &corev1.Secret{}
		err := live.Get(ctx, client.ObjectKeyFromObject(&list.Items[i]), secret)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get Secret %s: %w", list.Items[i].Name, err)
		}
		asks := secret.Labels[v1alpha2.LabelClientCertificateOf] == s.cluster.Name && secret.Labels[v1alpha2.LabelClusterUID] == ""
		if err != nil || !asks || secret.DeletionTimestamp != nil {
			continue
		}
		a := &application{secret: secret, name: secret.Name}
		if name, said := secret.Annotations[v1alpha2.AnnotationCommonName]; said {
			a.name = name
		}
		s.applications = append(s.applications, a)
	}
	return nil
}

// key tells it from members and from the operator, which are called by names that a Secret may have too.
func (a *application) key() string { return "Secret " + a.secret.Name }

// foreign says that the Secret holds something that was not issued into it.
func (a *application) foreign() bool {
	if _, issued := a.secret.Annotations[v1alpha2.AnnotationCertificate]; issued {
		return false
	}
	return len(a.secret.Data[pki.ChainKey])+len(a.secret.Data[pki.PrivateKey])+len(a.secret.Data[pki.BundleKey]) > 0
}

// barred is why nothing may be written into the Secret, or nothing can be certified; empty if it can.
func (a *application) barred() string {
	switch {
	case a.secret.Immutable != nil && *a.secret.Immutable:
		return "the Secret is immutable"
	case a.foreign():
		return "the Secret holds another certificate, key or CA, which is not overwritten: ask with an empty one"
	case a.name == "" || len(a.name) > longestCommonName:
		return fmt.Sprintf("a common name has 1 to %d characters, and this one has %d", longestCommonName, len(a.name))
	case strings.ContainsFunc(a.name, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsPrint(r) }):
		return "the common name has characters that are not printable ASCII"
	}
	return ""
}

// asking are the applications that are clients on this plane.
func (p *plane) asking() []*application {
	if p.kind != resource.ClientPlane {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.applications), (*application).foreign)
}

func (p *plane) application(key string) *application {
	i := slices.IndexFunc(p.asking(), func(a *application) bool { return a.key() == key })
	if i < 0 {
		return nil
	}
	return p.asking()[i]
}

// applicant is an application as the policy sees it. What it was given counts also where nothing more can be given to it: nobody stops
// trusting a CA while an application has its certificate only from there.
func (p *plane) applicant(a *application) plan.TrustClient {
	var offers []offer
	if p.refusal(a) == "" {
		offers = p.supply.client
	}
	c := p.client(a.key(), offers)
	if paper := p.papers[a.key()]; paper.usable && paper.material.Leaf().Subject.CommonName != a.name {
		c.Given.Renew = p.now
	}
	return c
}

// commonName is that of a client.
func (p *plane) commonName(client string) string {
	if a := p.application(client); a != nil {
		return a.name
	}
	return rootUser
}

// refusal is why an application is given no certificate, empty if it is given one.
func (p *plane) refusal(a *application) string {
	if why := a.barred(); why != "" {
		return why
	}
	if !p.supply.issues {
		return fmt.Sprintf("the certificates of %s do not come from a CA of its own (spec.tls.client.auto): ask whoever issues them",
			p.cluster.Name)
	}
	return ""
}

// refuse says on the Secrets of applications why nothing is issued.
func (p *plane) refuse() *step {
	if p.kind != resource.ClientPlane {
		return nil
	}
	for _, a := range p.applications {
		why := p.refusal(a)
		if a.secret.Annotations[v1alpha2.AnnotationCertificateRefused] == why {
			continue
		}
		secret := a.secret.DeepCopy()
		if delete(secret.Annotations, v1alpha2.AnnotationCertificateRefused); why != "" {
			metav1.SetMetaDataAnnotation(&secret.ObjectMeta, v1alpha2.AnnotationCertificateRefused, why)
		}
		return &step{
			does: "say in Secret " + secret.Name + " why nothing is issued: " + why,
			take: func(ctx context.Context, r *Reconciler) error { return r.update(ctx, secret) },
		}
	}
	return nil
}

// withOthers adds what else lies in the Secret of an application.
func withOthers(issued, all map[string][]byte) map[string][]byte {
	data := maps.Clone(all)
	if data == nil {
		data = map[string][]byte{}
	}
	maps.Copy(data, issued)
	return data
}

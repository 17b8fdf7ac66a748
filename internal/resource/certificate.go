package resource

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const componentCertificate = "certificate"

// CertificateSecret is a Secret for a certificate and its key, yet without them. It belongs to the cluster also when it is a member's:
// members are given theirs before they exist. member is empty for what is not a member's.
func CertificateSecret(c *v1alpha2.EtcdCluster, name, member string) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: objectMeta(c.Namespace, name, Labels(c.Name, c.UID, componentCertificate), c.Spec.AdditionalMetadata),
		Type:       corev1.SecretTypeTLS,
	}
	if member != "" {
		s.Labels[v1alpha2.LabelMember] = member
	}
	s.OwnerReferences = clusterOwner(c)
	return s
}

// Own lets an object that somebody else controls go once all its owners are gone, this one among them.
func Own(o metav1.Object, kind schema.GroupVersionKind, by metav1.Object) {
	if !OwnedBy(o, by.GetUID()) {
		o.SetOwnerReferences(append(o.GetOwnerReferences(), metav1.OwnerReference{
			APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: by.GetName(), UID: by.GetUID(),
		}))
	}
}

// OwnedBy says whether the object with this UID is an owner.
func OwnedBy(o metav1.Object, uid types.UID) bool {
	return slices.ContainsFunc(o.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == uid })
}

// TrustConfigMap holds the CAs that members are started with on a plane, as PEM. What a running member trusts is known from its name.
func TrustConfigMap(c *v1alpha2.EtcdCluster, p Plane, hash, text string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{
		ObjectMeta: objectMeta(c.Namespace, TrustName(c.Name, p, hash), Labels(c.Name, c.UID, componentCertificate),
			c.Spec.AdditionalMetadata),
		Data:      map[string]string{trustFile: text},
		Immutable: new(true),
	}
	m.OwnerReferences = clusterOwner(c)
	return m
}

// TrustOf is the bundle in a ConfigMap: of which plane, its hash and its text; ok is false for any other ConfigMap.
func TrustOf(cluster string, m *corev1.ConfigMap) (p Plane, hash, text string, ok bool) {
	for _, p := range []Plane{ClientPlane, PeerPlane} {
		if hash, ok := strings.CutPrefix(m.Name, TrustName(cluster, p, "")); ok {
			return p, hash, m.Data[trustFile], true
		}
	}
	return "", "", "", false
}

// StartsWith is how a member is to be started on a plane: secured or not, and the hash of the bundle it trusts, empty if it asks
// nobody for a certificate.
func StartsWith(m *v1alpha2.EtcdMember, p Plane) (hash string, secured bool) {
	if m == nil || m.Spec.TLS == nil {
		return "", false
	}
	leaf, trust := m.Spec.TLS.ClientServerSecretRef, m.Spec.TLS.ClientTrustRef
	if p == PeerPlane {
		leaf, trust = m.Spec.TLS.PeerSecretRef, m.Spec.TLS.PeerTrustRef
	}
	if trust != nil {
		hash = strings.TrimPrefix(trust.Name, TrustName(m.Spec.ClusterName, p, ""))
	}
	return hash, leaf != nil
}

// IsSecure says whether a URL is one of TLS.
func IsSecure(url string) bool { return schemeOf(url) == "https" }

// ListensSecured says whether a Pod's etcd speaks TLS with members that connect to it.
func ListensSecured(pod *corev1.Pod) bool {
	return pod != nil && slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, listenForPeers+"https:") })
	})
}

// RunsWith is the same of a member's Pod.
func RunsWith(pod *corev1.Pod, cluster string, p Plane) (hash string, secured bool) {
	if pod == nil {
		return "", false
	}
	volume := volumeClients
	if p == PeerPlane {
		volume = volumePeers
	}
	for _, v := range pod.Spec.Volumes {
		if v.Name != volume || v.Projected == nil {
			continue
		}
		secured = true
		for _, source := range v.Projected.Sources {
			if source.ConfigMap != nil {
				hash = strings.TrimPrefix(source.ConfigMap.Name, TrustName(cluster, p, ""))
			}
		}
	}
	return hash, secured
}

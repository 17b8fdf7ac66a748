package resource

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Where certificates lie in a member's container.
const (
	tlsRoot       = "/etc/etcd/tls/"
	clientTLSDir  = tlsRoot + "client"
	peerTLSDir    = tlsRoot + "peer"
	trustFile     = "ca.crt"
	volumeClients = "client-tls"
	volumePeers   = "peer-tls"
)

// Plane is one of the two on which etcd listens.
type Plane string

// The planes.
const (
	ClientPlane Plane = "client"
	PeerPlane   Plane = "peer"
)

// LeafName is the Secret with the certificate that a member presents on a plane.
func LeafName(member string, p Plane) string {
	if p == ClientPlane {
		return member + "-server-tls"
	}
	return member + "-peer-tls"
}

// TrustName is the ConfigMap with the CAs that members are started with on a plane. hash is that of the bundle.
func TrustName(cluster string, p Plane, hash string) string {
	return fmt.Sprintf("%s-%s-trust-%s", cluster, p, hash)
}

// AuthorityName is the Secret with the CA of a plane, where the operator issues the certificates. The planes have different ones: who
// may be a client must not be able to be a member.
func AuthorityName(cluster string, p Plane) string {
	if p == ClientPlane {
		return cluster + "-ca"
	}
	return cluster + "-peer-ca"
}

// OperatorClientName is the Secret with the client certificate that the operator uses. Wherever it comes from, this is the copy that was
// checked; <cluster>-operator-client-tls is what cert-manager writes.
func OperatorClientName(cluster string) string { return cluster + "-operator-tls" }

// IssuedClientName is the Certificate, and the Secret, in which cert-manager keeps the operator's client certificate. Those of members have
// the LeafName of the cluster.
func IssuedClientName(cluster string) string { return cluster + "-operator-client-tls" }

// WantsTLS says whether a plane is to be secured, and whether clients, too, have to present a certificate there.
func WantsTLS(c *v1alpha2.EtcdCluster, p Plane) (wanted, mutual bool) {
	tls := c.Spec.TLS
	switch {
	case tls == nil:
		return false, false
	case p == PeerPlane:
		return tls.Peer != nil, tls.Peer != nil
	case tls.Client == nil:
		return false, false
	case tls.Client.Auto != nil:
		return true, tls.Client.Auto.ClientAuthentication != v1alpha2.ClientAuthenticationNone
	case tls.Client.CertManager != nil:
		return true, tls.Client.CertManager.OperatorClientIssuerRef != nil
	}
	return true, tls.Client.OperatorClientSecretRef != nil
}

// Securable says whether everything is there that members of a new cluster have to be started with.
func Securable(c *v1alpha2.EtcdCluster) bool {
	for _, p := range []Plane{ClientPlane, PeerPlane} {
		final := v1alpha2.TLSPlain
		switch wanted, mutual := WantsTLS(c, p); {
		case wanted && mutual && p == ClientPlane:
			final = v1alpha2.TLSMutual
		case wanted:
			final = v1alpha2.TLSSecured
		}
		if StageOf(c, p) != final {
			return false
		}
	}
	return true
}

// BundleOf is the hash of the bundle that members are to be started with, empty if it is not known yet.
func BundleOf(c *v1alpha2.EtcdCluster, p Plane) string {
	switch tls := c.Status.TLS; {
	case tls == nil:
	case p == ClientPlane && tls.Client != nil:
		return tls.Client.Bundle
	case p == PeerPlane && tls.Peer != nil:
		return tls.Peer.Bundle
	}
	return ""
}

// StageOf is how members are to be started on a plane, as the certificate controller has announced it.
func StageOf(c *v1alpha2.EtcdCluster, p Plane) v1alpha2.TLSStage {
	stage := v1alpha2.TLSStage("")
	switch tls := c.Status.TLS; {
	case tls == nil:
	case p == ClientPlane && tls.Client != nil:
		stage = tls.Client.Stage
	case p == PeerPlane && tls.Peer != nil:
		stage = tls.Peer.Stage
	}
	return cmp.Or(stage, v1alpha2.TLSPlain)
}

// WantedPeerURL is where a member of the cluster is to listen for others.
func WantedPeerURL(c *v1alpha2.EtcdCluster, member string) string {
	return PeerURL(member, c.Name, c.Namespace, StageOf(c, PeerPlane) == v1alpha2.TLSSecured)
}

// memberTLS is what a member of the cluster is to be started with, nil if both planes are plain.
func memberTLS(c *v1alpha2.EtcdCluster, member string) *v1alpha2.EtcdMemberTLS {
	var tls v1alpha2.EtcdMemberTLS
	if stage := StageOf(c, ClientPlane); stage != v1alpha2.TLSPlain {
		tls.ClientServerSecretRef = &corev1.LocalObjectReference{Name: LeafName(member, ClientPlane)}
		tls.ClientPlaintext = c.Spec.TLS != nil && c.Spec.TLS.Client != nil && c.Spec.TLS.Client.AcceptPlaintext
		if tls.ClientMTLS = stage == v1alpha2.TLSMutual; tls.ClientMTLS {
			tls.ClientTrustRef = &corev1.LocalObjectReference{Name: TrustName(c.Name, ClientPlane, BundleOf(c, ClientPlane))}
		}
	}
	if StageOf(c, PeerPlane) != v1alpha2.TLSPlain {
		tls.PeerSecretRef = &corev1.LocalObjectReference{Name: LeafName(member, PeerPlane)}
		tls.PeerTrustRef = &corev1.LocalObjectReference{Name: TrustName(c.Name, PeerPlane, BundleOf(c, PeerPlane))}
	}
	if tls == (v1alpha2.EtcdMemberTLS{}) {
		return nil
	}
	return &tls
}

// Mounts are the Secrets and ConfigMaps that a member mounts, by name.
func Mounts(m *v1alpha2.EtcdMember) (all []Object) {
	tls := m.Spec.TLS
	if tls == nil {
		return nil
	}
	for _, ref := range []*corev1.LocalObjectReference{tls.ClientServerSecretRef, tls.PeerSecretRef} {
		if ref != nil {
			all = append(all, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: ref.Name}})
		}
	}
	for _, ref := range []*corev1.LocalObjectReference{tls.ClientTrustRef, tls.PeerTrustRef} {
		if ref != nil {
			all = append(all, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: ref.Name}})
		}
	}
	return all
}

// tlsFlags are etcd's arguments for the planes that are secured. A CA for clients makes etcd demand certificates of them, so it is only
// given where they are wanted (transport.TLSInfo.ServerConfig).
func tlsFlags(tls *v1alpha2.EtcdMemberTLS) (flags []string) {
	if tls == nil {
		return nil
	}
	if tls.ClientServerSecretRef != nil {
		flags = append(flags, "--cert-file="+clientTLSDir+"/"+corev1.TLSCertKey, "--key-file="+clientTLSDir+"/"+corev1.TLSPrivateKeyKey)
	}
	if tls.ClientMTLS && tls.ClientTrustRef != nil {
		flags = append(flags, "--client-cert-auth", "--trusted-ca-file="+clientTLSDir+"/"+trustFile)
	}
	if tls.PeerSecretRef != nil {
		flags = append(flags, "--peer-cert-file="+peerTLSDir+"/"+corev1.TLSCertKey, "--peer-key-file="+peerTLSDir+"/"+corev1.TLSPrivateKeyKey,
			"--peer-client-cert-auth", "--peer-trusted-ca-file="+peerTLSDir+"/"+trustFile)
	}
	return flags
}

// tlsVolumes are the volumes with certificates, and where they are mounted.
func tlsVolumes(tls *v1alpha2.EtcdMemberTLS) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	if tls == nil {
		return nil, nil
	}
	add := func(name, dir string, leaf, trust *corev1.LocalObjectReference) {
		if leaf == nil {
			return
		}
		sources := []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: *leaf, Items: files(corev1.TLSCertKey, corev1.TLSPrivateKeyKey),
		}}}
		if trust != nil {
			sources = append(sources, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: *trust, Items: files(trustFile),
			}})
		}
		volumes = append(volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o440))},
		}})
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: dir, ReadOnly: true})
	}
	add(volumeClients, clientTLSDir, tls.ClientServerSecretRef, tls.ClientTrustRef)
	add(volumePeers, peerTLSDir, tls.PeerSecretRef, tls.PeerTrustRef)
	return volumes, mounts
}

func files(keys ...string) (items []corev1.KeyToPath) {
	for _, key := range keys {
		items = append(items, corev1.KeyToPath{Key: key, Path: key})
	}
	return items
}

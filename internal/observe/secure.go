package observe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// secure finds whom to trust and what to present on the client plane. What is missing keeps members from being asked, and nothing else.
func (o *Observer) secure(ctx context.Context, from client.Reader, s *Scene) {
	bundle := resource.BundleOf(s.Cluster, resource.ClientPlane)
	if bundle == "" {
		return
	}
	s.Secure, s.insecure = o.credentials(ctx, from, s, bundle, slices.ContainsFunc(s.Members, asksClients))
}

// asksClients says whether a member wants certificates of its clients, now or when it is started again.
func asksClients(m *Member) bool {
	hash, _ := resource.RunsWith(m.Pod, m.Object.Spec.ClusterName, resource.ClientPlane)
	return hash != "" || m.Object.Spec.TLS != nil && m.Object.Spec.TLS.ClientMTLS
}

// target is how a member is connected to.
func (o *Observer) target(s *Scene, m *Member) (etcd.Target, error) {
	t := etcd.Target{Endpoint: o.ClientURL(m.Object)}
	if !speaksTLS(m.Object) {
		return t, nil
	}
	if t.TLS = s.Secure; t.TLS == nil {
		return t, cmp.Or(s.insecure, errNoCertificates)
	}
	return t, nil
}

func speaksTLS(m *v1alpha2.EtcdMember) bool {
	return m.Spec.TLS != nil && m.Spec.TLS.ClientServerSecretRef != nil
}

// Unsecured is why members that speak TLS could not even be asked; nil if they could, or if there are none.
func (s *Scene) Unsecured() error {
	if s.Secure != nil || !slices.ContainsFunc(s.Members, func(m *Member) bool { return speaksTLS(m.Object) }) {
		return nil
	}
	return cmp.Or(s.insecure, errNoCertificates)
}

var errNoCertificates = errors.New("it is not known yet whom to trust")

func (o *Observer) credentials(ctx context.Context, from client.Reader, s *Scene, bundle string, mutual bool) (*tls.Config, error) {
	var trust corev1.ConfigMap
	name := resource.TrustName(s.Cluster.Name, resource.ClientPlane, bundle)
	if err := from.Get(ctx, types.NamespacedName{Namespace: s.Cluster.Namespace, Name: name}, &trust); err != nil {
		return nil, fmt.Errorf("get the CAs of the members: %w", err)
	}
	anchors, err := pki.ParseBundle([]byte(trust.Data[pki.BundleKey]))
	if err != nil {
		return nil, fmt.Errorf("read the CAs of the members in ConfigMap %s: %w", name, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: anchors.Pool()}
	if !mutual {
		return config, nil
	}
	name = resource.OperatorClientName(s.Cluster.Name) // also with a certificate of the user's: this is the copy that was checked
	var secret corev1.Secret
	if err := from.Get(ctx, types.NamespacedName{Namespace: s.Cluster.Namespace, Name: name}, &secret); err != nil {
		return nil, fmt.Errorf("get the operator's client certificate: %w", err)
	}
	material, err := pki.Parse(secret.Data)
	if err != nil {
		return nil, fmt.Errorf("read the operator's client certificate in Secret %s: %w", name, err)
	}
	config.Certificates = []tls.Certificate{material.TLS()}
	return config, nil
}

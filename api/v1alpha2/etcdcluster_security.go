package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
)

// EtcdClusterTLS is transport security for each plane on its own.
type EtcdClusterTLS struct {
	// Client is TLS between clients and members.
	// +optional
	Client *ClientTLS `json:"client,omitempty"`
	// Peer is TLS between members. It is always mutual.
	// +optional
	Peer *PeerTLS `json:"peer,omitempty"`
}

// ClientTLS is where certificates for the client plane come from: exactly one source.
type ClientTLS struct {
	// ServerSecretRef names a Secret with tls.crt, tls.key and ca.crt that every member serves.
	// +optional
	ServerSecretRef *corev1.LocalObjectReference `json:"serverSecretRef,omitempty"`
	// OperatorClientSecretRef names the operator's client certificate. Setting it makes client certificates required (mTLS).
	// +optional
	OperatorClientSecretRef *corev1.LocalObjectReference `json:"operatorClientSecretRef,omitempty"`
	// CertManager lets cert-manager issue the certificates.
	// +optional
	CertManager *ClientCertManagerTLS `json:"certManager,omitempty"`
}

// ClientCertManagerTLS lets cert-manager issue the certificates of the client plane.
type ClientCertManagerTLS struct {
	ServerIssuerRef IssuerReference `json:"serverIssuerRef"`
	// OperatorClientIssuerRef issues the operator's client certificate. Setting it makes client certificates required (mTLS).
	// +optional
	OperatorClientIssuerRef *IssuerReference `json:"operatorClientIssuerRef,omitempty"`
}

// PeerTLS is where certificates for the peer plane come from: exactly one source.
type PeerTLS struct {
	// SecretRef names a Secret with tls.crt, tls.key and ca.crt for all members.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
	// CertManager lets cert-manager issue the certificates.
	// +optional
	CertManager *PeerCertManagerTLS `json:"certManager,omitempty"`
}

// PeerCertManagerTLS lets cert-manager issue the certificates of the peer plane.
type PeerCertManagerTLS struct {
	IssuerRef IssuerReference `json:"issuerRef"`
}

// IssuerReference names an issuer of cert-manager.
type IssuerReference struct {
	Name string `json:"name"`
	// Kind is Issuer (default) or ClusterIssuer.
	//
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:Enum=Issuer;ClusterIssuer
	// +optional
	Kind string `json:"kind,omitempty"`
}

// AuthSpec is etcd's own authentication.
type AuthSpec struct {
	// +optional
	Enabled bool `json:"enabled,omitempty"`
	// RootCredentialsSecretRef names a Secret of type kubernetes.io/basic-auth with username root.
	// +optional
	RootCredentialsSecretRef *corev1.LocalObjectReference `json:"rootCredentialsSecretRef,omitempty"`
}

// BootstrapSpec says how a cluster comes by its first data.
type BootstrapSpec struct {
	// +optional
	Restore *RestoreSpec `json:"restore,omitempty"`
}

// RestoreSpec names the snapshot that a cluster starts from.
type RestoreSpec struct {
	Source SnapshotLocation `json:"source"`
}

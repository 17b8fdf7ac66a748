package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// EtcdClusterTLS is transport security for each plane on its own. A plane that is not named is plain.
type EtcdClusterTLS struct {
	// Client is TLS between clients and members.
	// +optional
	Client *ClientTLS `json:"client,omitempty"`
	// Peer is TLS between members. It is always mutual.
	// +optional
	Peer *PeerTLS `json:"peer,omitempty"`
}

// ClientTLS is where certificates of the client plane come from: exactly one source.
//
// +kubebuilder:validation:XValidation:rule="[has(self.serverSecretRef), has(self.certManager), has(self.auto)].filter(x, x).size() == 1",message="tls.client needs exactly one source: serverSecretRef, certManager or auto"
// +kubebuilder:validation:XValidation:rule="!has(self.operatorClientSecretRef) || has(self.serverSecretRef)",message="tls.client.operatorClientSecretRef belongs to serverSecretRef; certManager has operatorClientIssuerRef, and auto makes the operator's certificate itself"
type ClientTLS struct {
	// ServerSecretRef names a Secret with tls.crt, tls.key and ca.crt that every member serves with. Its certificate has to cover
	// <cluster>.<namespace>.svc and *.<cluster>.<namespace>.svc. A change is checked, and taken over without a restart.
	// +optional
	ServerSecretRef *corev1.LocalObjectReference `json:"serverSecretRef,omitempty"`
	// OperatorClientSecretRef names a Secret with tls.crt and tls.key of the operator's client certificate. Setting it makes client
	// certificates required (mTLS). With auth its common name has to be root.
	// +optional
	OperatorClientSecretRef *corev1.LocalObjectReference `json:"operatorClientSecretRef,omitempty"`
	// AcceptPlaintext lets clients connect without TLS too, on the same port, and without a certificate. It is for the time in which
	// clients move: set it together with tls.client, and before tls.client is removed.
	// +optional
	AcceptPlaintext bool `json:"acceptPlaintext,omitempty"`
	// CertManager lets cert-manager issue the certificates.
	// +optional
	CertManager *ClientCertManagerTLS `json:"certManager,omitempty"`
	// Auto lets the operator issue the certificates, from a CA of the cluster's own in the Secret <cluster>-ca.
	// +optional
	Auto *ClientAutoTLS `json:"auto,omitempty"`
}

// ClientCertManagerTLS lets cert-manager issue the certificates of the client plane.
type ClientCertManagerTLS struct {
	ServerIssuerRef IssuerReference `json:"serverIssuerRef"`
	// OperatorClientIssuerRef issues the operator's client certificate. Setting it makes client certificates required (mTLS).
	// +optional
	OperatorClientIssuerRef *IssuerReference `json:"operatorClientIssuerRef,omitempty"`
}

// ClientAuthentication says whether clients have to present a certificate.
//
// +kubebuilder:validation:Enum=Required;None
type ClientAuthentication string

const (
	// ClientAuthenticationRequired: who has no certificate of the cluster's CA is refused.
	ClientAuthenticationRequired ClientAuthentication = "Required"
	// ClientAuthenticationNone: the connection is encrypted, and anybody may connect.
	ClientAuthenticationNone ClientAuthentication = "None"
)

// ClientAutoTLS lets the operator issue the certificates of the client plane.
type ClientAutoTLS struct {
	// ClientAuthentication is Required or None.
	//
	// +kubebuilder:default=Required
	// +optional
	ClientAuthentication ClientAuthentication `json:"clientAuthentication,omitempty"`

	AutoCertificates `json:",inline"`
}

// PeerAutoTLS lets the operator issue the certificates of the peer plane.
type PeerAutoTLS struct {
	AutoCertificates `json:",inline"`
}

// AutoCertificates says how long certificates of the operator live.
//
// +kubebuilder:validation:XValidation:rule="!has(self.certificateDuration) || duration(self.certificateDuration) >= duration('1m')",message="certificateDuration must be at least 1m"
// +kubebuilder:validation:XValidation:rule="duration(has(self.caDuration) ? self.caDuration : '87600h') >= duration(has(self.certificateDuration) ? self.certificateDuration : '8760h') + duration(has(self.certificateDuration) ? self.certificateDuration : '8760h')",message="caDuration must be at least twice certificateDuration"
type AutoCertificates struct {
	// CertificateDuration is how long a member's certificate lives. It is renewed at two thirds of that. Default 8760h (a year); a
	// change takes effect with the next certificate.
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(s|m|h))+$`
	// +optional
	CertificateDuration *metav1.Duration `json:"certificateDuration,omitempty"`
	// CADuration is how long a CA lives. It is replaced at two thirds of that. Default 87600h (ten years).
	//
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]+(s|m|h))+$`
	// +optional
	CADuration *metav1.Duration `json:"caDuration,omitempty"`
}

// PeerTLS is where certificates of the peer plane come from: exactly one source.
//
// +kubebuilder:validation:XValidation:rule="[has(self.secretRef), has(self.certManager), has(self.auto)].filter(x, x).size() == 1",message="tls.peer needs exactly one source: secretRef, certManager or auto"
type PeerTLS struct {
	// SecretRef names a Secret with tls.crt, tls.key and ca.crt for all members. Its certificate has to cover
	// *.<cluster>.<namespace>.svc, and allow both server and client authentication.
	// +optional
	SecretRef *corev1.LocalObjectReference `json:"secretRef,omitempty"`
	// CertManager lets cert-manager issue the certificates.
	// +optional
	CertManager *PeerCertManagerTLS `json:"certManager,omitempty"`
	// Auto lets the operator issue the certificates, from a CA of the cluster's own in the Secret <cluster>-peer-ca.
	// +optional
	Auto *PeerAutoTLS `json:"auto,omitempty"`
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

// TLSStatus is how far certificates are.
type TLSStatus struct {
	// +optional
	Client *PlaneTLSStatus `json:"client,omitempty"`
	// +optional
	Peer *PlaneTLSStatus `json:"peer,omitempty"`
}

// TLSStage says how members speak on a plane.
type TLSStage string

// The stages, which package plan decides on.
const (
	TLSPlain    TLSStage = "Plain"
	TLSPrepared TLSStage = "Prepared"
	TLSSecured  TLSStage = "Secured"
	TLSMutual   TLSStage = "Mutual"
)

// TLSPhase says how far a change of certificates has come.
type TLSPhase string

// PlaneTLSStatus is how far the certificates of one plane are.
type PlaneTLSStatus struct {
	// Stage is how members speak, or are being restarted to speak, one at a time: Plain; Prepared, when members have certificates for
	// each other and still listen in plain; Secured; Mutual, when clients need certificates too.
	// +optional
	Stage TLSStage `json:"stage,omitempty"`
	// Phase is Settled; Renewing while certificates change and their CA does not; Bundle, Leaves and Dropping while a CA is replaced;
	// Expired when nothing that members present is valid any more.
	// +optional
	Phase TLSPhase `json:"phase,omitempty"`
	// Bundle identifies the CAs that members are started with: their ConfigMap ends with it.
	// +optional
	Bundle string `json:"bundle,omitempty"`
	// CAs are those of the bundle.
	//
	// +listType=map
	// +listMapKey=fingerprint
	// +optional
	CAs []TrustedCA `json:"cas,omitempty"`
	// AtOnce is true when no quorum of the members accepts each other any more (on the client plane: the operator), so that they are
	// restarted all together.
	// +optional
	AtOnce bool `json:"atOnce,omitempty"`
	// NotAfter is when the first certificate that a member presents ends.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`
	// RootsNotAfter is when the first CA of the bundle ends.
	// +optional
	RootsNotAfter *metav1.Time `json:"rootsNotAfter,omitempty"`
	// Message says it for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// TrustedCA is a CA that members and clients are told to trust.
type TrustedCA struct {
	// Fingerprint is the beginning of the SHA-256 digest of its certificate.
	Fingerprint string `json:"fingerprint"`
	// Since when they are told without a break. Members show certificates of it once clients have had their time.
	Since metav1.Time `json:"since"`
}

// AuthSpec is etcd's own authentication, and who may do what.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.enabled) && self.enabled) || has(self.rootCredentialsSecretRef) && has(self.rootCredentialsSecretRef.name) && self.rootCredentialsSecretRef.name.size() > 0",message="auth.enabled needs auth.rootCredentialsSecretRef: a Secret of type kubernetes.io/basic-auth with username root and root's password"
type AuthSpec struct {
	// Enabled makes etcd ask clients who they are, once all members are there and healthy. It may be changed at any time. It needs
	// rootCredentialsSecretRef and tls.client.
	// +optional
	Enabled bool `json:"enabled,omitempty"`
	// RootCredentialsSecretRef names a Secret of type kubernetes.io/basic-auth with username root. A change of its password is carried
	// into etcd; the operator keeps access all along. The password may be 1 to 72 bytes long.
	// +optional
	RootCredentialsSecretRef *corev1.LocalObjectReference `json:"rootCredentialsSecretRef,omitempty"`
	// Users that the operator makes and keeps as they are declared, also while authentication is off. Users that others made are left
	// alone. They need tls.client.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Users []AuthUser `json:"users,omitempty"`
	// Roles that the operator makes and keeps as they are declared. Roles that others made are left alone.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Roles []AuthRole `json:"roles,omitempty"`
}

// AuthUser is a user of etcd.
type AuthUser struct {
	// Name of the user. A client whose certificate has it as its common name is this user without a password, where client certificates
	// are required.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._:@/-]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self != 'root'",message="user root is the operator's: its password comes from auth.rootCredentialsSecretRef"
	Name string `json:"name"`
	// PasswordSecretRef names a Secret whose key password holds the password, 1 to 72 bytes long. A change is carried into etcd.
	//
	// +kubebuilder:validation:XValidation:rule="has(self.name) && self.name.size() > 0",message="passwordSecretRef needs the name of a Secret with the key password"
	PasswordSecretRef corev1.LocalObjectReference `json:"passwordSecretRef"`
	// Roles that the user has: declared here, or made by others. The role root may do everything.
	//
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +listType=set
	// +optional
	Roles []string `json:"roles,omitempty"`
}

// AuthRole is a role of etcd.
type AuthRole struct {
	// Name of the role.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9._:@/-]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self != 'root'",message="role root is etcd's own and may do everything: declare another one"
	Name string `json:"name"`
	// Permissions of the role. Two for the same keys add up.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Permissions []AuthPermission `json:"permissions,omitempty"`
}

// AuthAccess is what a permission allows.
//
// +kubebuilder:validation:Enum=Read;Write;ReadWrite
type AuthAccess string

const (
	// AuthRead allows to read, and to watch.
	AuthRead AuthAccess = "Read"
	// AuthWrite allows to write and to delete.
	AuthWrite AuthAccess = "Write"
	// AuthReadWrite allows both.
	AuthReadWrite AuthAccess = "ReadWrite"
)

// AuthPermission allows access to one key, or to all keys that begin with a prefix.
//
// +kubebuilder:validation:XValidation:rule="has(self.key) != has(self.prefix)",message="a permission is for exactly one of key and prefix; the empty prefix means all keys"
type AuthPermission struct {
	// Key is the one key that may be accessed.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Key *string `json:"key,omitempty"`
	// Prefix is what the keys begin with that may be accessed. The empty prefix means all keys.
	//
	// +kubebuilder:validation:MaxLength=512
	// +optional
	Prefix *string `json:"prefix,omitempty"`
	// Access is Read, Write or ReadWrite.
	Access AuthAccess `json:"access"`
}

// AuthStatus is what the operator remembers of authentication. Passwords are in the Secret <cluster>-operator-root.
type AuthStatus struct {
	// KeptOn is true when it is the operator that keeps authentication on.
	// +optional
	KeptOn bool `json:"keptOn,omitempty"`
	// Users that the operator made, other than root. It never touches others.
	//
	// +listType=map
	// +listMapKey=name
	// +optional
	Users []AuthUserRecord `json:"users,omitempty"`
	// Roles that the operator made. It never touches others.
	//
	// +listType=set
	// +optional
	Roles []string `json:"roles,omitempty"`
	// Adopted is true once nothing more is taken over of what came with a snapshot.
	// +optional
	Adopted bool `json:"adopted,omitempty"`
}

// AuthUserRecord is a user that the operator made.
type AuthUserRecord struct {
	Name string `json:"name"`
	// PasswordDigest tells whether the password is still that of the user's Secret. It is keyed: it tells nothing else without the
	// Secret <cluster>-operator-root. It is empty while the password is being set.
	// +optional
	PasswordDigest string `json:"passwordDigest,omitempty"`
}

// BootstrapSpec says how a cluster comes by its first data. It is read until the cluster has formed, and never again.
type BootstrapSpec struct {
	// +optional
	Restore *RestoreSpec `json:"restore,omitempty"`
}

// RestoreSpec names the snapshot that a cluster starts from: exactly one of source and snapshotRef. It is read while the cluster forms
// for the first time, and never again.
//
// +kubebuilder:validation:XValidation:rule="has(self.source) != has(self.snapshotRef)",message="restore needs exactly one of source and snapshotRef"
type RestoreSpec struct {
	// Source is the exact place of a snapshot: s3.key or pvc.subPath are required. One that ends in .zst is decompressed.
	//
	// +kubebuilder:validation:XValidation:rule="!has(self.s3) || has(self.s3.key) && self.s3.key.size() > 0",message="source.s3.key must be the exact key of the snapshot"
	// +kubebuilder:validation:XValidation:rule="!has(self.pvc) || has(self.pvc.subPath) && self.pvc.subPath.size() > 0",message="source.pvc.subPath must be the exact file of the snapshot"
	// +optional
	Source *SnapshotLocation `json:"source,omitempty"`

	// SnapshotRef names a complete EtcdSnapshot of the same namespace, of whichever cluster.
	//
	// +kubebuilder:validation:XValidation:rule="has(self.name) && self.name.size() > 0",message="snapshotRef.name must name an EtcdSnapshot"
	// +optional
	SnapshotRef *corev1.LocalObjectReference `json:"snapshotRef,omitempty"`

	// RevisionBump is added to the revision, and everything before is marked as compacted, so that clients that watched the cluster from
	// before the restore get an error instead of silence. 0 turns both off: revisions may then be used twice.
	//
	// +kubebuilder:default=1000000000
	// +kubebuilder:validation:Minimum=0
	// +optional
	RevisionBump *int64 `json:"revisionBump,omitempty"`
}

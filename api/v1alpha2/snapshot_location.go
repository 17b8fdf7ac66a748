package v1alpha2

import corev1 "k8s.io/api/core/v1"

// SnapshotLocation is exactly one of s3 and pvc.
//
// +kubebuilder:validation:XValidation:rule="has(self.s3) != has(self.pvc)",message="name exactly one of s3 and pvc"
type SnapshotLocation struct {
	// +optional
	S3 *S3Location `json:"s3,omitempty"`
	// +optional
	PVC *PVCLocation `json:"pvc,omitempty"`
}

// S3Location is a place in an S3-compatible store.
type S3Location struct {
	// Endpoint is the URL of the store, for example https://s3.example.com:9000.
	//
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@]+/?$')",message="endpoint must be a URL of scheme http or https without a path, for example https://s3.example.com:9000"
	Endpoint string `json:"endpoint"`

	// Bucket must exist.
	//
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	Bucket string `json:"bucket"`

	// Key is a prefix for snapshots that are taken, and the exact key of one that is restored.
	//
	// +kubebuilder:validation:MaxLength=800
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/')",message="key must not start with /"
	// +optional
	Key string `json:"key,omitempty"`

	// CredentialsSecretRef names a Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if they are temporary.
	// Unset means the identity of the workload: a web identity token, or the instance's own, whatever the cloud gives to a Pod of
	// serviceAccountName.
	//
	// +optional
	CredentialsSecretRef *corev1.LocalObjectReference `json:"credentialsSecretRef,omitempty"`

	// ServiceAccountName is the ServiceAccount of the Pods that read and write the store; only its identity towards the cloud is used.
	// Default: that of the namespace.
	//
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// CASecretRef names a Secret whose ca.crt holds the CAs (PEM) to trust instead of the system's.
	//
	// +optional
	CASecretRef *corev1.LocalObjectReference `json:"caSecretRef,omitempty"`

	// Region of the bucket. Unset: asked of the store.
	//
	// +optional
	Region string `json:"region,omitempty"`

	// ForcePathStyle puts the bucket into the path instead of the host name, as most stores other than Amazon's want it.
	//
	// +optional
	ForcePathStyle bool `json:"forcePathStyle,omitempty"`
}

// PVCLocation is a place on a PersistentVolumeClaim of the same namespace.
type PVCLocation struct {
	// +kubebuilder:validation:MinLength=1
	ClaimName string `json:"claimName"`

	// SubPath is a directory for snapshots that are taken, and the exact file of one that is restored.
	//
	// +kubebuilder:validation:MaxLength=800
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="subPath must be relative and must not contain .."
	// +optional
	SubPath string `json:"subPath,omitempty"`
}

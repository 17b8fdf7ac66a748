package v1alpha2

// ConditionTLSReady is True when every member shows the certificate that it should, and trusts whom it should. It is absent while no
// plane is to be secured.
const ConditionTLSReady = "TLSReady"

// Reasons of the condition TLSReady, besides those of the phases of a change (internal/plan, TrustDecision).
const (
	// ReasonCertificatesValid: nothing is to be done.
	ReasonCertificatesValid = "CertificatesValid"
	// ReasonSecretMissing: a Secret that the spec names is not there.
	ReasonSecretMissing = "SecretMissing"
	// ReasonCertificateInvalid: what a Secret holds must not be given to a member. The message says what is wrong.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonCertificatePending: certificates are yet to be issued.
	ReasonCertificatePending = "CertificatePending"
	// ReasonChangingTransport: TLS is being turned on or off, member by member.
	ReasonChangingTransport = "ChangingTransport"
	// ReasonNameTaken: an object of a name that certificates need belongs to somebody else.
	ReasonNameTaken = "NameTaken"
)

// A Secret that asks for the client certificate of an application, whoever made it.
const (
	// LabelClientCertificateOf on a Secret asks for a client certificate of the cluster that it names. What is issued is written into the
	// Secret: tls.crt, tls.key and ca.crt, and it is renewed as long as the label is there.
	LabelClientCertificateOf = "etcd-operator.cozystack.io/client-certificate-of"
	// AnnotationCommonName is the common name to be certified, which with authentication is the user. Without it, it is the Secret's name.
	AnnotationCommonName = "etcd-operator.cozystack.io/common-name"
	// AnnotationCertificateRefused says why nothing is issued into such a Secret.
	AnnotationCertificateRefused = "etcd-operator.cozystack.io/certificate-refused"
)

// Annotations of the Secrets with certificates that members, and the operator itself, are given.
const (
	// AnnotationCertificate is the serial number of the certificate in the Secret, in hexadecimal, for people.
	AnnotationCertificate = "etcd-operator.cozystack.io/certificate"
	// AnnotationCertificateShown identifies the certificate that the member was last seen to show.
	AnnotationCertificateShown = "etcd-operator.cozystack.io/certificate-shown"
	// AnnotationCertificateSince is since when the Secret has held certificates of the same CAs, in RFC 3339.
	AnnotationCertificateSince = "etcd-operator.cozystack.io/certificate-since"
)

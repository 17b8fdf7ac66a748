package v1alpha2

// ConditionAuthReady is True when authentication, users and roles are as declared. It is absent while nothing is declared. Its reasons
// are those of the plan (internal/plan, AuthDecision), and ReasonAuthRequired where etcd asks for credentials that nobody gave.
const ConditionAuthReady = "AuthReady"

// Reasons of the condition AuthReady, besides those of steps that are being taken.
const (
	// ReasonRootRefused: authentication is on, and root is let in with none of the passwords that are known.
	ReasonRootRefused = "RootRefused"
	// ReasonAuthConflict: a declared user or role was made by somebody else.
	ReasonAuthConflict = "AuthConflict"
	// ReasonCredentialsMissing: a Secret that the spec names is not there, or holds no password that etcd takes.
	ReasonCredentialsMissing = "CredentialsMissing"
	// ReasonAwaitingWholeCluster: members are missing or not healthy.
	ReasonAwaitingWholeCluster = "AwaitingWholeCluster"
)

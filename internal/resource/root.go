package resource

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// RootUser is the user of etcd that may do everything.
const RootUser = "root"

// Keys of the Secret with what the operator logs in with.
const (
	rootPassword = corev1.BasicAuthPasswordKey // that etcd acknowledged last
	rootNext     = "next-password"             // that etcd is being given: it may have this one already
	rootUsername = corev1.BasicAuthUsernameKey // there once user root is the operator's to keep
	rootDigest   = "digest-key"                // of the digests in status
)

const componentAuth = "authentication"

// OperatorRootName is the Secret with what the operator logs in with.
func OperatorRootName(cluster string) string { return cluster + "-operator-root" }

// Root is what the Secret of that name holds.
type Root struct {
	Digest         []byte // the key of the digests in status
	Kept           bool   // user root is the operator's to keep
	Password, Next string // empty if there is none
}

// ParseRoot reads the Secret, nil if there is none.
func ParseRoot(s *corev1.Secret) Root {
	if s == nil {
		return Root{}
	}
	return Root{
		Digest: s.Data[rootDigest], Kept: string(s.Data[rootUsername]) == RootUser,
		Password: string(s.Data[rootPassword]), Next: string(s.Data[rootNext]),
	}
}

// Passwords are those that root may have, the likeliest first.
func (r Root) Passwords() (all []string) {
	for _, p := range []string{r.Password, r.Next} {
		if p != "" {
			all = append(all, p)
		}
	}
	return all
}

// RootSecret is the Secret that holds r.
func RootSecret(c *v1alpha2.EtcdCluster, r Root) *corev1.Secret {
	s := &corev1.Secret{
		ObjectMeta: objectMeta(c.Namespace, OperatorRootName(c.Name), Labels(c.Name, c.UID, componentAuth), c.Spec.AdditionalMetadata),
		Type:       corev1.SecretTypeOpaque,
		Data:       r.data(),
	}
	s.OwnerReferences = clusterOwner(c)
	return s
}

// WriteRoot makes the Secret hold r.
func WriteRoot(s *corev1.Secret, r Root) { s.Data = r.data() }

func (r Root) data() map[string][]byte {
	data := map[string][]byte{rootDigest: r.Digest}
	if r.Kept {
		data[rootUsername] = []byte(RootUser)
	}
	for key, password := range map[string]string{rootPassword: r.Password, rootNext: r.Next} {
		if password != "" {
			data[key] = []byte(password)
		}
	}
	return data
}

package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// Passwords are those that the operator holds, by their fingerprints.
type Passwords map[string]etcd.Secret

// Fingerprint tells a password from others without telling anything about it to who does not have the key: it may be shown where
// the key may not. Without the key that was used before, no password is known any more, and all are set again.
func Fingerprint(key []byte, password etcd.Secret) string {
	if password.Reveal() == "" {
		return ""
	}
	hash := hmac.New(sha256.New, key)
	_, _ = hash.Write([]byte(password.Reveal()))
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// Add holds a password, and gives its fingerprint.
func (p Passwords) Add(key []byte, password etcd.Secret) string {
	fingerprint := Fingerprint(key, password)
	if fingerprint != "" {
		p[fingerprint] = password
	}
	return fingerprint
}

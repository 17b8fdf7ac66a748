package etcd

import (
	"crypto/tls"
	"fmt"
)

// Target is a member to connect to, and as whom. Printed, it tells no password and no key.
type Target struct {
	Endpoint string // URL of the client port
	TLS      *tls.Config
	Username string // empty: nobody, or whom the client certificate names
	Password Secret
	// LoginAt are the endpoints of voters. A learner lets nobody log in, but it takes a token that a voter gave out since it
	// joined.
	LoginAt []string
}

// String implements fmt.Stringer.
func (t Target) String() string {
	text := t.Endpoint
	if t.TLS != nil {
		text += " over TLS"
	}
	if t.Username != "" {
		text += " as " + t.Username
	}
	return text
}

// GoString implements fmt.GoStringer.
func (t Target) GoString() string { return t.String() }

// Secret is text that no log, no error and no encoder shows.
type Secret struct {
	text *string // fmt looks into fields that are not exported, but does not follow a pointer there
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal gives the text, for whoever sends or hashes it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Format implements fmt.Formatter: whatever is asked for, it shows nothing.
func (s Secret) Format(f fmt.State, _ rune) {
	if s.Reveal() != "" {
		_, _ = f.Write([]byte("***"))
	}
}

//go:build e2e && full

package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// combination is a way to secure a cluster.
type combination struct {
	version, planes, source string
	mutual                  bool // clients need certificates
}

func (m combination) String() string {
	parts := []string{m.version, m.planes, m.source}
	if m.mutual {
		parts = append(parts, "mutual")
	}
	return strings.Join(parts, " ")
}

// combinations are all of them on one minor, and on the others so many that each pair of properties occurs.
func combinations() (all []combination) {
	planes, sources := []string{"client", "peer", "both"}, []string{"secret", "cert-manager", "auto"}
	for i, plane := range planes {
		for j, source := range sources {
			all = append(all, combination{etcdVersion, plane, source, false}, combination{etcdVersion, plane, source, true},
				combination{"3.5.35", plane, source, (i+j)%2 == 0}, combination{"3.7.3", plane, source, (i+j)%2 == 1})
		}
	}
	return all
}

// TestEveryWayToSecureAClusterIsLived is not parallel: cert-manager is there for it alone.
func TestEveryWayToSecureAClusterIsLived(t *testing.T) {
	ctx := context.Background() // that of the test has ended when this runs
	t.Cleanup(func() {
		if err := testbed.WipeAddOn(ctx, "cert-manager"); err != nil {
			t.Error(err)
		}
	})
	if err := testbed.StartComponent(t.Context(), "cert-manager"); err != nil {
		t.Fatal(err)
	}
	t.Run("of", func(t *testing.T) {
		for _, m := range combinations() {
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				m.live(t)
			})
		}
	})
}

func (m combination) live(t *testing.T) {
	c := newCluster(t, m.set)
	switch m.source {
	case "secret":
		c.person().giveAll()
	case "cert-manager":
		c.issueFromACAOfItsOwn(0)
	}
	c.awaitReady(3)
	w := &ward{c, c.write()}
	if m.planes != "peer" {
		w.refuses(nil, "in plain")
	}
	if m.planes != "peer" && m.mutual {
		w.refuseStrangers()
	}
	w.live()
}

// set asks for it.
func (m combination) set(o *v1alpha2.EtcdCluster) {
	o.Spec.Version = m.version
	map[string]option{"secret": theirs, "cert-manager": issued, "auto": automatic}[m.source](o)
	tls := o.Spec.TLS
	if !m.mutual {
		tls.Client.OperatorClientSecretRef = nil
		if tls.Client.CertManager != nil {
			tls.Client.CertManager.OperatorClientIssuerRef = nil
		}
		if tls.Client.Auto != nil {
			tls.Client.Auto.ClientAuthentication = v1alpha2.ClientAuthenticationNone
		}
	}
	switch m.planes {
	case "client":
		tls.Peer = nil
	case "peer":
		tls.Client = nil
	}
}

package certificate

import (
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// TestTransportChangesMemberByMember counts restarts: peers take two, to be understood and to listen; all else takes one.
func TestTransportChangesMemberByMember(t *testing.T) {
	w := newWorld(t, v1alpha2.EtcdClusterTLS{})
	w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = nil })
	w.begin()
	both := auto(90*day, 900*day)
	client := v1alpha2.EtcdClusterTLS{Client: both.Client.DeepCopy()}
	anybody := *client.DeepCopy()
	anybody.Client.Auto.ClientAuthentication = v1alpha2.ClientAuthenticationNone
	moving := *anybody.DeepCopy()
	moving.Client.AcceptPlaintext = true
	const nobody, plain, secured, mutual = "", v1alpha2.TLSPlain, v1alpha2.TLSSecured, v1alpha2.TLSMutual
	for _, phase := range []struct {
		name         string
		tls          *v1alpha2.EtcdClusterTLS
		client, peer v1alpha2.TLSStage
		restarts     int
	}{
		{"both on", &both, mutual, secured, 2},
		{"peers off", &client, mutual, nobody, 2},
		{"clients need no certificate", &anybody, secured, nobody, 1},
		{"clients may connect in plain", &moving, secured, nobody, 1},
		{"off", nil, nobody, nobody, 1},
		{"on for those who move", &moving, secured, nobody, 1},
		{"on for all", &anybody, secured, nobody, 1},
		{"clients need a certificate", &client, mutual, nobody, 1},
		{"peers on", &both, mutual, secured, 2},
		{"all off", nil, nobody, nobody, 2},
	} {
		w.change(func(c *v1alpha2.EtcdCluster) { c.Spec.TLS = phase.tls })
		w.restarts = 0
		w.live()
		c := w.cluster()
		if w.restarts != phase.restarts*3 {
			t.Errorf("%s: %d restarts of 3 members", phase.name, w.restarts)
		}
		if got := resource.StageOf(c, resource.ClientPlane); got != phase.client && (phase.client != nobody || got != plain) {
			t.Errorf("%s: clients are at %s", phase.name, got)
		}
		if got := resource.StageOf(c, resource.PeerPlane); got != phase.peer && (phase.peer != nobody || got != plain) {
			t.Errorf("%s: peers are at %s", phase.name, got)
		}
		if phase.tls != nil {
			w.ready(v1alpha2.ReasonCertificatesValid)
		} else if c.Status.TLS != nil || len(c.Status.Conditions) > 0 {
			t.Errorf("%s: left over: %+v", phase.name, c.Status)
		}
	}
}

//go:build e2e && lasting

package e2e

import (
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// TestCertificatesOfMinutesAreReplacedForAsLongAsItTakes lets certificates live for 2 minutes and CAs for 6, under load for 20.
func TestCertificatesOfMinutesAreReplacedForAsLongAsItTakes(t *testing.T) {
	lives := v1alpha2.AutoCertificates{
		CertificateDuration: &metav1.Duration{Duration: 2 * time.Minute}, CADuration: &metav1.Duration{Duration: 6 * time.Minute},
	}
	w := newWard(t, 3, func(o *v1alpha2.EtcdCluster) {
		automatic(o)
		o.Spec.TLS.Client.Auto.AutoCertificates, o.Spec.TLS.Peer.Auto.AutoCertificates = lives, lives
	})
	before, authorities, leaves := w.identity(), map[string]bool{}, map[string]bool{}
	for began := time.Now(); time.Since(began) < 20*time.Minute; time.Sleep(10 * time.Second) {
		w.awaitAcks(w.load, 10)
		w.Expect(w.replacements()).To(gomega.BeEmpty())
		for _, ca := range w.get().Status.TLS.Peer.CAs {
			authorities[ca.Fingerprint] = true
		}
		w.await("members show their certificates", func() {
			for _, serial := range w.shown(resource.ClientPort) {
				leaves[serial] = true
			}
		})
	}
	w.t.Logf("%d CAs of peers and %d certificates for clients were seen", len(authorities), len(leaves))
	w.Expect(len(authorities)).To(gomega.BeNumerically(">=", 4))
	w.Expect(len(leaves)).To(gomega.BeNumerically(">=", 30))
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.settle(w.load)
}

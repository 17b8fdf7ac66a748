//go:build e2e

package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// TestTLSIsTurnedOnAndOffUnderLoad takes clients along in the order that the documentation gives, on both planes.
func TestTLSIsTurnedOnAndOffUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWard(t, 3)
	before := w.identity()

	w.change(func(o *v1alpha2.EtcdCluster) {
		automatic(o)
		o.Spec.TLS.Client.AcceptPlaintext = true
	})
	w.awaitTransport(v1alpha2.TLSMutual, v1alpha2.TLSSecured)
	w.move(true)
	w.acceptPlaintext(false)
	w.refuseStrangers()
	w.verify(w.load)
	w.Expect(w.identity()).To(gomega.Equal(before))

	w.acceptPlaintext(true)
	w.move(false)
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.TLS = nil })
	w.await("nothing is left of TLS", func() { w.Expect(w.get().Status.TLS).To(gomega.BeNil()) })
	w.awaitReady(3)
	w.Expect(w.identity()).To(gomega.Equal(before))
	w.settle(w.load)
}

// move lets clients connect in another way, while those that connected before go on until the others are served.
func (w *ward) move(secured bool) {
	w.t.Helper()
	w.secured = secured
	former := w.load
	w.load = former.Moved(w.ctx, w.dialer())
	w.t.Cleanup(func() { _ = w.load.Stop() })
	w.awaitAcks(w.load, 100)
	w.Expect(former.Stop()).To(gomega.Succeed())
}

// awaitTransport waits until every member speaks as it should, and is ready.
func (w *ward) awaitTransport(client, peer v1alpha2.TLSStage) {
	w.t.Helper()
	w.await("clients are "+string(client)+", peers "+string(peer), func() {
		o := w.get()
		w.Expect(resource.StageOf(o, resource.ClientPlane)).To(gomega.Equal(client))
		w.Expect(resource.StageOf(o, resource.PeerPlane)).To(gomega.Equal(peer))
		if o.Spec.TLS != nil {
			w.Expect(condition(o, v1alpha2.ConditionTLSReady)).To(gomega.HavePrefix("True"))
		}
	})
	w.awaitReady(3)
}

// acceptPlaintext sets it, and waits until every member does so.
func (w *ward) acceptPlaintext(accept bool) {
	w.t.Helper()
	w.change(func(o *v1alpha2.EtcdCluster) { o.Spec.TLS.Client.AcceptPlaintext = accept })
	listen := "--listen-client-urls=https://0.0.0.0:2379"
	if accept {
		listen += ",http://0.0.0.0:2379"
	}
	w.await("every member runs with "+listen, func() {
		for _, p := range w.pods() {
			w.Expect(p.Spec.Containers[0].Args).To(gomega.ContainElement(listen))
		}
	})
	w.awaitReady(3)
}

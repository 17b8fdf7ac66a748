package etcdfake_test

import (
	"crypto/x509"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

func TestAMemberPresentsACertificateWhileItRuns(t *testing.T) {
	w, certificate := newWorld(), &x509.Certificate{Raw: []byte("a")}
	w.Present(clientURL("a"), certificate)
	_, err := w.Greeter().Certificate(t.Context(), clientURL("a"), nil)
	wantErr(t, err, etcd.ErrUnreachable)
	p := w.found(t, "a")[0]
	if shown, err := w.Greeter().Certificate(t.Context(), clientURL("a"), nil); err != nil || shown != certificate {
		t.Errorf("got %v, %v", shown, err)
	}
	_, err = w.Greeter().Certificate(t.Context(), peerURL("a"), nil)
	wantErr(t, err, etcd.ErrHandshake)
	p.Stop()
	_, err = w.Greeter().Certificate(t.Context(), clientURL("a"), nil)
	wantErr(t, err, etcd.ErrUnreachable)
}

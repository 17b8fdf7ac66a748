package member

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// secured is a world whose member shows a certificate to clients.
func secured(t *testing.T) *world {
	t.Helper()
	return newWorld(t, func(c *v1alpha2.EtcdCluster) {
		c.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
		c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured}}
	})
}

func (w *world) certificate(serial string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.key.Namespace, Name: resource.LeafName(w.key.Name, resource.ClientPlane),
		Annotations: map[string]string{v1alpha2.AnnotationCertificate: serial},
	}}
}

func TestAPodIsMadeWhenItsCertificateIsThereAndToldOfTheNextOne(t *testing.T) {
	w := secured(t)
	w.settle()
	if w.pod() != nil {
		t.Fatal("there is a Pod that would wait for its certificate")
	}
	secret := w.certificate("01")
	if err := w.api.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.settle()
	first := w.pod()
	if got := first.Annotations[v1alpha2.AnnotationCertificates]; got != "01" {
		t.Errorf("it is made with %q", got)
	}
	secret.Annotations[v1alpha2.AnnotationCertificate] = "02"
	if err := w.api.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	writes := w.settle()
	if now := w.pod(); now.Annotations[v1alpha2.AnnotationCertificates] != "02" || now.UID != first.UID {
		t.Errorf("the kubelet is not told: %v, wrote %v", now.Annotations, writes)
	}
	w.vanish(secret)
	before := len(w.writes)
	w.settle()
	if writes := w.writes[before:]; len(writes) > 0 {
		t.Errorf("a Secret that is gone led to %v", writes)
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// manifests are the rights that the testbed gives.
const manifests = "../../../../internal/controlplane/certmanager.yaml"

// patience is longer than anything here takes: the longest is a renewal that is due after 10 s.
const patience = 2 * time.Minute

// world is a real API server with cert-manager in this process, with the testbed's rights and no others.
type world struct {
	client.Client
	*testing.T
}

func start(t *testing.T) world {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	crds := filepath.Join(assets, "cert-manager-crds")
	for _, needed := range []string{filepath.Join(assets, "kube-apiserver"), crds} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("%v: run \"make test-cert-manager\", which builds it and sets KUBEBUILDER_ASSETS", err)
		}
	}
	server := &envtest.Environment{CRDInstallOptions: envtest.CRDInstallOptions{Paths: []string{crds}, ErrorIfPathMissing: true}}
	admin, err := server.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	known := runtime.NewScheme()
	if err := errors.Join(scheme.AddToScheme(known), certmanagerv1.AddToScheme(known)); err != nil {
		t.Fatal(err)
	}
	kube, err := client.New(admin, client.Options{Scheme: known})
	if err != nil {
		t.Fatal(err)
	}
	w := world{Client: kube, T: t}
	w.install()
	w.runControllers(server)
	return w
}

func (w world) install() {
	w.Helper()
	raw, err := os.ReadFile(manifests)
	if err != nil {
		w.Fatal(err)
	}
	for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096); ; {
		o := &unstructured.Unstructured{}
		if err := d.Decode(&o.Object); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			w.Fatal(err)
		}
		w.make(o)
	}
}

func (w world) make(objects ...client.Object) {
	w.Helper()
	for _, o := range objects {
		if err := w.Create(w.Context(), o); err != nil {
			w.Fatalf("create %s: %v", o.GetName(), err)
		}
	}
}

func (w world) deleteSecret(name string) {
	w.Helper()
	if err := w.Delete(w.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}); err != nil {
		w.Fatal(err)
	}
}

func (w world) runControllers(server *envtest.Environment) {
	w.Helper()
	user, err := server.AddUser(envtest.User{Name: "cert-manager"}, nil)
	if err != nil {
		w.Fatal(err)
	}
	raw, err := user.KubeConfig()
	if err != nil {
		w.Fatal(err)
	}
	kubeconfig := filepath.Join(w.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, raw, 0o600); err != nil {
		w.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, kubeconfig, address) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	w.until("cert-manager is ready", func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		return err == nil && resp.Body.Close() == nil
	})
}

func (w world) until(what string, holds func() bool) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			w.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// leaf waits until a certificate is ready with another serial number than the given one, and returns it with its authority.
func (w world) leaf(c *certmanagerv1.Certificate, not *x509.Certificate) (cert *x509.Certificate, ca []byte) {
	w.Helper()
	w.until("Certificate "+c.Name+" is ready anew", func() bool {
		secret := &corev1.Secret{}
		err := errors.Join(w.Get(w.Context(), client.ObjectKeyFromObject(c), c),
			w.Get(w.Context(), client.ObjectKey{Namespace: c.Namespace, Name: c.Spec.SecretName}, secret))
		if err != nil || !ready(c) {
			return false
		}
		block, _ := pem.Decode(secret.Data[corev1.TLSCertKey])
		if block == nil {
			return false
		}
		if cert, err = x509.ParseCertificate(block.Bytes); err != nil {
			w.Fatal(err)
		}
		ca = secret.Data[cmmeta.TLSCAKey]
		return not == nil || cert.SerialNumber.Cmp(not.SerialNumber) != 0
	})
	return cert, ca
}

func ready(c *certmanagerv1.Certificate) bool {
	for _, condition := range c.Status.Conditions {
		if condition.Type == certmanagerv1.CertificateConditionReady {
			return condition.Status == cmmeta.ConditionTrue && condition.ObservedGeneration == c.Generation
		}
	}
	return false
}

func issuer(name string, config certmanagerv1.IssuerConfig) *certmanagerv1.Issuer {
	return &certmanagerv1.Issuer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: certmanagerv1.IssuerSpec{IssuerConfig: config},
	}
}

func certificate(name, issuer string, change func(*certmanagerv1.CertificateSpec)) *certmanagerv1.Certificate {
	c := &certmanagerv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: certmanagerv1.CertificateSpec{
			SecretName: name, IssuerRef: cmmeta.IssuerReference{Name: issuer}, DNSNames: []string{name + ".example"},
			PrivateKey: &certmanagerv1.CertificatePrivateKey{Algorithm: certmanagerv1.ECDSAKeyAlgorithm, Size: 256},
			Usages:     []certmanagerv1.KeyUsage{certmanagerv1.UsageServerAuth, certmanagerv1.UsageClientAuth},
		},
	}
	change(&c.Spec)
	return c
}

func TestCertManager(t *testing.T) {
	w := start(t)
	w.make(
		issuer("selfsigned", certmanagerv1.IssuerConfig{SelfSigned: &certmanagerv1.SelfSignedIssuer{}}),
		certificate("ca", "selfsigned", func(s *certmanagerv1.CertificateSpec) { s.IsCA, s.CommonName, s.Usages = true, "ca", nil }),
		issuer("ca", certmanagerv1.IssuerConfig{CA: &certmanagerv1.CAIssuer{SecretName: "ca"}}),
	)
	for _, c := range []struct {
		claim string
		show  func(world)
	}{
		{"a CA that an issuer signed itself signs certificates for both sides of a connection", chain},
		{"a deleted Secret comes back with another certificate", reissue},
		{"a certificate that lives for two minutes is renewed when renewBefore says", renew},
		{"a CA that is renewed changes what certificates are verified with", rotate},
		{"a Certificate waits for its issuer", late},
	} {
		t.Run(c.claim, func(t *testing.T) { c.show(world{Client: w.Client, T: t}) })
	}
}

func chain(w world) {
	c := certificate("chain", "ca", func(*certmanagerv1.CertificateSpec) {})
	began := time.Now()
	w.make(c)
	cert, ca := w.leaf(c, nil)
	w.Logf("ready after %s", time.Since(began))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		o := x509.VerifyOptions{Roots: roots, DNSName: "chain.example", KeyUsages: []x509.ExtKeyUsage{usage}}
		if _, err := cert.Verify(o); err != nil {
			w.Errorf("verify for usage %d: %v", usage, err)
		}
	}
}

func reissue(w world) {
	c := certificate("reissue", "ca", func(*certmanagerv1.CertificateSpec) {})
	w.make(c)
	first, _ := w.leaf(c, nil)
	w.deleteSecret(c.Spec.SecretName)
	w.leaf(c, first)
}

func renew(w world) {
	c := certificate("renew", "ca", func(s *certmanagerv1.CertificateSpec) {
		s.Duration, s.RenewBefore = &metav1.Duration{Duration: 2 * time.Minute}, &metav1.Duration{Duration: 110 * time.Second}
	})
	w.make(c)
	first, _ := w.leaf(c, nil)
	second, _ := w.leaf(c, first)
	if life := first.NotAfter.Sub(first.NotBefore); life != 2*time.Minute {
		w.Errorf("the first one lives for %s", life)
	}
	if !second.NotAfter.After(first.NotAfter) {
		w.Errorf("the second one ends at %s, the first one at %s", second.NotAfter, first.NotAfter)
	}
	w.Logf("renewed after %s", second.NotBefore.Sub(first.NotBefore))
}

func rotate(w world) {
	c := certificate("rotate", "ca", func(*certmanagerv1.CertificateSpec) {})
	w.make(c)
	first, before := w.leaf(c, nil)
	w.deleteSecret("ca")
	w.until("the CA is there again", func() bool {
		err := w.Get(w.Context(), client.ObjectKey{Namespace: "default", Name: "ca"}, &corev1.Secret{})
		return !apierrors.IsNotFound(err)
	})
	w.deleteSecret(c.Spec.SecretName)
	if _, after := w.leaf(c, first); bytes.Equal(before, after) {
		w.Error("it is verified with the same CA")
	}
}

func late(w world) {
	c := certificate("late", "late", func(*certmanagerv1.CertificateSpec) {})
	w.make(c)
	w.until("the Certificate has a request that waits", func() bool {
		requests := &certmanagerv1.CertificateRequestList{}
		if err := w.List(w.Context(), requests, client.InNamespace("default")); err != nil {
			w.Fatal(err)
		}
		for _, r := range requests.Items {
			if metav1.IsControlledBy(&r, c) {
				return true
			}
		}
		return false
	})
	w.make(issuer("late", certmanagerv1.IssuerConfig{CA: &certmanagerv1.CAIssuer{SecretName: "ca"}}))
	w.leaf(c, nil)
}

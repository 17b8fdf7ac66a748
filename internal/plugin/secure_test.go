package plugin

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/pki"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// securedScene is a cluster whose members speak TLS to clients, and what it takes to be one.
func securedScene(t *testing.T, mutual bool) (*observe.Scene, pki.Authority, []client.Object) {
	t.Helper()
	ca, err := pki.NewAuthority(pki.AuthorityRequest{Cluster: "demo", Generation: 1, Now: now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	bundle := pki.NewBundle(ca.Certificate())
	s := demoScene(3)
	c := s.Cluster
	c.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
	if !mutual {
		c.Spec.TLS.Client.Auto.ClientAuthentication = v1alpha2.ClientAuthenticationNone
	}
	c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Bundle: bundle.Hash(), Stage: v1alpha2.TLSSecured}}
	for _, m := range s.Members {
		m.Object.Spec.TLS = &v1alpha2.EtcdMemberTLS{
			ClientServerSecretRef: &corev1.LocalObjectReference{Name: resource.LeafName(m.Object.Name, resource.ClientPlane)}, ClientMTLS: mutual,
		}
		if mutual {
			trust := resource.TrustName(c.Name, resource.ClientPlane, bundle.Hash())
			m.Object.Spec.TLS.ClientTrustRef = &corev1.LocalObjectReference{Name: trust}
		}
	}
	objects := []client.Object{resource.TrustConfigMap(c, resource.ClientPlane, bundle.Hash(), string(bundle.PEM()))}
	if mutual {
		secret := resource.CertificateSecret(c, resource.OperatorClientName(c.Name), "")
		secret.Data = issued(t, ca, "root", time.Hour)
		objects = append(objects, secret)
	}
	publish(s, 0)
	return s, ca, objects
}

func issued(t *testing.T, ca pki.Authority, name string, life time.Duration) map[string][]byte {
	t.Helper()
	m, err := ca.Issue(pki.LeafRequest{CommonName: name, Usages: pki.ClientUsages(), Life: life, Now: now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.Data(pki.NewBundle(ca.Certificate()))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// strictDialer is a way to members that let in only those who speak as they do.
type strictDialer struct {
	sceneDialer
	mutual bool
}

func (d strictDialer) Dial(t etcd.Target) (etcd.Client, error) {
	if !strings.HasPrefix(t.Endpoint, "https:") || t.TLS == nil || t.TLS.RootCAs == nil || d.mutual != (len(t.TLS.Certificates) > 0) {
		return nil, fmt.Errorf("%w: %s", etcd.ErrHandshake, t)
	}
	return d.sceneDialer.Dial(t)
}

func TestMembersThatSpeakTLSAreAskedWithWhatTheUserMayRead(t *testing.T) {
	for name, c := range map[string]struct {
		mutual    bool
		forbidden []string
		says      []string
	}{
		"one who may read the CAs": {false, nil,
			[]string{"HEALTHY   3/3 members ready", "https://demo-client.default.svc:2379"}},
		"one who may read the certificate as well":   {true, nil, []string{"HEALTHY   3/3 members ready"}},
		"one who may not read Secrets, and need not": {false, []string{"Secret"}, []string{"HEALTHY   3/3 members ready"}},
		"one who may not read Secrets, and has to": {true, []string{"Secret"},
			[]string{"they speak TLS, and you may not read what it takes", "jane may not"}},
		"one who does not even know whom to trust": {false, []string{"ConfigMap"},
			[]string{"they speak TLS, and you may not read what it takes", "get the CAs"}},
		"one who may not read Pods: the status stays": {true, []string{"PodList"}, []string{"cannot ask the members", "PodList"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, objects := securedScene(t, c.mutual)
			st := stage{scene: s, objects: objects, forbidden: c.forbidden, mutual: &c.mutual}
			out, err := st.run(t, "status", "demo")
			if code, _ := CodeOf(err); code != ExitHealthy {
				t.Errorf("exit code %d: %v", code, err)
			}
			contains(t, out, c.says...)
			out, err = st.run(t, "explain", "demo")
			if err != nil {
				t.Error(err)
			}
			if len(c.forbidden) > 0 && strings.Contains(c.says[0], "may not") {
				contains(t, out, "nothing can be decided from here: they speak TLS")
			}
		})
	}
}

func TestACertificateIsAskedForOnceAndPrintedNowhere(t *testing.T) {
	s, ca, objects := securedScene(t, true)
	var made *corev1.Secret
	st := stage{scene: s, objects: objects, issue: func(secret *corev1.Secret) {
		made = secret.DeepCopy()
		secret.Data = issued(t, ca, secret.Annotations[v1alpha2.AnnotationCommonName], time.Hour)
	}}
	out, err := st.run(t, "certificate", "demo", "shop")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, out, "Secret demo-client-shop has a client certificate for shop, valid until 2026-11-21T09:00:00Z",
		"secretName: demo-client-shop", "{name: demo-connection, key: service}", "https://demo-client.default.svc:2379")
	if made.Namespace != "default" || made.Labels[v1alpha2.LabelClientCertificateOf] != "demo" || len(made.Data) > 0 {
		t.Errorf("made %+v", made)
	}
	if strings.Contains(out, "BEGIN") {
		t.Errorf("prints %s", out)
	}
	made.Data, made.ResourceVersion = issued(t, ca, "shop", 2*time.Hour), ""
	st.objects = append(st.objects, made)
	if out, err = st.run(t, "certificate", "etcd/demo", "shop"); err != nil {
		t.Fatal(err)
	}
	contains(t, out, "valid until 2026-11-21T10:00:00Z")
}

func TestACertificateThatIsNotToBeHadIsToldOf(t *testing.T) {
	ref := func(name string) *corev1.LocalObjectReference { return &corev1.LocalObjectReference{Name: name} }
	own := &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "demo-client-shop"}}
	for name, c := range map[string]struct {
		tls    *v1alpha2.ClientTLS
		change func(*stage)
		args   []string
		says   string
	}{
		"in plain": {nil, nil, nil, "they connect in plain"},
		"own certificates": {&v1alpha2.ClientTLS{ServerSecretRef: ref("theirs"), OperatorClientSecretRef: ref("mine")}, nil, nil,
			"ask whoever issued the one in Secret mine for a client certificate that verifies under the ca.crt of Secret theirs"},
		"own certificates, and none is asked for": {&v1alpha2.ClientTLS{ServerSecretRef: ref("theirs")}, nil, nil,
			"ConfigMap demo-connection has the CA"},
		"cert-manager": {&v1alpha2.ClientTLS{CertManager: &v1alpha2.ClientCertManagerTLS{
			OperatorClientIssuerRef: &v1alpha2.IssuerReference{Kind: "ClusterIssuer", Name: "clients"}}}, nil, nil,
			"issuerRef ClusterIssuer clients"},
		"a name that is none for a Secret": {own, nil, []string{"demo", "Shop Keeper"}, "--secret"},
		"no right to make Secrets": {own, func(st *stage) { st.forbidden = []string{"Secret"} }, nil,
			"create Secret demo-client-shop: "},
		"the name is taken": {own, func(st *stage) { st.objects = []client.Object{theirs} }, nil,
			"there is a Secret demo-client-shop already"},
		"the operator refuses": {own, func(st *stage) {
			st.issue = func(s *corev1.Secret) { s.Annotations[v1alpha2.AnnotationCertificateRefused] = "because" }
		}, nil, "the operator issues nothing into Secret demo-client-shop: because"},
		"the operator does nothing": {own, nil, []string{"demo", "shop", "--timeout=0s"},
			"within 0s; it will be, once the operator can: TLSReady is False, SecretMissing: Secret x"},
		"a member":               {nil, nil, []string{"demo-7x2kb", "shop"}, "demo-7x2kb is a member: name its cluster, demo"},
		"a cluster there is not": {nil, nil, []string{"other", "shop"}, `no EtcdCluster "other"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := demoScene(3)
			if c.tls != nil {
				s.Cluster.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: c.tls}
			}
			meta.SetStatusCondition(&s.Cluster.Status.Conditions, metav1.Condition{
				Type: v1alpha2.ConditionTLSReady, Status: metav1.ConditionFalse, Reason: v1alpha2.ReasonSecretMissing, Message: "Secret x",
			})
			st := stage{scene: s}
			if c.change != nil {
				c.change(&st)
			}
			if c.args == nil {
				c.args = []string{"demo", "shop"}
			}
			_, err := st.run(t, append([]string{"certificate"}, c.args...)...)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

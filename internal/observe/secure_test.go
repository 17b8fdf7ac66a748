package observe

import (
	"crypto/rand"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/pki"
)

func secured(change func(*v1alpha2.EtcdCluster)) *Scene {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"}}
	c.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
	c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Bundle: "b1"}}
	change(c)
	return &Scene{Cluster: c}
}

func certificates(t *testing.T) (ca, leaf map[string][]byte) {
	t.Helper()
	a, err := pki.NewAuthority(pki.AuthorityRequest{Cluster: "c", Generation: 1, Now: noon, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	m, err := a.Issue(pki.LeafRequest{CommonName: "root", Usages: pki.ClientUsages(), Now: noon, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err = m.Data(m.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{pki.BundleKey: m.Bundle.PEM()}, leaf
}

func TestMembersThatSpeakTLSAreConnectedToWithWhatIsThere(t *testing.T) {
	ca, leaf := certificates(t)
	trust := func(data string) client.Object {
		return &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c-client-trust-b1"}, Data: map[string]string{pki.BundleKey: data},
		}
	}
	secret := func(name string) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}, Data: leaf}
	}
	bundle, same := string(ca[pki.BundleKey]), func(*v1alpha2.EtcdCluster, *v1alpha2.EtcdMemberTLS) {}
	for claim, tc := range map[string]struct {
		change  func(*v1alpha2.EtcdCluster, *v1alpha2.EtcdMemberTLS)
		objects []client.Object
		want    string // in the error, empty if there is none
		proves  bool
	}{
		"with the operator's own certificate": {same, []client.Object{trust(bundle), secret("c-operator-tls")}, "", true},
		"not with what the user's Secret holds": {same, []client.Object{trust(bundle), secret("theirs")},
			"get the operator's client certificate", false},
		"with none where no member asks for one": {func(_ *v1alpha2.EtcdCluster, tls *v1alpha2.EtcdMemberTLS) {
			tls.ClientMTLS = false
		}, []client.Object{trust(bundle), secret("c-operator-tls")}, "", false},
		"with its own while a member still asks, whatever the spec says": {func(c *v1alpha2.EtcdCluster, _ *v1alpha2.EtcdMemberTLS) {
			c.Spec.TLS = nil
		}, []client.Object{trust(bundle), secret("c-operator-tls")}, "", true},
		"not without the CAs":        {same, []client.Object{secret("c-operator-tls")}, "get the CAs", false},
		"not with CAs that are none": {same, []client.Object{trust("x")}, "read the CAs", false},
		"not without a certificate":  {same, []client.Object{trust(bundle)}, "get the operator's client certificate", false},
		"not before it is known whom to trust": {func(c *v1alpha2.EtcdCluster, _ *v1alpha2.EtcdMemberTLS) {
			c.Status.TLS = nil
		}, nil, "not known yet", false},
	} {
		t.Run(claim, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := corev1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(tc.objects...).Build()
			o := &Observer{Cached: reader, Live: reader, ClientURL: ClientURL}
			named := func(name string) *Member {
				return &Member{Object: &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name}}}
			}
			plain, m := named("c-a"), named("c-b")
			m.Object.Spec.TLS = &v1alpha2.EtcdMemberTLS{
				ClientServerSecretRef: &corev1.LocalObjectReference{Name: "x"}, ClientMTLS: true,
			}
			s := secured(func(c *v1alpha2.EtcdCluster) { tc.change(c, m.Object.Spec.TLS) })
			s.Members = []*Member{plain, m}
			o.secure(t.Context(), reader, s)
			if to, err := o.target(s, plain); err != nil || to.TLS != nil {
				t.Errorf("a member that speaks in plain: %v", err)
			}
			target, err := o.target(s, m)
			switch {
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v", err)
			case tc.want == "" && err != nil:
				t.Error(err)
			case tc.want == "" && (target.TLS.RootCAs == nil || len(target.TLS.Certificates) > 0 != tc.proves):
				t.Errorf("trusts %v, proves with %d certificates", target.TLS.RootCAs, len(target.TLS.Certificates))
			}
		})
	}
}

func TestMembersAreRestartedTogetherOnlyIfTheyDoNotAcceptEachOther(t *testing.T) {
	yes := &v1alpha2.PlaneTLSStatus{AtOnce: true}
	for claim, tc := range map[string]struct {
		tls  *v1alpha2.TLSStatus
		want bool
	}{
		"all is plain":                       {nil, false},
		"no quorum accepts each other":       {&v1alpha2.TLSStatus{Peer: yes}, true},
		"only the operator is not let in":    {&v1alpha2.TLSStatus{Client: yes, Peer: &v1alpha2.PlaneTLSStatus{}}, false},
		"the peers are plain, for all there": {&v1alpha2.TLSStatus{Client: yes}, false},
	} {
		t.Run(claim, func(t *testing.T) {
			s := secured(func(c *v1alpha2.EtcdCluster) { c.Status.TLS = tc.tls })
			if got := Join(s, noon).Severed; got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

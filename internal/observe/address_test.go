package observe

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

func TestAMemberListensElsewhereOnlyWhereItIsListed(t *testing.T) {
	const plain, secured = "http://c-a.c.n.svc:2380", "https://c-a.c.n.svc:2380"
	for name, tc := range map[string]struct {
		listed string // empty if the list cannot be read
		want   string
	}{
		"while the others connect to it in plain":      {plain, plain},
		"once the others connect to it over TLS":       {secured, secured},
		"while nobody knows where the others connect":  {"", plain},
		"while it is listed where it never was or was": {"http://elsewhere:2380", plain},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Scene{Cluster: &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"}}}
			s.Cluster.Status.TLS = &v1alpha2.TLSStatus{Peer: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured}}
			m := &Member{Object: &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c-a"}}}
			m.Object.Spec.PeerURL = plain
			if tc.listed != "" {
				m.Entry = &etcd.Member{ID: 1, PeerURLs: []string{tc.listed}}
				s.List = &etcd.MemberList{Members: []etcd.Member{*m.Entry}}
			}
			if got := s.NextPeerURL(m); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			p := s.member(s.aim(), m, noon)
			if p.StartsAt != plain || p.WantedAt != secured || p.Role == plan.Voter && p.ListedAt != tc.listed {
				t.Errorf("the planner is told %q, %q, %q", p.StartsAt, p.ListedAt, p.WantedAt)
			}
			if begun := strings.HasSuffix(p.Behind, "peerURL"); begun != (tc.want == secured) {
				t.Errorf("behind in %q", p.Behind)
			}
		})
	}
}

package resource_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// votes is a member of c that votes.
func votes(c *v1alpha2.EtcdCluster) v1alpha2.EtcdMember {
	m := member(c)
	m.Status.IsVoter = true
	return *m
}

func TestClientsAreSentWhereTheyAreServed(t *testing.T) {
	plain, theirs, automatic := plainCluster(), plainCluster(), plainCluster()
	theirs.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{ServerSecretRef: &corev1.LocalObjectReference{Name: "theirs"}}}
	automatic.Spec.TLS = &v1alpha2.EtcdClusterTLS{Client: &v1alpha2.ClientTLS{Auto: &v1alpha2.ClientAutoTLS{}}}
	for _, c := range []*v1alpha2.EtcdCluster{theirs, automatic} {
		c.Status.TLS = &v1alpha2.TLSStatus{Client: &v1alpha2.PlaneTLSStatus{Stage: v1alpha2.TLSSecured}}
	}
	first, second := votes(plain), votes(plain)
	first.Name, second.Name = "db-b", "db-a"
	learner, leaving := votes(plain), votes(plain)
	learner.Status.IsVoter = false
	leaving.Spec.Removal = &v1alpha2.MemberRemoval{}
	const plainURLs = "http://db-a.db.prod.svc:2379,http://db-b.db.prod.svc:2379"
	secured := votes(automatic)
	for name, c := range map[string]struct {
		cluster            *v1alpha2.EtcdCluster
		members            []v1alpha2.EtcdMember
		endpoints, service string
	}{
		"voters, in the order of their names": {plain, []v1alpha2.EtcdMember{first, second}, plainURLs, "http://db-client.prod.svc:2379"},
		"nobody who does not vote yet, or leaves": {plain, []v1alpha2.EtcdMember{first, learner, second, leaving}, plainURLs,
			"http://db-client.prod.svc:2379"},
		"over TLS": {automatic, []v1alpha2.EtcdMember{secured}, "https://" + secured.Name + ".db.prod.svc:2379",
			"https://db-client.prod.svc:2379"},
		"as each member speaks while TLS is turned on": {automatic, []v1alpha2.EtcdMember{first, secured},
			"http://db-b.db.prod.svc:2379,https://" + secured.Name + ".db.prod.svc:2379", "http://db-client.prod.svc:2379"},
		"by the name that people's own certificates have to cover": {theirs, []v1alpha2.EtcdMember{votes(theirs)},
			"https://" + votes(theirs).Name + ".db.prod.svc:2379", "https://db.prod.svc:2379"},
	} {
		t.Run(name, func(t *testing.T) {
			data := resource.Connection(c.cluster, c.members, "").Data
			if data["endpoints"] != c.endpoints || data["service"] != c.service {
				t.Errorf("endpoints %s, service %s", data["endpoints"], data["service"])
			}
			if _, there := data["ca.crt"]; there {
				t.Error("an empty ca.crt")
			}
		})
	}
}

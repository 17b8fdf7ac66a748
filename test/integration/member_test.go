package integration_test

import (
	"testing"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const member = `{clusterName: demo, version: 3.6.16, clusterToken: t, peerURL: "http://demo-a.demo.ns.svc:2380"}`

func TestAMemberKeepsWhatWasPromised(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct {
		name   string
		before string // a change made first, if any
		change string
		want   string
	}{
		{"scale", "", `replicas: 2`, "a member cannot be scaled: change replicas of its EtcdCluster"},
		{"scale-to-zero", "", `replicas: 0`, "a member cannot be scaled"},
		{"removal-taken-back", `removal: {reason: ScaledDown}`, `removal: null`, "removal cannot be taken back"},
		{"confirmation-taken-back", `removal: {reason: ScaledDown, confirmed: true}`, `removal: {confirmed: false}`,
			"removal.confirmed cannot be taken back"},
		{"initial-cluster-changed", `initialCluster: a=http://a`, `initialCluster: b=http://b`, "initialCluster is frozen once it is set"},
		{"initial-cluster-emptied", `initialCluster: a=http://a`, `initialCluster: ""`, "initialCluster is frozen once it is set"},
		{"initial-cluster-dropped", `initialCluster: a=http://a`, `initialCluster: null`, "initialCluster is frozen once it is set"},
		{"other-cluster", "", `clusterName: other`, "clusterName is immutable"},
		{"other-token", "", `clusterToken: other`, "clusterToken is immutable"},
		{"other-peer-url", "", `peerURL: http://other`, "only the scheme of peerURL can be changed"},
		{"secured-peer-url", "", `peerURL: https://demo-a.demo.ns.svc:2380`, ""},

		{"restore-later", "", `restore: {source: {pvc: {claimName: c, subPath: p}}}`, "restore is frozen"},

		{"freeze", "", `initialCluster: a=http://a`, ""},
		{"freeze-empty", `initialCluster: ""`, `initialCluster: a=http://a`, ""},
		{"remove", "", `removal: {reason: ScaledDown}`, ""},
		{"confirm", `removal: {reason: ScaledDown}`, `removal: {confirmed: true}`, ""},
		{"park", "", `dormant: true`, ""},
		{"wake", `dormant: true`, `dormant: false`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := object(t, "EtcdMember", ns, tc.name, member)
			o.SetAnnotations(map[string]string{v1alpha2.AnnotationAllowDeletion: "true"}) // or the policy would be the first to refuse
			create(t, o)
			if tc.before != "" {
				if err := change(t, o, tc.before); err != nil {
					t.Fatal(err)
				}
			}
			err := change(t, o, tc.change)
			if tc.want != "" {
				expectRefusal(t, err, tc.want)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

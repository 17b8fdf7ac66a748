package integration_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/internal/plan"
)

// TestAVersionThatCannotBeHadIsRefusedWithTheNextStep: the API server and the planner say the same, and name the same versions.
func TestAVersionThatCannotBeHadIsRefusedWithTheNextStep(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct{ name, running, spec, wanted, want string }{
		{"patch-up", "3.6.14", "3.6.14", "3.6.16", ""},
		{"patch-down", "3.6.16", "3.6.16", "3.6.14", ""},
		{"minor-up", "3.5.35", "3.5.35", "3.6.16", ""},
		{"minor-up-again", "3.6.16", "3.6.16", "3.7.3", ""},
		{"minor-down", "3.7.3", "3.7.3", "3.6.16", ""},
		{"way-back", "3.5.35", "3.6.16", "3.5.35", ""},
		{"two-up", "3.5.35", "3.5.35", "3.7.3", "set version to 3.6.16 first"},
		{"two-up-half-way", "3.5.35", "3.6.16", "3.7.3", "set version to 3.6.16 first"},
		{"two-down", "3.7.3", "3.7.3", "3.5.35", "set version to 3.6.16 first"},
		{"old-patch", "3.5.10", "3.5.10", "3.6.16", "set version to 3.5.35 first"},
		{"old-patch-of-3-6", "3.6.10", "3.6.10", "3.7.3", "set version to 3.6.16 first"},
		{"old-target", "3.6.16", "3.6.16", "3.5.31", "set version to 3.5.35"},
		{"another-major", "3.7.3", "3.7.3", "4.0.0", "version must be of a supported minor: 3.5, 3.6 or 3.7"},
		{"older-than-all", "3.5.35", "3.5.35", "3.4.37", "version must be of a supported minor: 3.5, 3.6 or 3.7"},
		{"newer-than-the-operator", "3.6.16", "3.6.16", "3.8.0", ""}, // which says so
		{"not-known-yet", "", "3.5.35", "3.7.3", "set version to 3.6.16 first"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := object(t, "EtcdCluster", ns, tc.name, "{version: "+tc.spec+"}")
			create(t, o)
			status := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"clusterID":"c1","version":"`+tc.running+`"}}`))
			if err := kube.Status().Patch(t.Context(), o, status); err != nil {
				t.Fatal(err)
			}
			err := change(t, o, "version: "+tc.wanted)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			expectRefusal(t, err, tc.want)
			from, known := plan.ParseVersion(tc.running)
			to, _ := plan.ParseVersion(tc.wanted)
			if way := plan.Path(from, to, false); known && strings.HasPrefix(tc.want, "set version") && !strings.Contains(way.Refusal, tc.want) {
				t.Errorf("the planner says %q", way.Refusal)
			}
		})
	}
	t.Run("while nothing has formed, anything can be asked for", func(t *testing.T) {
		o := object(t, "EtcdCluster", ns, "unformed", "{version: 3.5.99}")
		create(t, o)
		if err := change(t, o, "version: 3.7.3"); err != nil {
			t.Fatal(err)
		}
		expectRefusal(t, change(t, o, "version: 3.8.0"), "version must be of a supported minor")
	})
}

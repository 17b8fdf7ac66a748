package metrics_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/internal/metrics"
	"github.com/cozystack/etcd-operator/internal/plan"
)

var (
	demo  = types.NamespacedName{Namespace: "a", Name: "demo"}
	other = types.NamespacedName{Namespace: "b", Name: "demo"}
)

// limping has a voter that is well, one that is healthy but not ready, one that is broken, and a learner.
func limping() plan.Cluster {
	return plan.Cluster{Want: 3, ClusterID: 1, Members: []plan.Member{
		{Name: "x", Role: plan.Voter, Healthy: true, Ready: true},
		{Name: "y", Role: plan.Voter, Healthy: true},
		{Name: "z", Role: plan.Voter, Broken: true},
		{Name: "l", Role: plan.Learner, Healthy: true, Ready: true},
	}}
}

func TestGaugesTellTheStateOfACluster(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := metrics.New(r)
	m.Seen(demo, limping())
	m.RolledOut(demo, 2, true)
	expect(t, r, `
# HELP etcd_operator_cluster_available 1 if a cluster serves linearizable reads and writes, else 0 (also while paused).
# TYPE etcd_operator_cluster_available gauge
etcd_operator_cluster_available{cluster="demo",namespace="a"} 1
# HELP etcd_operator_cluster_members Members of a cluster: wanted, healthy voters, voters with a ready Pod, broken, updated to the spec.
# TYPE etcd_operator_cluster_members gauge
etcd_operator_cluster_members{cluster="demo",namespace="a",state="broken"} 1
etcd_operator_cluster_members{cluster="demo",namespace="a",state="healthy"} 2
etcd_operator_cluster_members{cluster="demo",namespace="a",state="ready"} 1
etcd_operator_cluster_members{cluster="demo",namespace="a",state="updated"} 2
etcd_operator_cluster_members{cluster="demo",namespace="a",state="wanted"} 3
# HELP etcd_operator_cluster_rollout_failed 1 if a member did not come back with what the spec asks for, else 0.
# TYPE etcd_operator_cluster_rollout_failed gauge
etcd_operator_cluster_rollout_failed{cluster="demo",namespace="a"} 1
`)
}

func TestAClusterThatIsGoneLeavesNoGauges(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := metrics.New(r)
	m.Seen(demo, limping())
	m.RolledOut(demo, 3, true)
	m.Seen(other, plan.Cluster{})
	m.Forget(demo)
	if n, err := testutil.GatherAndCount(r); err != nil || n != 5 {
		t.Errorf("want only the 5 series of the other cluster, got %d (%v)", n, err)
	}
}

func TestTheEndOfCertificatesIsTold(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := metrics.New(r)
	m.Expires(demo, "client", "leaf", time.Unix(1000, 0))
	m.Expires(demo, "peer", "ca", time.Unix(3000, 0))
	m.Expires(other, "peer", "ca", time.Unix(4000, 0))
	m.Expires(demo, "client", "leaf", time.Time{})
	m.Forget(other)
	expect(t, r, `
# HELP etcd_operator_certificate_expiration_timestamp_seconds When the first certificate of a kind on a plane ends, in seconds since 1970.
# TYPE etcd_operator_certificate_expiration_timestamp_seconds gauge
etcd_operator_certificate_expiration_timestamp_seconds{cluster="demo",kind="ca",namespace="a",plane="peer"} 3000
`)
}

func TestStepsAndRefusalsAreCounted(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := metrics.New(r)
	m.Step("join", "Promote", time.Millisecond, nil)
	m.Step("join", "Promote", time.Millisecond, errors.New("no"))
	m.Refused("remove-leaving", "QuorumToAgree")
	expect(t, r, `
# HELP etcd_operator_refusals_total Passes in which a rule wanted a step that an invariant forbade.
# TYPE etcd_operator_refusals_total counter
etcd_operator_refusals_total{invariant="QuorumToAgree",rule="remove-leaving"} 1
# HELP etcd_operator_steps_total Steps taken, by the rule that decided, the step, and its result (ok or error).
# TYPE etcd_operator_steps_total counter
etcd_operator_steps_total{result="error",rule="join",step="Promote"} 1
etcd_operator_steps_total{result="ok",rule="join",step="Promote"} 1
`, "etcd_operator_refusals_total", "etcd_operator_steps_total")
	if n, err := testutil.GatherAndCount(r, "etcd_operator_step_duration_seconds"); err != nil || n != 1 {
		t.Errorf("want one duration series, got %d (%v)", n, err)
	}
}

func expect(t *testing.T, r prometheus.Gatherer, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

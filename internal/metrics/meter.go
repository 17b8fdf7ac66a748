// Package metrics counts what the operator sees and does, as Prometheus metrics whose names begin with etcd_operator_.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/internal/plan"
)

// Meter holds the metrics. All methods are safe for concurrent use.
type Meter struct {
	members   *prometheus.GaugeVec
	available *prometheus.GaugeVec
	failed    *prometheus.GaugeVec
	steps     *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	compared  *prometheus.GaugeVec
	agreement *prometheus.GaugeVec
	expires   *prometheus.GaugeVec
	schedules schedules
	snapshots snapshots
}

// New makes the metrics and registers them with r, which must not have them yet.
func New(r prometheus.Registerer) *Meter {
	m := &Meter{
		schedules: newSchedules(),
		members: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_cluster_members",
			Help: "Members of a cluster: wanted, healthy voters, voters with a ready Pod, broken, updated to the spec.",
		}, []string{"namespace", "cluster", "state"}),
		available: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_cluster_available",
			Help: "1 if a cluster serves linearizable reads and writes, else 0 (also while paused).",
		}, []string{"namespace", "cluster"}),
		failed: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_cluster_rollout_failed",
			Help: "1 if a member did not come back with what the spec asks for, else 0.",
		}, []string{"namespace", "cluster"}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_operator_steps_total",
			Help: "Steps taken, by the rule that decided, the step, and its result (ok or error).",
		}, []string{"rule", "step", "result"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_operator_refusals_total",
			Help: "Passes in which a rule wanted a step that an invariant forbade.",
		}, []string{"rule", "invariant"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "etcd_operator_step_duration_seconds",
			Help:    "How long the write of a step took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 9), // 1 ms to 6.6 s
		}, []string{"step"}),
		compared: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_consistency_check_timestamp_seconds",
			Help: "When the data of a cluster's voters were last compared, in seconds since 1970.",
		}, []string{"namespace", "cluster"}),
		agreement: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_consistency_check_result",
			Help: "What the last comparison came to: 1 for its verdict (Agreed, Diverged or Unclear), 0 for the others.",
		}, []string{"namespace", "cluster", "verdict"}),
		expires: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_operator_certificate_expiration_timestamp_seconds",
			Help: "When the first certificate of a kind on a plane ends, in seconds since 1970.",
		}, []string{"namespace", "cluster", "plane", "kind"}),
	}
	r.MustRegister(m.members, m.available, m.failed, m.steps, m.refusals, m.durations, m.compared, m.agreement, m.expires)
	for _, gauge := range m.schedules.all() {
		r.MustRegister(gauge)
	}
	m.snapshots = newSnapshots(r)
	return m
}

// Step counts a step that was taken and how long it took; err is what it ended with.
func (m *Meter) Step(rule, step string, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.steps.WithLabelValues(rule, step, result).Inc()
	m.durations.WithLabelValues(step).Observe(took.Seconds())
}

// Refused counts a decision to wait because an invariant forbids the step that rule wants.
func (m *Meter) Refused(rule, invariant string) {
	m.refusals.WithLabelValues(rule, invariant).Inc()
}

// Seen sets the gauges of a cluster.
func (m *Meter) Seen(key types.NamespacedName, c plan.Cluster) {
	ready, broken := 0, 0
	for _, member := range c.Members {
		if member.Ready && member.Role == plan.Voter {
			ready++
		}
		if plan.Unusable(member) {
			broken++
		}
	}
	for state, n := range map[string]int{"wanted": c.Want, "healthy": c.HealthyVoters(), "ready": ready, "broken": broken} {
		m.members.WithLabelValues(key.Namespace, key.Name, state).Set(float64(n))
	}
	available := 0.0
	if plan.Available(c).Holds {
		available = 1
	}
	m.available.WithLabelValues(key.Namespace, key.Name).Set(available)
}

// RolledOut sets how many members of a cluster have what the spec asks for, and whether one has failed with it.
func (m *Meter) RolledOut(key types.NamespacedName, updated int, failed bool) {
	m.members.WithLabelValues(key.Namespace, key.Name, "updated").Set(float64(updated))
	value := 0.0
	if failed {
		value = 1
	}
	m.failed.WithLabelValues(key.Namespace, key.Name).Set(value)
}

// Compared sets the gauges of a comparison of data.
func (m *Meter) Compared(key types.NamespacedName, agreement plan.Agreement, at time.Time) {
	m.compared.WithLabelValues(key.Namespace, key.Name).Set(float64(at.Unix()))
	for _, a := range []plan.Agreement{plan.Agreed, plan.Diverged, plan.Unclear} {
		value := 0.0
		if a == agreement {
			value = 1
		}
		m.agreement.WithLabelValues(key.Namespace, key.Name, string(a)).Set(value)
	}
}

// Expires sets when the first certificate of a kind on a plane ends; a zero time means that there is none.
func (m *Meter) Expires(key types.NamespacedName, plane, kind string, at time.Time) {
	if at.IsZero() {
		m.expires.DeleteLabelValues(key.Namespace, key.Name, plane, kind)
		return
	}
	m.expires.WithLabelValues(key.Namespace, key.Name, plane, kind).Set(float64(at.Unix()))
}

// Forget drops the gauges of a cluster that is gone.
func (m *Meter) Forget(key types.NamespacedName) {
	of := prometheus.Labels{"namespace": key.Namespace, "cluster": key.Name}
	m.members.DeletePartialMatch(of)
	m.available.DeletePartialMatch(of)
	m.failed.DeletePartialMatch(of)
	m.compared.DeletePartialMatch(of)
	m.agreement.DeletePartialMatch(of)
	m.expires.DeletePartialMatch(of)
	m.snapshots.tried.DeletePartialMatch(of)
	m.ForgetSnapshots(key)
}

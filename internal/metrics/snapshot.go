package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// snapshots are the metrics of EtcdSnapshots.
type snapshots struct {
	tried                                     *prometheus.CounterVec
	saved, verified, bytes, revision, seconds *prometheus.GaugeVec
}

func newSnapshots(r prometheus.Registerer) snapshots {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"namespace", "cluster"})
	}
	s := snapshots{
		tried: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_operator_snapshot_tries_total",
			Help: "Tries to take a snapshot that have ended, by result: Complete, or the reason why it failed.",
		}, []string{"namespace", "cluster", "result"}),
		saved: gauge("etcd_operator_snapshot_last_success_timestamp_seconds",
			"When the newest snapshot of a cluster was stored and read back, in seconds since 1970."),
		verified: gauge("etcd_operator_snapshot_last_verified_timestamp_seconds",
			"When the newest snapshot was stored that a restore drill has verified, in seconds since 1970; 0 if there is none."),
		bytes:    gauge("etcd_operator_snapshot_last_size_bytes", "Size of the newest snapshot before compression."),
		revision: gauge("etcd_operator_snapshot_last_revision", "Revision that the newest snapshot contains."),
		seconds:  gauge("etcd_operator_snapshot_last_duration_seconds", "How long the newest snapshot took, reading back included."),
	}
	r.MustRegister(s.tried, s.saved, s.verified, s.bytes, s.revision, s.seconds)
	return s
}

// Tried counts a try to save that ended: Complete, or the reason why it failed.
func (m *Meter) Tried(cluster types.NamespacedName, result string) {
	m.snapshots.tried.WithLabelValues(cluster.Namespace, cluster.Name, result).Inc()
}

// Saved sets when the newest snapshot of a cluster was complete, and what it is.
func (m *Meter) Saved(cluster types.NamespacedName, at time.Time, bytes, revision int64, took time.Duration) {
	for gauge, value := range map[*prometheus.GaugeVec]float64{
		m.snapshots.saved: float64(at.Unix()), m.snapshots.bytes: float64(bytes), m.snapshots.revision: float64(revision),
		m.snapshots.seconds: took.Seconds(),
	} {
		gauge.WithLabelValues(cluster.Namespace, cluster.Name).Set(value)
	}
}

// Verified sets when the newest snapshot was complete that a drill has restored; a zero time means that there is none.
func (m *Meter) Verified(cluster types.NamespacedName, at time.Time) {
	value := 0.0
	if !at.IsZero() {
		value = float64(at.Unix())
	}
	m.snapshots.verified.WithLabelValues(cluster.Namespace, cluster.Name).Set(value)
}

// ForgetSnapshots drops the gauges of a cluster that has no snapshot.
func (m *Meter) ForgetSnapshots(cluster types.NamespacedName) {
	of := prometheus.Labels{"namespace": cluster.Namespace, "cluster": cluster.Name}
	for _, gauge := range []*prometheus.GaugeVec{
		m.snapshots.saved, m.snapshots.verified, m.snapshots.bytes, m.snapshots.revision, m.snapshots.seconds,
	} {
		gauge.DeletePartialMatch(of)
	}
}

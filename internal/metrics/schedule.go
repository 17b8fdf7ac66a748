package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
)

// Schedule is how a schedule of snapshots does. Zero times mean never.
type Schedule struct {
	Cluster                 string
	Success, Verified, Next time.Time
	Failures                int
	Missed                  int64
}

// schedules are the gauges of schedules.
type schedules struct {
	success, verified, next, failures, missed *prometheus.GaugeVec
}

func newSchedules() schedules {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "etcd_operator_snapshot_schedule_" + name, Help: help},
			[]string{"namespace", "schedule", "cluster"})
	}
	return schedules{
		success: gauge("last_success_timestamp_seconds",
			"When a schedule's last snapshot was complete, in seconds since 1970."),
		verified: gauge("last_verified_timestamp_seconds",
			"When a restore drill last found a snapshot of a schedule to be whole, in seconds since 1970."),
		next:     gauge("next_timestamp_seconds", "When the next snapshot of a schedule is due, in seconds since 1970."),
		failures: gauge("consecutive_failures", "Snapshots of a schedule that have failed since the last success."),
		missed:   gauge("missed_runs", "Runs of a schedule that were left out since it was made."),
	}
}

func (s schedules) all() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{s.success, s.verified, s.next, s.failures, s.missed}
}

// Scheduled sets the gauges of a schedule.
func (m *Meter) Scheduled(key types.NamespacedName, s Schedule) {
	labels := []string{key.Namespace, key.Name, s.Cluster}
	for gauge, at := range map[*prometheus.GaugeVec]time.Time{
		m.schedules.success: s.Success, m.schedules.verified: s.Verified, m.schedules.next: s.Next,
	} {
		if at.IsZero() {
			gauge.DeleteLabelValues(labels...)
			continue
		}
		gauge.WithLabelValues(labels...).Set(float64(at.Unix()))
	}
	m.schedules.failures.WithLabelValues(labels...).Set(float64(s.Failures))
	m.schedules.missed.WithLabelValues(labels...).Set(float64(s.Missed))
}

// ForgetSchedule drops the gauges of a schedule that is gone.
func (m *Meter) ForgetSchedule(key types.NamespacedName) {
	for _, gauge := range m.schedules.all() {
		gauge.DeletePartialMatch(prometheus.Labels{"namespace": key.Namespace, "schedule": key.Name})
	}
}

package metrics_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cozystack/etcd-operator/internal/metrics"
)

func TestHowAScheduleDoesIsTold(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	m := metrics.New(r)
	m.Scheduled(demo, metrics.Schedule{Cluster: "c", Success: time.Unix(1000, 0), Verified: time.Unix(900, 0), Next: time.Unix(2000, 0)})
	m.Scheduled(other, metrics.Schedule{Cluster: "c", Failures: 1})
	m.Scheduled(demo, metrics.Schedule{Cluster: "c", Success: time.Unix(1000, 0), Failures: 2, Missed: 3}) // suspended since
	m.ForgetSchedule(other)
	expect(t, r, `
# HELP etcd_operator_snapshot_schedule_consecutive_failures Snapshots of a schedule that have failed since the last success.
# TYPE etcd_operator_snapshot_schedule_consecutive_failures gauge
etcd_operator_snapshot_schedule_consecutive_failures{cluster="c",namespace="a",schedule="demo"} 2
# HELP etcd_operator_snapshot_schedule_last_success_timestamp_seconds When a schedule's last snapshot was complete, in seconds since 1970.
# TYPE etcd_operator_snapshot_schedule_last_success_timestamp_seconds gauge
etcd_operator_snapshot_schedule_last_success_timestamp_seconds{cluster="c",namespace="a",schedule="demo"} 1000
# HELP etcd_operator_snapshot_schedule_missed_runs Runs of a schedule that were left out since it was made.
# TYPE etcd_operator_snapshot_schedule_missed_runs gauge
etcd_operator_snapshot_schedule_missed_runs{cluster="c",namespace="a",schedule="demo"} 3
`)
}

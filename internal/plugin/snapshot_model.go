package plugin

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// Snapshot is what "snapshot list" and "snapshot describe" tell about one snapshot.
type Snapshot struct {
	metav1.TypeMeta `json:",inline"`
	Name            string `json:"name"`
	Namespace       string `json:"namespace"`
	Cluster         string `json:"cluster"`
	// Schedule that it was made by, and the time that it was due; empty if somebody made it by hand.
	Schedule string       `json:"schedule,omitempty"`
	DueAt    *metav1.Time `json:"dueAt,omitempty"`
	// Phase is Pending, Started, Complete, Failed or Deleting.
	Phase string `json:"phase"`
	// Reason and Message are the operator's, of the condition Ready.
	Reason    string                     `json:"reason,omitempty"`
	Message   string                     `json:"message,omitempty"`
	CreatedAt metav1.Time                `json:"createdAt"`
	EndedAt   *metav1.Time               `json:"endedAt,omitempty"`
	Attempts  int32                      `json:"attempts,omitempty"`
	Progress  *v1alpha2.SnapshotProgress `json:"progress,omitempty"`
	// URI is where it is stored, or will be.
	URI      string                     `json:"uri"`
	Endpoint string                     `json:"endpoint,omitempty"`
	Artifact *v1alpha2.SnapshotArtifact `json:"artifact,omitempty"`
	// Verification is the last restore drill, and DrillPending says that one is asked for, or runs.
	Verification   *v1alpha2.SnapshotVerification `json:"verification,omitempty"`
	DrillPending   bool                           `json:"drillPending,omitempty"`
	DeletionPolicy string                         `json:"deletionPolicy"`
}

// SnapshotList is what "snapshot list" tells.
type SnapshotList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []Snapshot `json:"items"`
	Schedules       []Schedule `json:"schedules"`
}

// Schedule is what "snapshot list" tells about a schedule.
type Schedule struct {
	Name                string       `json:"name"`
	Namespace           string       `json:"namespace"`
	Cluster             string       `json:"cluster"`
	Schedule            string       `json:"schedule"`
	TimeZone            string       `json:"timeZone,omitempty"`
	Suspended           bool         `json:"suspended,omitempty"`
	NextAt              *metav1.Time `json:"nextAt,omitempty"`
	LastSuccessAt       *metav1.Time `json:"lastSuccessAt,omitempty"`
	LastVerifiedAt      *metav1.Time `json:"lastVerifiedAt,omitempty"`
	ConsecutiveFailures int32        `json:"consecutiveFailures,omitempty"`
	Keeps               string       `json:"keeps"`
	Ready               bool         `json:"ready"`
	Reason              string       `json:"reason,omitempty"`
	Message             string       `json:"message,omitempty"`
}

func snapshotOf(s *v1alpha2.EtcdSnapshot) Snapshot {
	out := Snapshot{
		TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "Snapshot"},
		Name:     s.Name, Namespace: s.Namespace, Cluster: s.Spec.ClusterRef.Name, Schedule: s.Labels[v1alpha2.LabelSchedule],
		Phase:     cmp.Or(string(s.Status.Phase), string(v1alpha2.SnapshotPending)),
		CreatedAt: s.CreationTimestamp, EndedAt: s.Status.CompletedAt, Attempts: s.Status.Attempts,
		URI: task.URI(task.Exact(s)), Artifact: s.Status.Artifact, Verification: s.Status.Verification,
		DeletionPolicy: string(cmp.Or(s.Spec.DeletionPolicy, v1alpha2.SnapshotRetain)),
	}
	if due, err := time.Parse(time.RFC3339, s.Annotations[v1alpha2.AnnotationScheduledAt]); err == nil {
		out.DueAt = new(metav1.NewTime(due))
	}
	if s3 := s.Spec.Destination.S3; s3 != nil {
		out.Endpoint = s3.Endpoint
	}
	if out.Artifact != nil && out.Artifact.URI != "" {
		out.URI = out.Artifact.URI
	}
	if out.Phase == string(v1alpha2.SnapshotStarted) {
		out.Progress = s.Status.Progress
	}
	if !s.DeletionTimestamp.IsZero() {
		out.Phase = "Deleting"
	}
	if ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady); ready != nil {
		out.Reason, out.Message = ready.Reason, ready.Message
	}
	request := s.Annotations[v1alpha2.AnnotationVerify]
	out.DrillPending = request != "" && (s.Status.Verification == nil || s.Status.Verification.Request != request ||
		s.Status.Verification.Outcome == "")
	return out
}

func scheduleOf(s *v1alpha2.EtcdSnapshotSchedule) Schedule {
	out := Schedule{
		Name: s.Name, Namespace: s.Namespace, Cluster: s.Spec.ClusterRef.Name, Schedule: s.Spec.Schedule, TimeZone: s.Spec.TimeZone,
		Suspended: s.Spec.Suspend, NextAt: s.Status.NextScheduleTime, LastSuccessAt: s.Status.LastSuccessfulTime,
		LastVerifiedAt: s.Status.LastVerifiedTime, ConsecutiveFailures: s.Status.ConsecutiveFailures, Keeps: keeps(s.Spec.Retention),
	}
	if ready := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady); ready != nil {
		out.Ready, out.Reason, out.Message = ready.Status == metav1.ConditionTrue, ready.Reason, ready.Message
	}
	return out
}

// sortSnapshots puts the newest first, cluster by cluster.
func sortSnapshots(all []Snapshot) {
	slices.SortFunc(all, func(a, b Snapshot) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Cluster, b.Cluster), b.CreatedAt.Compare(a.CreatedAt.Time),
			cmp.Compare(b.Name, a.Name))
	})
}

package observe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func nightly() *v1alpha2.EtcdSnapshot {
	return &v1alpha2.EtcdSnapshot{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "nightly"},
		Spec: v1alpha2.EtcdSnapshotSpec{
			Destination: v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups", SubPath: "db"}},
			Compression: v1alpha2.CompressionZstd,
		},
		Status: v1alpha2.EtcdSnapshotStatus{
			Phase: v1alpha2.SnapshotComplete, Artifact: &v1alpha2.SnapshotArtifact{Checksum: "sha256:ab", SizeBytes: 7, EtcdVersion: "3.6.16"},
		},
	}
}

// restored is a cluster that starts from the EtcdSnapshot nightly.
func restored() *Scene {
	c := &v1alpha2.EtcdCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c"}}
	c.Spec.Version = "3.6.16"
	c.Spec.Bootstrap = &v1alpha2.BootstrapSpec{Restore: &v1alpha2.RestoreSpec{SnapshotRef: &corev1.LocalObjectReference{Name: "nightly"}}}
	return &Scene{Cluster: c}
}

func (s *Scene) finds(t *testing.T, objects ...client.Object) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha2.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	from := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	if err := (&Observer{}).findSnapshot(t.Context(), from, s); err != nil {
		t.Fatal(err)
	}
}

func TestAClusterIsMadeOnlyFromASnapshotThatCanBeUsed(t *testing.T) {
	for claim, tc := range map[string]struct {
		change       func(*v1alpha2.EtcdSnapshot)
		reason, word string
	}{
		"a complete one": {func(*v1alpha2.EtcdSnapshot) {}, "", ""},
		"an older minor": {func(s *v1alpha2.EtcdSnapshot) { s.Status.Artifact.EtcdVersion = "3.5.35" }, "", ""},
		"a newer patch":  {func(s *v1alpha2.EtcdSnapshot) { s.Status.Artifact.EtcdVersion = "3.6.99" }, "", ""},
		"a version that is not known is left to the agent": {func(s *v1alpha2.EtcdSnapshot) { s.Status.Artifact.EtcdVersion = "" }, "", ""},
		"a newer minor": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status.Artifact.EtcdVersion = "3.7.3"
		}, v1alpha2.FailureSnapshotTooNew, "spec.version"},
		"one that is being taken": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status.Phase, s.Status.Artifact = v1alpha2.SnapshotStarted, nil
			s.Status.Conditions = []metav1.Condition{{Type: v1alpha2.ConditionReady, Message: "12 MiB"}}
		}, v1alpha2.ReasonRestoring, "12 MiB"},
		"one of which nobody says anything": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status = v1alpha2.EtcdSnapshotStatus{}
		}, v1alpha2.ReasonRestoring, "to be complete"},
		"one that has failed": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status.Phase, s.Status.Artifact = v1alpha2.SnapshotFailed, nil
		}, v1alpha2.FailureRestore, "has failed"},
		"one whose data are not those that were saved": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status.Verification = &v1alpha2.SnapshotVerification{Outcome: v1alpha2.VerificationFailed, Message: "other keys"}
		}, v1alpha2.FailureRestore, "other keys"},
		"one whose drill could not be done": {func(s *v1alpha2.EtcdSnapshot) {
			s.Status.Verification = &v1alpha2.SnapshotVerification{Outcome: v1alpha2.VerificationInconclusive}
		}, "", ""},
		"one that is being deleted": {func(s *v1alpha2.EtcdSnapshot) {
			s.DeletionTimestamp, s.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{v1alpha2.FinalizerSnapshot}
		}, v1alpha2.ReasonRestoring, "being deleted"},
	} {
		t.Run(claim, func(t *testing.T) {
			snapshot, s := nightly(), restored()
			tc.change(snapshot)
			s.finds(t, snapshot)
			got := s.restore
			if !got.Wanted || got.Reason != tc.reason || !strings.Contains(got.Obstacle, tc.word) || (got.Obstacle == "") != (tc.reason == "") {
				t.Errorf("got %+v", got)
			}
			if (s.Restore != nil) != (tc.reason == "") {
				t.Errorf("it is made from %+v", s.Restore)
			}
		})
	}
}

func TestWhatIsKnownOfASnapshotIsTakenAlong(t *testing.T) {
	s := restored()
	s.finds(t, nightly())
	r := s.Restore
	if task.URI(r.Source) != "pvc://backups/db/nightly.db.zst" || r.Artifact.Checksum != "sha256:ab" || r.Snapshot != "nightly" ||
		r.RevisionBump != defaultBump {
		t.Errorf("got %+v", r)
	}
	s = restored()
	s.Cluster.Spec.Bootstrap.Restore = &v1alpha2.RestoreSpec{
		Source:       &v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{Bucket: "b", Key: "k"}},
		RevisionBump: new(int64),
	}
	s.finds(t)
	if r := s.Restore; task.URI(r.Source) != "s3://b/k" || r.Artifact != nil || r.RevisionBump != 0 || s.restore.Obstacle != "" {
		t.Errorf("got %+v", r)
	}
}

func TestASnapshotIsLookedUpOnlyBeforeThereIsAMember(t *testing.T) {
	s := restored()
	s.finds(t)
	if s.restore.Reason != v1alpha2.ReasonRestoring || s.Restore != nil || !strings.Contains(s.restore.Obstacle, "not there") {
		t.Errorf("it is not there: %+v", s.restore)
	}
	s = restored()
	s.Members = []*Member{{Object: &v1alpha2.EtcdMember{}}}
	s.finds(t)
	if s.restore.Obstacle != "" || !s.restore.Wanted {
		t.Errorf("there is a member: %+v", s.restore)
	}
	s = restored()
	s.Cluster.Status.ClusterID = "c1"
	s.finds(t, nightly())
	if s.restore.Obstacle != "" || s.Restore != nil {
		t.Errorf("the cluster has formed: %+v, %+v", s.restore, s.Restore)
	}
	s = restored()
	s.Cluster.Spec.Bootstrap = nil
	s.finds(t)
	if s.restore.Wanted {
		t.Error("nobody asked for a snapshot")
	}
}

func TestAPodThatGoesOnHoldingTheVolumeOfTheSnapshotIsMadeAgain(t *testing.T) {
	for claim, tc := range map[string]struct {
		change func(*Scene, *v1alpha2.EtcdMember)
		want   bool
	}{
		"once the cluster has formed": {func(*Scene, *v1alpha2.EtcdMember) {}, true},
		"not before":                  {func(s *Scene, _ *v1alpha2.EtcdMember) { s.Cluster.Status.ClusterID = "" }, false},
		"not one that would lose its data": {func(_ *Scene, m *v1alpha2.EtcdMember) {
			m.Spec.Storage.Medium = v1alpha2.StorageMediumMemory
		}, false},
		"not one that holds none": {func(_ *Scene, m *v1alpha2.EtcdMember) { m.Spec.Restore = nil }, false},
	} {
		t.Run(claim, func(t *testing.T) {
			s, m := restored(), &v1alpha2.EtcdMember{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "c-a"}}
			s.Cluster.Status.ClusterID = "c1"
			m.Spec.Bootstrap = true
			m.Spec.Restore = &v1alpha2.MemberRestore{Source: v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: "backups"}}}
			tc.change(s, m)
			seen := s.member(s.aim(), &Member{Object: m, Pod: resource.Pod(m, resource.PodIntent{Form: true})}, noon)
			if got := strings.Contains(seen.Behind, "volume of the snapshot"); got != tc.want {
				t.Errorf("it is behind in %q", seen.Behind)
			}
		})
	}
}

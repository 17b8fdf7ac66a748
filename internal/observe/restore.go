package observe

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// defaultBump is the API's default, for objects from before there was one.
const defaultBump = 1_000_000_000

// findSnapshot finds out where the snapshot is that the cluster starts from, until there is a member: from then on it is on record there.
func (o *Observer) findSnapshot(ctx context.Context, from client.Reader, s *Scene) error {
	spec := resource.RestoreOf(s.Cluster)
	if spec == nil {
		return nil
	}
	s.restore.Wanted = true
	if s.Cluster.Status.ClusterID != "" || len(s.Members) > 0 {
		return nil
	}
	found := &v1alpha2.MemberRestore{RevisionBump: defaultBump}
	if spec.RevisionBump != nil {
		found.RevisionBump = *spec.RevisionBump
	}
	if spec.Source != nil {
		found.Source = *spec.Source.DeepCopy()
		s.Restore = found
		return nil
	}
	return s.resolve(ctx, from, spec.SnapshotRef.Name, found)
}

// resolve reads an EtcdSnapshot. That it is not there is no error: the cluster is.
func (s *Scene) resolve(ctx context.Context, from client.Reader, name string, found *v1alpha2.MemberRestore) error {
	var snapshot v1alpha2.EtcdSnapshot
	err := from.Get(ctx, types.NamespacedName{Namespace: s.Cluster.Namespace, Name: name}, &snapshot)
	switch {
	case apierrors.IsNotFound(err):
		s.restore = obstacle(v1alpha2.ReasonRestoring, "waiting for EtcdSnapshot %s, which spec.bootstrap.restore.snapshotRef names and which "+
			"is not there", name)
		return nil
	case err != nil:
		return fmt.Errorf("get EtcdSnapshot %s: %w", name, err)
	}
	if s.restore = usable(&snapshot, s.Cluster.Spec.Version); s.restore.Obstacle == "" {
		found.Snapshot, found.Source, found.Artifact = name, task.Exact(&snapshot), snapshot.Status.Artifact.DeepCopy()
		s.Restore = found
	}
	return nil
}

// usable says what keeps a cluster of this version from starting from a snapshot.
func usable(s *v1alpha2.EtcdSnapshot, etcdVersion string) plan.Restore {
	artifact, verification := s.Status.Artifact, s.Status.Verification
	switch {
	case s.Status.Phase == v1alpha2.SnapshotFailed:
		return obstacle(v1alpha2.FailureRestore, "EtcdSnapshot %s has failed, and holds nothing to start from%s", s.Name, said(s))
	case !s.DeletionTimestamp.IsZero():
		return obstacle(v1alpha2.ReasonRestoring, "EtcdSnapshot %s is being deleted: waiting for another one of that name", s.Name)
	case s.Status.Phase != v1alpha2.SnapshotComplete || artifact == nil:
		return obstacle(v1alpha2.ReasonRestoring, "waiting for EtcdSnapshot %s to be complete%s", s.Name, said(s))
	case newerMinor(artifact.EtcdVersion, etcdVersion):
		return obstacle(v1alpha2.FailureSnapshotTooNew, "EtcdSnapshot %s was taken from etcd %s, which %s cannot read: create the cluster with "+
			"spec.version %s or newer", s.Name, artifact.EtcdVersion, etcdVersion, artifact.EtcdVersion)
	case verification != nil && verification.Outcome == v1alpha2.VerificationFailed:
		return obstacle(v1alpha2.FailureRestore, "EtcdSnapshot %s was tried, and does not hold what was saved: %s; to start from it all the "+
			"same, name its place in spec.bootstrap.restore.source", s.Name, verification.Message)
	}
	return plan.Restore{Wanted: true}
}

func obstacle(reason, format string, args ...any) plan.Restore {
	return plan.Restore{Wanted: true, Reason: reason, Obstacle: fmt.Sprintf(format, args...)}
}

// said is what the EtcdSnapshot itself says, as an appendix.
func said(s *v1alpha2.EtcdSnapshot) string {
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady); c != nil && c.Message != "" {
		return ": " + c.Message
	}
	return ""
}

// newerMinor says whether etcd of version than cannot read what version has written. What is not known is left to the agent, which reads
// the snapshot itself.
func newerMinor(written, than string) bool {
	a, err := version.ParseGeneric(written)
	if err != nil {
		return false
	}
	b, err := version.ParseGeneric(than)
	if err != nil {
		return false
	}
	return a.Major() > b.Major() || a.Major() == b.Major() && a.Minor() > b.Minor()
}

// holdsSource says whether the Pod of m goes on holding the volume on which the snapshot lay, and another one would not.
func (s *Scene) holdsSource(m *Member) bool {
	return s.Cluster.Status.ClusterID != "" && m.Pod != nil && resource.HoldsSource(m.Pod) &&
		m.Object.Spec.Storage.Medium != v1alpha2.StorageMediumMemory
}

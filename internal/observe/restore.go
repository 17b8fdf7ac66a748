package observe

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
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
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("get EtcdSnapshot %s: %w", name, err)
	}
	of := plan.Source{Name: name}
	if err == nil {
		of = source(&snapshot)
	}
	if s.restore = of.Usable(s.Cluster.Spec.Version); s.restore.Obstacle == "" {
		found.Snapshot, found.Source, found.Artifact = name, task.Exact(&snapshot), snapshot.Status.Artifact.DeepCopy()
		s.Restore = found
	}
	return nil
}

func source(s *v1alpha2.EtcdSnapshot) plan.Source {
	of := plan.Source{
		Name: s.Name, Found: true, Leaving: !s.DeletionTimestamp.IsZero(), Failed: s.Status.Phase == v1alpha2.SnapshotFailed,
		Complete: s.Status.Phase == v1alpha2.SnapshotComplete && s.Status.Artifact != nil,
	}
	if s.Status.Artifact != nil {
		of.EtcdVersion = s.Status.Artifact.EtcdVersion
	}
	if v := s.Status.Verification; v != nil {
		of.Refuted, of.Finding = v.Outcome == v1alpha2.VerificationFailed, v.Message
	}
	if c := meta.FindStatusCondition(s.Status.Conditions, v1alpha2.ConditionReady); c != nil {
		of.Said = c.Message
	}
	return of
}

// holdsSource says whether the Pod of m goes on holding the volume on which the snapshot lay, and another one would not.
func (s *Scene) holdsSource(m *Member) bool {
	return s.Cluster.Status.ClusterID != "" && m.Pod != nil && resource.HoldsSource(m.Pod) &&
		m.Object.Spec.Storage.Medium != v1alpha2.StorageMediumMemory
}

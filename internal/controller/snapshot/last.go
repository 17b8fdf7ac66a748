package snapshot

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Recorder keeps status.lastSnapshot of the clusters, and what metrics say of their snapshots.
type Recorder struct {
	Client client.Client
	// Live reads past the cache.
	Live  client.Reader
	Meter Meter
}

// Reconcile looks for the newest complete snapshot of a cluster, and writes down which it is.
func (r *Recorder) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cluster := &v1alpha2.EtcdCluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			r.Meter.ForgetSnapshots(req.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var all v1alpha2.EtcdSnapshotList
	if err := r.Client.List(ctx, &all, client.InNamespace(req.Namespace)); err != nil {
		return reconcile.Result{}, fmt.Errorf("list EtcdSnapshots: %w", err)
	}
	last, proven := newest(cluster, all.Items)
	r.measure(cluster, last, proven)
	if want := lastSnapshot(last); !equality.Semantic.DeepEqual(cluster.Status.LastSnapshot, want) {
		return reconcile.Result{}, client.IgnoreNotFound(r.record(ctx, cluster, want))
	}
	return reconcile.Result{}, nil
}

// newest are the newest complete snapshot of a cluster, and the newest that a drill has restored; nil if there is none.
func newest(c *v1alpha2.EtcdCluster, all []v1alpha2.EtcdSnapshot) (last, proven *v1alpha2.EtcdSnapshot) {
	for i := range all {
		s := &all[i]
		if !of(c, s) {
			continue
		}
		if newer(s, last) {
			last = s
		}
		if restored(s) && newer(s, proven) {
			proven = s
		}
	}
	return last, proven
}

// of says whether a complete snapshot is one of this cluster, and not of an earlier one of the same name.
func of(c *v1alpha2.EtcdCluster, s *v1alpha2.EtcdSnapshot) bool {
	a := s.Status.Artifact
	if s.Spec.ClusterRef.Name != c.Name || s.Status.Phase != v1alpha2.SnapshotComplete || a == nil || s.Status.CompletedAt == nil ||
		!s.DeletionTimestamp.IsZero() {
		return false
	}
	if a.ClusterID != "" && c.Status.ClusterID != "" {
		return a.ClusterID == c.Status.ClusterID
	}
	return !s.Status.CompletedAt.Before(&c.CreationTimestamp)
}

// newer compares revisions, which never go back, whatever clocks do. Of equal ones the times decide.
func newer(s, than *v1alpha2.EtcdSnapshot) bool {
	if than == nil {
		return true
	}
	if s.Status.Artifact.Revision != than.Status.Artifact.Revision {
		return s.Status.Artifact.Revision > than.Status.Artifact.Revision
	}
	if at, then := s.Status.CompletedAt, than.Status.CompletedAt; !at.Equal(then) {
		return then.Before(at)
	}
	return s.Name > than.Name
}

func restored(s *v1alpha2.EtcdSnapshot) bool {
	return s.Status.Verification != nil && s.Status.Verification.Outcome == v1alpha2.VerificationVerified
}

func lastSnapshot(s *v1alpha2.EtcdSnapshot) *v1alpha2.LastSnapshot {
	if s == nil {
		return nil
	}
	return &v1alpha2.LastSnapshot{
		Name: s.Name, CompletedAt: *s.Status.CompletedAt, Revision: s.Status.Artifact.Revision, SizeBytes: s.Status.Artifact.SizeBytes,
		Verified: restored(s),
	}
}

func (r *Recorder) measure(c *v1alpha2.EtcdCluster, last, proven *v1alpha2.EtcdSnapshot) {
	key := client.ObjectKeyFromObject(c)
	if last == nil {
		r.Meter.ForgetSnapshots(key)
		return
	}
	var took time.Duration
	if last.Status.Artifact.Duration != nil {
		took = last.Status.Artifact.Duration.Duration
	}
	r.Meter.Saved(key, last.Status.CompletedAt.Time, last.Status.Artifact.SizeBytes, last.Status.Artifact.Revision, took)
	var at time.Time
	if proven != nil {
		at = proven.Status.CompletedAt.Time
	}
	r.Meter.Verified(key, at)
}

// record writes the field, and nothing else of status. The rest belongs to others, who may write at the same time: then the object is
// read again.
func (r *Recorder) record(ctx context.Context, seen *v1alpha2.EtcdCluster, last *v1alpha2.LastSnapshot) error {
	cluster := &v1alpha2.EtcdCluster{}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := r.Live.Get(ctx, client.ObjectKeyFromObject(seen), cluster); err != nil {
			return err
		}
		if cluster.UID != seen.UID {
			return nil // another cluster of the same name
		}
		old := cluster.DeepCopy()
		cluster.Status.LastSnapshot = last
		return r.Client.Status().Patch(ctx, cluster, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return fmt.Errorf("record the last snapshot: %w", err)
	}
	return nil
}

package consistency

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// publish writes the outcome into status, and nothing else of it. The rest belongs to the cluster controller, which may write
// at the same time: then the object is read again.
func (r *Reconciler) publish(ctx context.Context, looked *v1alpha2.EtcdCluster, outcome plan.Consistency) error {
	now := r.Now()
	var before *v1alpha2.ConsistencyCheck
	cluster := &v1alpha2.EtcdCluster{}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := r.Observer.Live.Get(ctx, client.ObjectKeyFromObject(looked), cluster); err != nil {
			return err
		}
		if cluster.UID != looked.UID {
			return nil // another cluster of the same name
		}
		old := cluster.DeepCopy()
		before = old.Status.Consistency
		cluster.Status.Consistency = &v1alpha2.ConsistencyCheck{
			CheckedAt: metav1.NewTime(now), Revision: outcome.Revision, Verdict: v1alpha2.ConsistencyVerdict(outcome.Agreement),
			Compared: ids(outcome.Compared), Diverged: ids(outcome.Diverged), Message: outcome.Message,
		}
		return r.Client.Status().Patch(ctx, cluster, client.MergeFromWithOptions(old, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return fmt.Errorf("publish the comparison: %w", err)
	}
	r.Meter.Compared(client.ObjectKeyFromObject(looked), outcome.Agreement, now)
	was := v1alpha2.ConsistencyAgreed
	if before != nil {
		was = before.Verdict
	}
	if is := v1alpha2.ConsistencyVerdict(outcome.Agreement); is != was && is != v1alpha2.ConsistencyAgreed {
		r.Recorder.Eventf(looked, nil, corev1.EventTypeWarning, "Data"+string(is), "Compare", "%s", outcome.Message)
	}
	return nil
}

func ids(of []uint64) (text []string) {
	for _, id := range of {
		text = append(text, observe.FormatID(id))
	}
	return text
}

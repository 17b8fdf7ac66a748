package consistency

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Meter is told what comparisons come to. All methods are safe for concurrent use.
type Meter interface {
	Compared(key types.NamespacedName, agreement plan.Agreement, at time.Time)
}

// Reconciler compares the data of a cluster's voters when it is time to.
type Reconciler struct {
	Client   client.Client
	Observer *observe.Observer
	Recorder events.EventRecorder
	Meter    Meter
	Now      func() time.Time
	// Period is the distance of the regular comparisons; 0 means none.
	Period time.Duration

	mu      sync.Mutex
	alarmed map[types.UID]time.Time // since when a CORRUPT alarm has been seen
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods;persistentvolumeclaims,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile compares if it is time to. Whether it is follows from Kubernetes alone: members are asked only then.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cluster := &v1alpha2.EtcdCluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, cluster); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var members v1alpha2.EtcdMemberList
	err := r.Client.List(ctx, &members, client.InNamespace(req.Namespace), client.MatchingLabels{v1alpha2.LabelCluster: req.Name})
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("list EtcdMembers: %w", err)
	}
	known := r.known(cluster, members.Items)
	in, due := known.Due()
	if !due || in > 0 {
		return reconcile.Result{RequeueAfter: in}, nil
	}
	return r.check(ctx, req.NamespacedName, known)
}

// check looks at the cluster, compares, and publishes.
func (r *Reconciler) check(ctx context.Context, key types.NamespacedName, known plan.Comparisons) (reconcile.Result, error) {
	scene, seen, err := r.Observer.Look(ctx, key)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observe: %w", err)
	}
	defer scene.Close()
	if scene.List == nil {
		return reconcile.Result{RequeueAfter: plan.CompareAgain}, nil // without a quorum there is nothing to compare with
	}
	voters := votersOf(scene, seen)
	outcome := compare(ctx, voters)
	if outcome.Agreement == plan.Diverged {
		outcome = outcome.Repeated(compare(ctx, voters))
	}
	if ctx.Err() != nil {
		return reconcile.Result{}, fmt.Errorf("compare: %w", ctx.Err())
	}
	if err := r.publish(ctx, scene.Cluster, outcome); err != nil {
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: plan.Settle}, nil
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	known.Last = r.Now()
	known.Covered = covered(ids(outcome.Compared), votersIn(scene.List))
	next, _ := known.Due()
	return reconcile.Result{RequeueAfter: next}, nil
}

func votersIn(list *etcd.MemberList) (voters []string) {
	for _, m := range list.Members {
		if !m.Learner {
			voters = append(voters, observe.FormatID(m.ID))
		}
	}
	return voters
}

// known is what Kubernetes tells of a cluster that concerns its comparisons.
func (r *Reconciler) known(c *v1alpha2.EtcdCluster, members []v1alpha2.EtcdMember) plan.Comparisons {
	known := plan.Comparisons{
		Off: c.Status.ClusterID == "" || c.Spec.Replicas != nil && *c.Spec.Replicas == 0 || !c.DeletionTimestamp.IsZero() ||
			c.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled,
		Period: r.period(c),
		Now:    r.Now(),
		Last:   c.CreationTimestamp.Time,

		Awaited: awaited(c),
	}
	if known.Period > 0 {
		known.Phase = phase(c.UID, known.Period)
	}
	if last := c.Status.Consistency; last != nil {
		var voters []string
		for _, m := range c.Status.Members {
			if m.Role == v1alpha2.MemberRoleVoter {
				voters = append(voters, m.MemberID)
			}
		}
		known.Last, known.Covered = last.CheckedAt.Time, covered(last.Compared, voters)
	}
	known.Suspect = r.alarmedSince(c)
	if since := refusedSince(members); since.After(known.Suspect) {
		known.Suspect = since
	}
	return known
}

// awaited says whether a change of the minor waits for a comparison.
func awaited(c *v1alpha2.EtcdCluster) bool {
	return c.Status.Rollout != nil && slices.ContainsFunc(c.Status.Rollout.Checks, func(check v1alpha2.RolloutCheck) bool {
		return check.Name == plan.DataAgree && !check.OK
	})
}

// refusedSince is when the last one of the members was first seen to refuse to start because of its peers' data; zero if none does.
func refusedSince(members []v1alpha2.EtcdMember) (since time.Time) {
	for i := range members {
		f := members[i].Status.Failure
		if f != nil && f.Reason == v1alpha2.FailureDataInconsistent && f.Since != nil && f.Since.After(since) {
			since = f.Since.Time
		}
	}
	return since
}

// period makes the regular comparisons of large databases rarer: a member's writes wait for about 2 s for each GiB it hashes.
func (r *Reconciler) period(c *v1alpha2.EtcdCluster) time.Duration {
	const small = 256 << 20 // bytes
	if c.Status.DBSize == nil {
		return r.Period
	}
	return r.Period * time.Duration(max(1, (c.Status.DBSize.Value()+small-1)/small))
}

// alarmedSince is since when this process has seen that a CORRUPT alarm is raised; zero if none is. etcd does not tell.
func (r *Reconciler) alarmedSince(c *v1alpha2.EtcdCluster) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !corrupt(c) {
		delete(r.alarmed, c.UID)
		return time.Time{}
	}
	if r.alarmed == nil {
		r.alarmed = map[types.UID]time.Time{}
	}
	if _, known := r.alarmed[c.UID]; !known {
		r.alarmed[c.UID] = r.Now()
	}
	return r.alarmed[c.UID]
}

// corrupt says whether status tells of a CORRUPT alarm. One that names nobody who is there shows only in the condition.
func corrupt(c *v1alpha2.EtcdCluster) bool {
	for _, m := range c.Status.Members {
		if slices.Contains(m.Alarms, string(etcd.AlarmCorrupt)) {
			return true
		}
	}
	available := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionAvailable)
	return available != nil && available.Reason == v1alpha2.ReasonCorruptAlarm
}

// covered says whether the voters are those that were compared.
func covered(compared, voters []string) bool {
	slices.Sort(voters)
	return slices.Equal(slices.Sorted(slices.Values(compared)), voters)
}

// phase spreads the comparisons of clusters over the period.
func phase(uid types.UID, period time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	return time.Duration(h.Sum64() % uint64(period))
}

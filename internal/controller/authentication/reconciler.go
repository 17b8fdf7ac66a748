package authentication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/access"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// patience bounds what is asked of etcd through one member.
const patience = 5 * time.Second

// Reconciler carries the authentication of a cluster towards its spec, one step per pass.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache; it also reads Secrets of others, which the cache does not hold.
	Live     client.Reader
	Observer *observe.Observer
	Dialer   etcd.Dialer
	Recorder events.EventRecorder
	Now      func() time.Time
	Random   io.Reader

	calm calm
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks whether there is anything new, for a look at etcd goes through its log. If there is, it takes a step.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	cluster := &v1alpha2.EtcdCluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, cluster); err != nil {
		r.calm.forget(req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if idle(cluster) {
		r.calm.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	known, err := r.known(ctx, cluster)
	if err != nil {
		return reconcile.Result{}, err
	}
	if left := r.calm.left(req.NamespacedName, known, r.Now()); left > 0 {
		return reconcile.Result{RequeueAfter: left}, nil
	}
	next, err := r.pass(ctx, req.NamespacedName)
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: plan.Settle}, nil // somebody wrote in between: look again
	case err != nil:
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if next >= plan.Settle {
		r.calm.keep(req.NamespacedName, known, r.Now().Add(next))
	}
	return reconcile.Result{RequeueAfter: max(next, plan.Settle)}, nil
}

// idle is true when there is nothing to look at: no members that run, and nothing that was ever declared.
func idle(c *v1alpha2.EtcdCluster) bool {
	unformed := c.Status.ClusterID == "" && resource.RestoreOf(c) == nil
	return !c.DeletionTimestamp.IsZero() || unformed || c.Spec.Replicas != nil && *c.Spec.Replicas == 0 ||
		c.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled ||
		c.Spec.Auth == nil && c.Status.Auth == nil && !c.Status.AuthEnabled
}

// pass looks past the cache, decides, takes at most one step and says so. It gives how long to wait before looking again.
func (r *Reconciler) pass(ctx context.Context, key types.NamespacedName) (time.Duration, error) {
	looked, seen, err := r.Observer.LookAgain(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("observe: %w", err)
	}
	defer looked.Close()
	if idle(looked.Cluster) {
		return plan.Settle, nil
	}
	if looked.Cluster.Status.ClusterID == "" && !seen.Barred() { // with what came with a snapshot the operator may have to log in first
		return plan.AuthAgain, nil
	}
	s, err := r.survey(ctx, looked.Cluster, seen.Whole())
	if err != nil {
		return 0, err
	}
	switch owned, foreign := s.owned(); {
	case foreign:
		return r.conclude(ctx, s, taken(s.secret.Name), false)
	case !owned || len(s.root.Digest) == 0:
		return 0, r.makeSecret(ctx, s)
	}
	client, err := r.enter(ctx, s, r.Observer.Entrances(looked))
	if err != nil {
		return r.conclude(ctx, s, unreached(err), false)
	}
	defer client.Close()
	return r.act(ctx, s, client)
}

// enter looks at what etcd has, through the first voter that answers.
func (r *Reconciler) enter(ctx context.Context, s *scene, entrances []etcd.Target) (etcd.Client, error) {
	err := errNobodyToAsk
	for _, target := range entrances {
		s.door = access.Door{Dialer: r.Dialer, Target: target, Passwords: s.passwords}
		var client etcd.Client
		if s.auth.Seen, client, err = r.look(ctx, s); err == nil {
			return client, nil
		}
	}
	return nil, err
}

func (r *Reconciler) look(ctx context.Context, s *scene) (plan.AuthSeen, etcd.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.door.Look(ctx, s.auth)
}

var errNobodyToAsk = errors.New("no voter answers")

// unreached waits for members.
func unreached(err error) plan.AuthDecision {
	return plan.AuthDecision{
		Step: plan.Nothing{}, Outlook: plan.Waiting, Reason: v1alpha2.ReasonAwaitingWholeCluster, Recheck: plan.AuthAgain,
		Message: "etcd cannot be asked for users and roles: " + err.Error(),
	}
}

func taken(name string) plan.AuthDecision {
	return plan.AuthDecision{
		Step: plan.Nothing{}, Outlook: plan.Stuck, Reason: v1alpha2.ReasonNameTaken, Recheck: plan.AuthAgain,
		Message: "Secret " + name + " is there and does not belong to this cluster: delete it, or give the cluster another name",
	}
}

// act takes the step that is next. What etcd has acknowledged is recorded at once: it does not show passwords.
func (r *Reconciler) act(ctx context.Context, s *scene, client etcd.Client) (time.Duration, error) {
	d := plan.NextAuth(s.auth)
	if _, rests := d.Step.(plan.Nothing); rests {
		if d.Outlook == plan.Fulfilled && s.forgettable() {
			return 0, r.forget(ctx, s)
		}
		return r.conclude(ctx, s, d, false)
	}
	record, ours := s.auth.Record.With(d.Step)
	if !ours {
		if err := r.take(ctx, s, client, d); err != nil {
			return 0, err
		}
		if password, known := s.auth.Seen.Acknowledged(d.Step); known {
			record, ours = s.auth.Record.With(password)
		}
	}
	if ours {
		if err := r.write(ctx, s, record); err != nil {
			return 0, err
		}
	}
	return r.conclude(ctx, s, d, true)
}

func (r *Reconciler) take(ctx context.Context, s *scene, client etcd.Client, d plan.AuthDecision) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.door.Take(ctx, client, d.Step)
	log.FromContext(ctx).Info(d.Message, "rule", d.Rule, "error", err)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Message, err)
	}
	return nil
}

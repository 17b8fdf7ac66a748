package certificate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// DefaultGrace is how long clients have to take over what they are told and given: the kubelet carries Secrets and ConfigMaps into
// their Pods within two minutes, and some look at their files only now and then.
const DefaultGrace = 5 * time.Minute

const (
	// soon is how long to wait for others: for kubelets to carry certificates into Pods, for members to be started again.
	soon = time.Second
	// patient is how long to wait for people, whose changes of Secrets and of the spec are watched besides.
	patient = 10 * time.Second
	// calm is the longest time without a look at members that show what they should.
	calm = 5 * time.Minute
)

// Meter is told when certificates end. All methods are safe for concurrent use.
type Meter interface {
	// Expires sets when the first certificate of a kind (leaf, ca, operator or application) on a plane ends; a zero time means that
	// there is none.
	Expires(key types.NamespacedName, plane, kind string, at time.Time)
}

// Reconciler carries certificates and CAs of a cluster towards its spec, one write per pass.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache; it also reads Secrets of others, which the cache does not hold.
	Live client.Reader
	// Names lists the metadata of all Secrets, so that those of applications are found.
	Names    client.Reader
	Greeter  etcd.Greeter
	Recorder events.EventRecorder
	Meter    Meter
	Now      func() time.Time
	Random   io.Reader
	// ClientURL says where clients reach a member.
	ClientURL func(*v1alpha2.EtcdMember) string
	// ClusterDomain is the DNS domain of the Kubernetes cluster.
	ClusterDomain string
	// Grace is how long clients have to take over what they are told and given.
	Grace time.Duration

	warnings warnings
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/status,verbs=get;patch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile observes, decides, takes at most one step, and says so.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	s, err := r.look(ctx, r.Client, r.Names, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		r.warnings.forget(req.NamespacedName)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observe: %w", err)
	}
	if s.idle() {
		return reconcile.Result{}, nil
	}
	planes := r.survey(s)
	decide(planes)
	if restless := slices.DeleteFunc(slices.Clone(planes), (*plane).settled); len(restless) > 0 {
		r.greet(ctx, s, restless)
		decide(restless)
	}
	step := next(s, planes)
	if step == nil {
		return r.conclude(ctx, s, planes, nil, nil)
	}
	return r.confirm(ctx, req, s, step)
}

// confirm looks past the cache before a step is taken. If the step is another one now, nothing is done.
func (r *Reconciler) confirm(ctx context.Context, req reconcile.Request, before *scene, step *step) (reconcile.Result, error) {
	s, err := r.look(ctx, r.Live, r.Live, req.NamespacedName)
	if apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("observe again: %w", err)
	}
	if s.idle() {
		return reconcile.Result{}, nil
	}
	s.recall(before)
	planes := r.survey(s)
	decide(planes)
	confirmed := next(s, planes)
	if confirmed == nil || confirmed.does != step.does {
		log.FromContext(ctx).V(1).Info("the cache was behind", "cached", step.does)
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	err = confirmed.take(ctx, r)
	log.FromContext(ctx).Info(confirmed.does, "error", err)
	return r.conclude(ctx, s, planes, confirmed, err)
}

func decide(planes []*plane) {
	for _, p := range planes {
		p.decide()
	}
}

// conclude publishes status, events and metrics, and says when to look again.
func (r *Reconciler) conclude(ctx context.Context, s *scene, planes []*plane, step *step, acted error) (reconcile.Result, error) {
	if apierrors.IsConflict(acted) {
		return reconcile.Result{RequeueAfter: plan.Settle}, nil // somebody wrote in between: look again
	}
	var name *taken
	var more []trouble
	if errors.As(acted, &name) {
		more, acted, step = []trouble{name.trouble()}, nil, nil
	}
	if refused := (*refusal)(nil); errors.As(acted, &refused) {
		more = []trouble{{v1alpha2.ReasonCertificatePending, refused.Error()}}
	}
	r.measure(s, planes)
	err := r.publish(ctx, s, planes, step != nil && step.announces && acted == nil, more)
	if apierrors.IsConflict(err) && acted == nil {
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	if err := errors.Join(acted, err); err != nil {
		return reconcile.Result{}, err
	}
	if step != nil {
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	return reconcile.Result{RequeueAfter: recheck(planes, name != nil)}, nil
}

// recheck is when to look again if nothing that is watched happens.
func recheck(planes []*plane, troubled bool) time.Duration {
	wait := calm
	if troubled {
		wait = patient
	}
	for _, p := range planes {
		wait = min(wait, p.recheck())
	}
	return wait
}

func (p *plane) recheck() time.Duration {
	wait := calm
	switch {
	case !p.ready, len(p.supply.trouble) > 0:
		wait = patient
	case p.decision.Phase != plan.TrustSettled:
		wait = max(p.decision.Recheck, soon)
	}
	for _, at := range p.turns() {
		if left := at.Sub(p.now); left > 0 {
			wait = min(wait, left)
		}
	}
	return max(wait, soon)
}

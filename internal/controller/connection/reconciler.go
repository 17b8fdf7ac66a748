package connection

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// patient is how long to wait for a name that somebody else has: of a stranger's ConfigMap no change is seen.
const patient = 30 * time.Second

// Reconciler keeps the ConfigMap of a cluster, one write per pass.
type Reconciler struct {
	Client client.Client
	// Live reads past the cache.
	Live     client.Reader
	Recorder events.EventRecorder
}

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdmembers,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes the ConfigMap say what is so. Clients are told of a cluster once it has formed.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	s, err := r.look(ctx, r.Client, req.NamespacedName)
	if err != nil || s.right() {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if s, err = r.look(ctx, r.Live, req.NamespacedName); err != nil || s.right() {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case s.have == nil:
		err = r.Client.Create(ctx, s.want)
		if apierrors.IsAlreadyExists(err) {
			return reconcile.Result{RequeueAfter: plan.Settle}, nil
		}
	case s.earlier():
		return reconcile.Result{RequeueAfter: patient}, nil
	case !s.ours():
		r.Recorder.Eventf(s.cluster, nil, corev1.EventTypeWarning, v1alpha2.ReasonNameTaken, "Connect",
			"ConfigMap %s is there and does not belong to this cluster: clients are not told how to reach it", s.want.Name)
		return reconcile.Result{RequeueAfter: patient}, nil
	default:
		corrected, _ := resource.Correct(s.want, s.have).(*corev1.ConfigMap)
		err = r.Client.Update(ctx, corrected)
	}
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: plan.Settle}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("write ConfigMap %s: %w", s.want.Name, err)
	}
	log.FromContext(ctx).Info("told clients how to reach the cluster", "endpoints", s.want.Data[resource.ConnectionEndpoints])
	return reconcile.Result{}, nil
}

// scene is what there is, and what there should be.
type scene struct {
	cluster *v1alpha2.EtcdCluster
	have    *corev1.ConfigMap // nil if there is none
	want    *corev1.ConfigMap // nil if nothing is to be written
}

// right says that there is nothing to do.
func (s *scene) right() bool {
	return s.want == nil || s.have != nil && s.ours() && resource.Current(s.want, s.have)
}

// ours is false for a stranger's ConfigMap, and for one of an earlier cluster of the same name.
func (s *scene) ours() bool { return resource.ControlledBy(s.have, s.cluster.UID) }

// earlier says that the ConfigMap goes by itself, with the cluster that it belonged to.
func (s *scene) earlier() bool {
	uid := s.have.Labels[v1alpha2.LabelClusterUID]
	return uid != "" && uid != string(s.cluster.UID)
}

func (r *Reconciler) look(ctx context.Context, from client.Reader, key types.NamespacedName) (*scene, error) {
	s := &scene{cluster: &v1alpha2.EtcdCluster{}}
	if err := from.Get(ctx, key, s.cluster); err != nil {
		return nil, err
	}
	c := s.cluster
	disabled := c.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled
	if !c.DeletionTimestamp.IsZero() || c.Status.ClusterID == "" || disabled {
		return s, nil
	}
	var members v1alpha2.EtcdMemberList
	ours := client.MatchingLabels{v1alpha2.LabelCluster: c.Name, v1alpha2.LabelClusterUID: string(c.UID)}
	if err := from.List(ctx, &members, client.InNamespace(c.Namespace), ours); err != nil {
		return nil, fmt.Errorf("list EtcdMembers: %w", err)
	}
	have, err := r.configMap(ctx, from, c, resource.ConnectionName(c.Name))
	if err != nil {
		return nil, err
	}
	s.have = have
	trust, err := r.trust(ctx, from, s)
	if err != nil {
		return nil, err
	}
	s.want = resource.Connection(c, members.Items, trust)
	if s.want.Data[resource.ConnectionEndpoints] == "" {
		s.want = nil // the record of who votes is on its way
	}
	return s, nil
}

// trust is what the ConfigMap says already, else what members are started with; empty where TLS is off.
func (r *Reconciler) trust(ctx context.Context, from client.Reader, s *scene) (string, error) {
	bundle := resource.BundleOf(s.cluster, resource.ClientPlane)
	wanted, _ := resource.WantsTLS(s.cluster, resource.ClientPlane)
	if bundle == "" && !wanted {
		return "", nil
	}
	if s.have != nil && s.have.Data[resource.ConnectionTrust] != "" {
		return s.have.Data[resource.ConnectionTrust], nil
	}
	if bundle == "" {
		return "", nil // the certificate controller is about to say
	}
	m, err := r.configMap(ctx, from, s.cluster, resource.TrustName(s.cluster.Name, resource.ClientPlane, bundle))
	if err != nil || m == nil {
		return "", err
	}
	return m.Data[resource.ConnectionTrust], nil
}

func (r *Reconciler) configMap(ctx context.Context, from client.Reader, c *v1alpha2.EtcdCluster, name string) (*corev1.ConfigMap, error) {
	m := &corev1.ConfigMap{}
	err := from.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, m)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get ConfigMap %s: %w", name, err)
	}
	return m, nil
}

package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/controller/retry"
	"github.com/cozystack/etcd-operator/internal/controller/wake"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// SetupWithManager watches EtcdMembers, their Pods, volumes and nodes, and the annotation that switches their cluster off. workers
// members are looked at side by side.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, workers int) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named("member").
		For(&v1alpha2.EtcdMember{}).
		Watches(&corev1.Pod{}, r.podHandler()).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(memberOf)).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(memberOf)).
		Watches(&v1alpha2.EtcdCluster{}, handler.EnqueueRequestsFromMapFunc(r.membersOf),
			builder.WithPredicates(predicate.AnnotationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retry.Limiter()})
	if r.WatchNodes {
		b = b.Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.membersAt), builder.WithPredicates(nodeChanged()))
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("set up member controller: %w", err)
	}
	return nil
}

// memberOf names the member whose label an object carries.
var memberOf = wake.Labelled(v1alpha2.LabelMember)

func (r *Reconciler) membersOf(ctx context.Context, cluster client.Object) []reconcile.Request {
	var members v1alpha2.EtcdMemberList
	err := r.Client.List(ctx, &members, client.InNamespace(cluster.GetNamespace()),
		client.MatchingLabels{v1alpha2.LabelClusterUID: string(cluster.GetUID())})
	if err != nil {
		return nil // the cache is not there yet: it will show every member anyway
	}
	requests := make([]reconcile.Request, len(members.Items))
	for i := range members.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&members.Items[i])
	}
	return requests
}

// membersAt are those whose Pod is on a node, and those that wait for one.
func (r *Reconciler) membersAt(ctx context.Context, node client.Object) []reconcile.Request {
	var pods corev1.PodList
	var members v1alpha2.EtcdMemberList
	asIs := client.UnsafeDisableDeepCopy // nothing of it is changed here
	if errors.Join(r.Client.List(ctx, &pods, asIs), r.Client.List(ctx, &members, asIs)) != nil {
		return nil // the cache is not there yet: it will show every member anyway
	}
	var requests []reconcile.Request
	for i := range pods.Items {
		if pods.Items[i].Spec.NodeName == node.GetName() {
			requests = append(requests, memberOf(ctx, &pods.Items[i])...)
		}
	}
	for i := range members.Items {
		if f := members.Items[i].Status.Failure; f != nil && slices.Contains(ofNodes, f.Reason) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&members.Items[i])})
		}
	}
	return requests
}

// ofNodes are the failures that another node, or the same one again, may end.
var ofNodes = []string{v1alpha2.FailureNodeLost, v1alpha2.FailureNodeDown, v1alpha2.FailureUnschedulable}

// nodeChanged lets through what changes the state of a node: its heartbeats are many.
func nodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, also := e.ObjectNew.(*corev1.Node)
		return !ok || !also || stateOf(before) != stateOf(after)
	}}
}

// podHandler notes Pods that go unscheduled before it wakes their members.
func (r *Reconciler) podHandler() handler.EventHandler {
	enqueue := func(ctx context.Context, o client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		if pod, ok := o.(*corev1.Pod); ok {
			r.stillborn.note(pod)
		}
		for _, request := range memberOf(ctx, o) {
			q.Add(request)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(ctx, e.Object, q)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(ctx, e.Object, q)
		},
	}
}

// stillborn remembers, for each member, the last Pod that is known to have ended before etcd was started in it. It is lost with the
// process, and then a grant that such a Pod held stays used: the safe side.
type stillborn struct {
	mu   sync.Mutex
	pods map[types.NamespacedName]types.UID
}

// note looks at a Pod as it was seen last. One that is being deleted is never scheduled, so what counts is that mark and the
// missing node, not that the Pod is gone: a cache that selects by labels loses a Pod whose label is taken away, too. Of one that was
// scheduled the kubelet says in the end what has run.
func (s *stillborn) note(pod *corev1.Pod) {
	unscheduled := pod.DeletionTimestamp != nil && pod.Spec.NodeName == ""
	if !resource.HoldsGrant(pod) || !unscheduled && !resource.NeverRan(pod) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods == nil {
		s.pods = map[types.NamespacedName]types.UID{}
	}
	s.pods[client.ObjectKeyFromObject(pod)] = pod.UID
}

// knows says whether the Pod with this UID is such a one.
func (s *stillborn) knows(member types.NamespacedName, pod string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	uid, found := s.pods[member]
	return found && string(uid) == pod
}

// forget drops what is remembered of a member that is gone.
func (s *stillborn) forget(member types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, member)
}

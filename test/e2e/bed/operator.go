package bed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	operatorLabel   = "app.kubernetes.io/name"
	operatorName    = "etcd-operator"
	operatorProgram = "etcd-operator"
	operatorLease   = "etcd-operator.cozystack.io"
)

// ErrNoLeader says that no operator leads at the moment.
var ErrNoLeader = errors.New("no operator leads")

// OperatorPods are the Pods of the operator that are not on their way out.
func (b *Bed) OperatorPods(ctx context.Context) ([]corev1.Pod, error) {
	var pods corev1.PodList
	if err := b.List(ctx, &pods, client.MatchingLabels{operatorLabel: operatorName}); err != nil {
		return nil, fmt.Errorf("list the operator's Pods: %w", err)
	}
	return slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil }), nil
}

// Leader is the Pod of the operator that leads, and the Lease that says so.
func (b *Bed) Leader(ctx context.Context) (*corev1.Pod, *coordinationv1.Lease, error) {
	pods, err := b.OperatorPods(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range pods {
		p := &pods[i]
		lease := &coordinationv1.Lease{}
		if err := b.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: operatorLease}, lease); err != nil {
			return nil, nil, fmt.Errorf("read the operator's Lease: %w", err)
		}
		if holder := lease.Spec.HolderIdentity; holder != nil && strings.HasPrefix(*holder, p.Name+"_") {
			return p, lease, nil
		}
	}
	return nil, nil, ErrNoLeader
}

// KillOperator ends the leading operator as a power loss does: SIGKILL, without handing anything over. Its Lease is taken
// from the dead at once, which spares the tests the 15 s after which it would lapse, and its Pod is deleted, which spares
// them the kubelet's growing patience with crashes. It returns the name of the Pod.
func (b *Bed) KillOperator(ctx context.Context) (string, error) {
	pod, lease, err := b.Leader(ctx)
	if err != nil {
		return "", err
	}
	if err := Signal(pod, operatorProgram, syscall.SIGKILL); err != nil {
		return "", err
	}
	// A merge patch without a version: the dead may have renewed the Lease since it was read, but nobody else can have it.
	free := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"holderIdentity":""}}`))
	if err := b.Patch(ctx, lease, free); err != nil {
		return "", fmt.Errorf("take the Lease from %s: %w", pod.Name, err)
	}
	if err := b.Delete(ctx, pod, client.GracePeriodSeconds(0)); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("delete Pod %s: %w", pod.Name, err)
	}
	return pod.Name, nil
}

// OperatorResident is the memory of the leading operator in bytes.
func (b *Bed) OperatorResident(ctx context.Context) (int64, error) {
	pod, _, err := b.Leader(ctx)
	if err != nil {
		return 0, err
	}
	return Resident(pod, operatorProgram)
}

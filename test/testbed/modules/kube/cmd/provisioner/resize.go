package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/klog/v2"
)

// How volumes of a class grow, as its parameter says.
const (
	online     = ""           // at once, under the Pod that uses them
	offline    = "offline"    // once the Pod has ended that used them when they were to grow
	never      = "never"      // nobody answers
	infeasible = "infeasible" // the storage refuses for good
)

// resizer does the part of Kubernetes' external-resizer: it lets the storage grow, and leaves the rest to the kubelet.
type resizer struct {
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	pods    corelisters.PodLister
	classes storagelisters.StorageClassLister
	users   map[types.UID]types.UID // of a claim that waits, the Pod that used it when it began to
}

func newResizer(client kubernetes.Interface) *resizer {
	f := informers.NewSharedInformerFactory(client, 0)
	core := f.Core().V1()
	return &resizer{
		client: client, factory: f, claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		pods: core.Pods().Lister(), classes: f.Storage().V1().StorageClasses().Lister(), users: map[types.UID]types.UID{},
	}
}

func (r *resizer) run(ctx context.Context) {
	r.factory.Start(ctx.Done())
	r.factory.WaitForCacheSync(ctx.Done())
	wait.UntilWithContext(ctx, r.pass, time.Second)
}

func (r *resizer) pass(ctx context.Context) {
	claims, err := r.claims.List(labels.Everything())
	if err != nil {
		klog.Error(err)
		return
	}
	for _, c := range claims {
		if err := r.grow(ctx, c); err != nil && !apierrors.IsConflict(err) {
			klog.Errorf("grow volume of %s/%s: %v", c.Namespace, c.Name, err)
		}
	}
}

// grow takes the steps of one claim in the order of the external-resizer: said on the claim, done, said on the volume, handed over.
func (r *resizer) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	wanted, has := claim.Spec.Resources.Requests[corev1.ResourceStorage], claim.Status.Capacity[corev1.ResourceStorage]
	if claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil || wanted.Cmp(has) <= 0 {
		delete(r.users, claim.UID)
		return nil
	}
	pv, err := r.volumes.Get(claim.Spec.VolumeName)
	if err != nil || pv.Spec.Local == nil || pv.Annotations["pv.kubernetes.io/provisioned-by"] != name {
		return present(err)
	}
	class, err := r.classes.Get(pv.Spec.StorageClassName)
	if err != nil {
		return present(err)
	}
	switch how := class.Parameters[expansionParameter]; {
	case how == never:
		return nil
	case how == infeasible:
		return r.say(ctx, claim, wanted, corev1.PersistentVolumeClaimControllerResizeInfeasible,
			corev1.PersistentVolumeClaimControllerResizeError, "the storage has no volumes of this size")
	case how == offline && r.used(claim):
		return r.say(ctx, claim, wanted, corev1.PersistentVolumeClaimNodeResizePending,
			corev1.PersistentVolumeClaimFileSystemResizePending, "the volume grows when its Pod is started again")
	}
	return r.expand(ctx, claim, pv, class, wanted)
}

func (r *resizer) expand(
	ctx context.Context, claim *corev1.PersistentVolumeClaim, pv *corev1.PersistentVolume, class *storagev1.StorageClass, wanted resource.Quantity,
) error {
	if has := pv.Spec.Capacity[corev1.ResourceStorage]; has.Cmp(wanted) < 0 {
		if class.Parameters[sizeParameter] == enforced {
			if err := limit(pv.Spec.Local.Path, wanted); err != nil {
				return err
			}
		}
		grown := pv.DeepCopy()
		grown.Spec.Capacity[corev1.ResourceStorage] = wanted
		if _, err := r.client.CoreV1().PersistentVolumes().Update(ctx, grown, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("say it on the volume: %w", err)
		}
	}
	if claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] == corev1.PersistentVolumeClaimNodeResizeInProgress {
		return nil
	}
	return r.say(ctx, claim, wanted, corev1.PersistentVolumeClaimNodeResizePending,
		corev1.PersistentVolumeClaimFileSystemResizePending, "Waiting for user to (re-)start a pod to finish file system resize of volume on node.")
}

// used says whether the Pod that used the volume when it was to grow is still there.
func (r *resizer) used(claim *corev1.PersistentVolumeClaim) bool {
	pods, err := r.pods.Pods(claim.Namespace).List(labels.Everything())
	if err != nil {
		return true
	}
	for _, pod := range pods {
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim.Name || pod.Spec.NodeName == "" {
				continue
			}
			if _, known := r.users[claim.UID]; !known {
				r.users[claim.UID] = pod.UID
			}
			if r.users[claim.UID] == pod.UID {
				return true
			}
		}
	}
	return false
}

// say writes into a claim's status how far it is.
func (r *resizer) say(
	ctx context.Context, claim *corev1.PersistentVolumeClaim, wanted resource.Quantity, state corev1.ClaimResourceStatus,
	condition corev1.PersistentVolumeClaimConditionType, message string,
) error {
	allocated := claim.Status.AllocatedResources[corev1.ResourceStorage]
	if claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] == state && allocated.Cmp(wanted) == 0 {
		return nil
	}
	changed := claim.DeepCopy()
	changed.Status.AllocatedResources = corev1.ResourceList{corev1.ResourceStorage: wanted}
	changed.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{corev1.ResourceStorage: state}
	changed.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{
		Type: condition, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now(), Message: message,
	}}
	_, err := r.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("say it on the claim: %w", err)
	}
	return nil
}

// present forgives what is not there (any more): another pass sees what became of it.
func present(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

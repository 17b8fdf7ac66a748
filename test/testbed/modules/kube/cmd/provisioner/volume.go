package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Parameters of a StorageClass.
const (
	// sizeParameter is "enforced" if a volume is full when its size is used up. Its data are in memory then.
	sizeParameter = "size"
	enforced      = "enforced"
	// expansionParameter says how volumes grow of a class that lets them.
	expansionParameter = "expansion"
)

// mountSource is what the testbed knows mounted volumes by (internal/machine).
const mountSource = "etcd-operator-testbed"

// folders provisions one folder per claim under its root.
type folders struct{ root string }

func (p folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	node := o.SelectedNodeName
	if node == "" {
		return nil, controller.ProvisioningFinished, errors.New("choose a node: the StorageClass needs WaitForFirstConsumer")
	}
	dir := filepath.Join(p.root, strings.Join([]string{o.PVC.Namespace, o.PVC.Name, o.PVName}, "_"))
	// Owned by root and closed to others, as the root of a fresh disk: only a Pod with the right fsGroup may write.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("create volume: %w", err)
	}
	size := o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]
	if o.StorageClass.Parameters[sizeParameter] == enforced {
		if err := limit(dir, size); err != nil {
			return nil, controller.ProvisioningFinished, err
		}
	}
	mode := corev1.PersistentVolumeFilesystem
	host := corev1.NodeSelectorRequirement{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    &mode,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: size},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: dir}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{host}},
			}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (p folders) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if pv.Spec.Local == nil || filepath.Dir(filepath.Clean(pv.Spec.Local.Path)) != filepath.Clean(p.root) {
		return fmt.Errorf("delete volume %s: it is not one of %s", pv.Name, p.root)
	}
	// Only a volume with a limit is a mount; of the others this says that it is none, and of those deleted before that it is gone.
	err := syscall.Unmount(pv.Spec.Local.Path, syscall.MNT_DETACH)
	if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("unmount volume %s: %w", pv.Name, err)
	}
	if err := os.RemoveAll(pv.Spec.Local.Path); err != nil {
		return fmt.Errorf("delete volume %s: %w", pv.Name, err)
	}
	return nil
}

// limit gives a volume a file system of its own with a size; said again, it gives it another size and keeps what is on it. The
// nodes see it too (internal/node). A tmpfs is the only one that grows while it is mounted on every machine that the testbed runs on.
func limit(dir string, size resource.Quantity) error {
	var parent, own syscall.Stat_t
	if err := errors.Join(syscall.Stat(filepath.Dir(dir), &parent), syscall.Stat(dir, &own)); err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	var flags uintptr
	if own.Dev != parent.Dev {
		flags = syscall.MS_REMOUNT
	}
	if err := syscall.Mount(mountSource, dir, "tmpfs", flags, fmt.Sprintf("mode=755,size=%d", size.Value())); err != nil {
		return fmt.Errorf("limit volume to %s: %w", &size, err)
	}
	return nil
}

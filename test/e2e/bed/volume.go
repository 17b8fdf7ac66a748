package bed

import (
	"context"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// VolumeDir is the folder on this machine that holds the data of a claim.
func (b *Bed) VolumeDir(ctx context.Context, namespace, claim string) (string, error) {
	var c corev1.PersistentVolumeClaim
	if err := b.Get(ctx, client.ObjectKey{Namespace: namespace, Name: claim}, &c); err != nil {
		return "", fmt.Errorf("find volume: %w", err)
	}
	var v corev1.PersistentVolume
	if err := b.Get(ctx, client.ObjectKey{Name: c.Spec.VolumeName}, &v); err != nil {
		return "", fmt.Errorf("find volume of %s: %w", claim, err)
	}
	if v.Spec.Local == nil {
		return "", fmt.Errorf("find volume of %s: it is not a local one", claim)
	}
	return v.Spec.Local.Path, nil
}

// VolumeDirs are the folders on this machine of all claims there ever were in a namespace and that still exist.
func (b *Bed) VolumeDirs(namespace string) ([]string, error) {
	return filepath.Glob(filepath.Join(b.home, "volumes", namespace+"_*"))
}

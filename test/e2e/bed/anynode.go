package bed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
)

// SharedVolumes makes n volumes that all nodes reach, of a StorageClass of their own whose name it returns, for as long as the
// test runs. The nodes of the testbed have this machine's files in common, so a folder does.
func (b *Bed) SharedVolumes(t testing.TB, n int) (class string, err error) {
	t.Helper()
	class = "shared-" + rand.String(5)
	mode := storagev1.VolumeBindingImmediate
	made := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &mode,
	}
	if err := b.Create(t.Context(), made); err != nil {
		return "", fmt.Errorf("create StorageClass: %w", err)
	}
	t.Cleanup(func() { _ = b.Delete(context.Background(), made) })
	for i := range n {
		if err := b.sharedVolume(t, class, sharedName(class, i)); err != nil {
			return "", err
		}
	}
	return class, nil
}

func sharedName(class string, i int) string { return fmt.Sprintf("%s-%d", class, i) }

// SharedDir is the folder on this machine of the i-th volume of such a StorageClass.
func (b *Bed) SharedDir(class string, i int) string {
	return filepath.Join(b.home, "volumes", sharedName(class, i))
}

func (b *Bed) sharedVolume(t testing.TB, class, name string) error {
	dir := filepath.Join(b.home, "volumes", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create shared volume: %w", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// Kubernetes hands such folders to nobody.
	if err := os.Chmod(dir, 0o777); err != nil {
		return fmt.Errorf("open shared volume: %w", err)
	}
	v := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName: class, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: apiresource.MustParse("10Gi")},
			PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}},
		},
	}
	if err := b.Create(t.Context(), v); err != nil {
		return fmt.Errorf("create shared volume: %w", err)
	}
	t.Cleanup(func() { _ = b.Delete(context.Background(), v) })
	return nil
}

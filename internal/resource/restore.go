package resource

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// FetchContainer is the init container that brings the snapshot to the member whose first data are made from it.
const FetchContainer = "fetch-snapshot"

const (
	prepareContainer = "prepare-volume"
	restoreArg       = "--restore="
	snapshotFile     = task.ScratchRoot + "/snapshot.db"
)

// RestoreOf is what the spec says of the snapshot that a cluster starts from, nil if it starts from none.
func RestoreOf(c *v1alpha2.EtcdCluster) *v1alpha2.RestoreSpec {
	if c.Spec.Bootstrap == nil {
		return nil
	}
	return c.Spec.Bootstrap.Restore
}

// restores says whether a Pod of m begins with a snapshot. The volume decides, in the launcher: the Pod that holds the grant may go before
// the data are there, and a later one must not start empty instead.
func restores(m *v1alpha2.EtcdMember, in PodIntent) bool {
	return in.Form && m.Spec.Bootstrap && m.Spec.Restore != nil
}

// Restores says whether a Pod was made to begin with a snapshot.
func Restores(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return c.Name == EtcdContainer && slices.ContainsFunc(c.Args, func(arg string) bool { return strings.HasPrefix(arg, restoreArg) })
	})
}

// HoldsSource says whether a Pod has the volume mounted on which its snapshot lies: while it does, others may not get at it.
func HoldsSource(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volumeStore && v.PersistentVolumeClaim != nil })
}

// NeverRan says whether a Pod that begins with a snapshot has ended for good before etcd's container was there: until the snapshot is
// fetched there is none.
func NeverRan(pod *corev1.Pod) bool {
	over := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	return over && Restores(pod) && Unfetched(pod)
}

// Unfetched says whether a Pod has not got its snapshot so far, and so no etcd.
func Unfetched(pod *corev1.Pod) bool {
	if c := EtcdStatus(pod); c != nil && (c.ContainerID != "" || c.RestartCount > 0 || c.State.Running != nil || c.State.Terminated != nil ||
		c.LastTerminationState.Terminated != nil) {
		return false
	}
	return !slices.ContainsFunc(pod.Status.InitContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == FetchContainer && (c.Ready || succeeded(c.State) || succeeded(c.LastTerminationState))
	})
}

func succeeded(s corev1.ContainerState) bool {
	return s.Terminated != nil && s.Terminated.ExitCode == 0
}

// StoreNeeds are the objects that the snapshot of m is fetched with, by name.
func StoreNeeds(m *v1alpha2.EtcdMember) (all []Object) {
	if m.Spec.Restore == nil {
		return nil
	}
	from := m.Spec.Restore.Source
	if from.PVC != nil {
		all = append(all, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: from.PVC.ClaimName}})
	}
	if from.S3 == nil {
		return all
	}
	for _, ref := range []*corev1.LocalObjectReference{from.S3.CredentialsSecretRef, from.S3.CASecretRef} {
		if ref != nil {
			all = append(all, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: ref.Name}})
		}
	}
	return all
}

// StoreLacks are the keys that a Secret of StoreNeeds does not have.
func StoreLacks(m *v1alpha2.EtcdMember, s *corev1.Secret) (keys []string) {
	s3 := m.Spec.Restore.Source.S3
	needed := map[string]*corev1.LocalObjectReference{
		S3AccessKey: s3.CredentialsSecretRef, S3SecretKey: s3.CredentialsSecretRef, trustFile: s3.CASecretRef,
	}
	for key, ref := range needed {
		if ref != nil && ref.Name == s.Name && len(s.Data[key]) == 0 {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// StoreAccess tells what versions of those objects a Pod was made with.
func StoreAccess(pod *corev1.Pod) string { return pod.Annotations[v1alpha2.AnnotationStoreAccess] }

// restoreFirst lets the launcher admit the volume before anything is fetched, so that the volume, not the Pod, remembers that etcd has
// never run on it; then the snapshot is fetched.
func restoreFirst(m *v1alpha2.EtcdMember, in PodIntent, pod *corev1.Pod) {
	etcd, prepare := &pod.Spec.Containers[0], &pod.Spec.InitContainers[0] // it installs the launcher, too: each container takes a second
	prepare.Name, prepare.Command = prepareContainer, []string{"/etcd-launcher", "prepare"}
	prepare.Args, prepare.Env = append([]string{"--install=" + launcherPath}, etcd.Args...), etcd.Env
	prepare.VolumeMounts = append(prepare.VolumeMounts,
		corev1.VolumeMount{Name: volumeData, MountPath: DataRoot}, corev1.VolumeMount{Name: volumeState, MountPath: stateDir})

	work := &corev1.PodSpec{Containers: []corev1.Container{fetchContainer(m, in)}, Volumes: []corev1.Volume{emptyDir(volumeScratch)}}
	reachStore(work, m.Spec.Restore.Source, true)
	spare(work)
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, work.Containers[0])
	pod.Spec.Volumes = append(pod.Spec.Volumes, work.Volumes...)
	etcd.VolumeMounts = append(etcd.VolumeMounts, corev1.VolumeMount{Name: volumeScratch, MountPath: task.ScratchRoot})
	if s3 := m.Spec.Restore.Source.S3; s3 != nil {
		pod.Spec.ServiceAccountName = s3.ServiceAccountName // its token for Kubernetes stays out, as in every member's Pod
	}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationStoreAccess, in.StoreAccess)
}

// spare lets the Pod start again, after its node has, when Secrets are gone that nobody needs any more. Before the Pod is made they are
// looked for.
func spare(pod *corev1.PodSpec) {
	for i := range pod.Containers[0].Env {
		pod.Containers[0].Env[i].ValueFrom.SecretKeyRef.Optional = new(true)
	}
	for _, v := range pod.Volumes {
		if v.Projected == nil {
			continue
		}
		for i := range v.Projected.Sources {
			v.Projected.Sources[i].Secret.Optional = new(true)
		}
	}
}

func fetchContainer(m *v1alpha2.EtcdMember, in PodIntent) corev1.Container {
	c := installContainer(m, in)
	c.Name = FetchContainer
	c.Command = []string{operatorPath, "snapshot", string(task.Fetch), "--task=" + fetchTask(m)}
	c.TerminationMessagePolicy, c.TerminationMessagePath = corev1.TerminationMessageReadFile, task.TerminationPath
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: volumeData, MountPath: DataRoot, ReadOnly: true},
		{Name: volumeScratch, MountPath: task.ScratchRoot},
	}
	return c
}

func fetchTask(m *v1alpha2.EtcdMember) string {
	from := m.Spec.Restore
	t := task.Task{
		Snapshot: from.Snapshot, Location: from.Source, Exact: true, EtcdVersion: m.Spec.Version, File: snapshotFile, DataDir: DataDir,
	}
	if from.Artifact != nil {
		t.Expect = *from.Artifact
	}
	text, err := t.Encode()
	if err != nil { // strings and numbers always encode
		panic(fmt.Sprintf("fetch task of %s: %v", m.Name, err))
	}
	return text
}

package resource

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Where things lie in a member's container. The marker is beside the data, not in it.
const (
	DataRoot   = "/var/lib/etcd"
	DataDir    = DataRoot + "/data"
	MarkerPath = DataRoot + "/member.json"

	// EtcdContainer is the name of the first container of a member's Pod.
	EtcdContainer = "etcd"

	etcdPath     = "/usr/local/bin/etcd"
	launcherDir  = "/launcher"
	launcherPath = launcherDir + "/etcd-launcher"
	stateDir     = "/run/etcd-launcher"

	volumeData     = "data"
	volumeLauncher = "launcher"
	volumeState    = "state"

	nobody = 65532 // user and group of the container
)

// Grant is the permission that a Pod holds to start etcd on a volume without a marker.
type Grant string

const (
	// GrantNone: the member's own data must be there.
	GrantNone Grant = ""
	// GrantEmpty: the volume may be empty, once.
	GrantEmpty Grant = "empty"
)

// PodIntent is what a member's Pod needs beside its EtcdMember.
type PodIntent struct {
	// OperatorImage holds the launcher as /etcd-launcher.
	OperatorImage string
	// EtcdRepository is the image of etcd without its tag.
	EtcdRepository string
	// VolumeUID is the UID of the claim; unused with medium Memory.
	VolumeUID types.UID
	// Grant; a Pod that holds one is made behind GateFirstStart.
	Grant Grant
	// Certificates are the serial numbers of those that the member mounts.
	Certificates string
	// Form is true while the cluster's ID is not recorded: a founder may then found it.
	Form bool
	// StoreAccess are the versions of the Secrets that a snapshot is fetched with.
	StoreAccess string
}

// Pod is the Pod of a member.
func Pod(m *v1alpha2.EtcdMember, in PodIntent) *corev1.Pod {
	own := labelsOf(m)
	own[v1alpha2.LabelRole] = role(m)
	pod := &corev1.Pod{
		ObjectMeta: objectMeta(m.Namespace, m.Name, own, m.Spec.AdditionalMetadata),
		Spec: corev1.PodSpec{
			Hostname:                      m.Name,
			Subdomain:                     HeadlessServiceName(m.Spec.ClusterName),
			RestartPolicy:                 corev1.RestartPolicyAlways,
			TerminationGracePeriodSeconds: new(int64(60)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false), // a Service called etcd would set ETCD_ variables
			ImagePullSecrets:              m.Spec.ImagePullSecrets,
			TopologySpreadConstraints:     m.Spec.TopologySpreadConstraints,
			Affinity:                      affinity(m),
			SecurityContext:               podSecurity(),
			InitContainers:                []corev1.Container{installContainer(m, in)},
			Containers:                    []corev1.Container{etcdContainer(m, in)},
			Volumes:                       volumes(m),
		},
	}
	if in.Grant != GrantNone {
		pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: v1alpha2.GateFirstStart}}
	}
	if restores(m, in) {
		restoreFirst(m, in, pod)
	}
	tellStart(m, pod)
	tellCertificates(pod, in.Certificates)
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(m, v1alpha2.GroupVersion.WithKind("EtcdMember"))}
	return pod
}

// HoldsGrant says whether a Pod was made with a grant. It reads the arguments: they are what counts, and cannot be edited.
func HoldsGrant(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return c.Name == EtcdContainer && slices.Contains(c.Args, grantArg(GrantEmpty))
	})
}

// StartsOn says whether a Pod was made for the volume with this UID.
func StartsOn(pod *corev1.Pod, volume types.UID) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return c.Name == EtcdContainer && slices.Contains(c.Args, volumeArg(string(volume)))
	})
}

// EtcdStatus is the status of etcd's container in a member's Pod, nil if there is no Pod, or none yet.
func EtcdStatus(pod *corev1.Pod) *corev1.ContainerStatus {
	if pod == nil {
		return nil
	}
	for i := range pod.Status.ContainerStatuses {
		if c := &pod.Status.ContainerStatuses[i]; c.Name == EtcdContainer {
			return c
		}
	}
	return nil
}

// Held says whether a Pod waits behind GateFirstStart.
func Held(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.SchedulingGates, isFirstStart)
}

// Release takes GateFirstStart off a Pod.
func Release(pod *corev1.Pod) {
	pod.Spec.SchedulingGates = slices.DeleteFunc(pod.Spec.SchedulingGates, isFirstStart)
}

func isFirstStart(g corev1.PodSchedulingGate) bool { return g.Name == v1alpha2.GateFirstStart }

func role(m *v1alpha2.EtcdMember) string {
	if m.Status.IsVoter {
		return v1alpha2.RoleVoter
	}
	return v1alpha2.RoleLearner
}

// installContainer puts the launcher where the etcd image can run it. It has etcd's resources: they do not add up, and a
// quota or the Guaranteed class asks for them of every container.
func installContainer(m *v1alpha2.EtcdMember, in PodIntent) corev1.Container {
	return corev1.Container{
		Name:                     "install-launcher",
		Image:                    in.OperatorImage,
		ImagePullPolicy:          corev1.PullIfNotPresent,
		Command:                  []string{"/etcd-launcher", "install", launcherPath},
		Resources:                resources(m),
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: volumeLauncher, MountPath: launcherDir}},
	}
}

func etcdContainer(m *v1alpha2.EtcdMember, in PodIntent) corev1.Container {
	c := corev1.Container{
		Name:            EtcdContainer,
		Image:           etcdImage(in.EtcdRepository, m.Spec.Version),
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{launcherPath, "start"},
		Args:            etcdArgs(m, in),
		// Without stack traces a panic's text stays within the 2 KiB that the kubelet keeps.
		Env: []corev1.EnvVar{{Name: "GOTRACEBACK", Value: "none"}},
		Ports: []corev1.ContainerPort{
			{Name: "client", ContainerPort: ClientPort, Protocol: corev1.ProtocolTCP},
			{Name: "peer", ContainerPort: PeerPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: MetricsPort, Protocol: corev1.ProtocolTCP},
		},
		Resources:                resources(m),
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts: []corev1.VolumeMount{
			{Name: volumeData, MountPath: DataRoot},
			{Name: volumeLauncher, MountPath: launcherDir, ReadOnly: true},
			{Name: volumeState, MountPath: stateDir},
		},
		StartupProbe:   startupProbe(),
		LivenessProbe:  livenessProbe(),
		ReadinessProbe: readinessProbe(),
	}
	_, certificates := tlsVolumes(m.Spec.TLS)
	c.VolumeMounts = append(c.VolumeMounts, certificates...)
	if inMemory(m) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "POD_UID", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.uid"},
		}})
	}
	return c
}

// etcdArgs are the arguments of the launcher, and after -- the command that it becomes.
func etcdArgs(m *v1alpha2.EtcdMember, in PodIntent) []string {
	volume := string(in.VolumeUID)
	if inMemory(m) {
		volume = "$(POD_UID)" // the kubelet fills it in
	}
	args := []string{
		"--token=" + m.Spec.ClusterToken,
		"--member=" + m.Name,
		volumeArg(volume),
		grantArg(in.Grant),
		"--data-dir=" + DataDir,
		"--marker=" + MarkerPath,
		"--state-dir=" + stateDir,
		"--await-host=" + Host(m.Name, m.Spec.ClusterName, m.Namespace),
	}
	if in.Grant != GrantNone && !m.Spec.Bootstrap {
		args = append(args, fmt.Sprintf("--watch-join=http://127.0.0.1:%d/metrics", MetricsPort))
	}
	if restores(m, in) {
		args = append(args, restoreArg+snapshotFile, fmt.Sprintf("--revision-bump=%d", m.Spec.Restore.RevisionBump))
	}
	args = append(args, "--", etcdPath)
	return append(args, etcdFlags(m, in.Form && m.Spec.Bootstrap)...)
}

func etcdImage(repository, version string) string { return fmt.Sprintf("%s:v%s", repository, version) }

func grantArg(g Grant) string     { return "--grant=" + string(g) }
func volumeArg(uid string) string { return "--volume=" + uid }
func inMemory(m *v1alpha2.EtcdMember) bool {
	return m.Spec.Storage.Medium == v1alpha2.StorageMediumMemory
}

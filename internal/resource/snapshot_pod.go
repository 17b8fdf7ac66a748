package resource

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const (
	operatorPath = "/etcd-operator"
	agentDir     = "/agent"

	volumeScratch  = "scratch"
	volumeAgent    = "agent"
	volumeStore    = "snapshots"
	volumeStoreCA  = "store-ca"
	volumeEtcdTLS  = "etcd-tls"
	lostNodeWithin = 30 // seconds until a Pod is given up whose node does not answer
)

// Keys of a Secret with S3 credentials. The last one is there only if they are temporary.
const (
	S3AccessKey    = "AWS_ACCESS_KEY_ID"
	S3SecretKey    = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // the name of a key, not its value
	S3SessionToken = "AWS_SESSION_TOKEN"     //nolint:gosec // the same
)

// TrustKey is the key of the CAs in a Secret or ConfigMap.
const TrustKey = trustFile

func agentPod(s *v1alpha2.EtcdSnapshot, in AgentIntent, taskText string) corev1.PodSpec {
	pod := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		AutomountServiceAccountToken: new(false),
		EnableServiceLinks:           new(false),
		ImagePullSecrets:             in.ImagePullSecrets,
		SecurityContext:              podSecurity(),
		Tolerations:                  []corev1.Toleration{lost(corev1.TaintNodeNotReady), lost(corev1.TaintNodeUnreachable)},
		Containers:                   []corev1.Container{agentContainer(in, taskText)},
		Volumes:                      []corev1.Volume{emptyDir(volumeScratch)},
	}
	agent := &pod.Containers[0]
	agent.VolumeMounts = []corev1.VolumeMount{{Name: volumeScratch, MountPath: task.ScratchRoot}}
	if s3 := s.Spec.Destination.S3; s3 != nil && s3.ServiceAccountName != "" {
		// Whether its token is mounted is for the ServiceAccount to say: some clouds know a workload by it.
		pod.ServiceAccountName, pod.AutomountServiceAccountToken = s3.ServiceAccountName, nil
	}
	if in.Kind == task.Drill {
		stage(&pod, in)
	}
	reachEtcd(&pod, in)
	reachStore(&pod, s.Spec.Destination, in.Kind == task.Drill)
	return pod
}

func agentContainer(in AgentIntent, taskText string) corev1.Container {
	return corev1.Container{
		Name:            AgentContainer,
		Image:           in.OperatorImage,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{operatorPath, "snapshot", string(in.Kind), "--task=" + taskText},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("100m"),
			corev1.ResourceMemory: resource.MustParse("64Mi"),
		}},
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		TerminationMessagePath:   task.TerminationPath,
		Ports:                    []corev1.ContainerPort{{Name: "progress", ContainerPort: task.ProgressPort, Protocol: corev1.ProtocolTCP}},
	}
}

// stage lets the agent run in etcd's image, whose binaries it needs: the operator's image brings the agent.
func stage(pod *corev1.PodSpec, in AgentIntent) {
	agent := &pod.Containers[0]
	staged := path.Join(agentDir, path.Base(operatorPath))
	install := *agent.DeepCopy()
	install.Name, install.Ports = "install-agent", nil
	install.Command = []string{operatorPath, "snapshot", "install", staged}
	install.VolumeMounts = []corev1.VolumeMount{{Name: volumeAgent, MountPath: agentDir}}
	pod.InitContainers = []corev1.Container{install}
	pod.Volumes = append(pod.Volumes, emptyDir(volumeAgent))

	agent.Image = etcdImage(in.EtcdRepository, in.EtcdVersion)
	agent.Command[0] = staged
	agent.VolumeMounts = append(agent.VolumeMounts, corev1.VolumeMount{Name: volumeAgent, MountPath: agentDir, ReadOnly: true})
}

// reachEtcd gives the agent what it shows to etcd.
func reachEtcd(pod *corev1.PodSpec, in AgentIntent) {
	agent := &pod.Containers[0]
	if in.Source.Trust != "" {
		sources := []corev1.VolumeProjection{{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: in.Source.Trust}, Items: files(trustFile),
		}}}
		if in.Source.Client != "" {
			sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: in.Source.Client},
				Items:                files(corev1.TLSCertKey, corev1.TLSPrivateKeyKey),
			}})
		}
		mountFiles(pod, volumeEtcdTLS, task.EtcdTLSRoot, sources)
	}
	if in.Source.Root != "" {
		agent.Env = append(agent.Env, corev1.EnvVar{Name: task.EnvEtcdUser, Value: RootUser},
			fromSecret(task.EnvEtcdPassword, in.Source.Root, in.Source.PasswordKey, false))
	}
}

// reachStore gives the agent what it needs to get at what is stored.
func reachStore(pod *corev1.PodSpec, at v1alpha2.SnapshotLocation, readOnly bool) {
	agent := &pod.Containers[0]
	if at.PVC != nil {
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: volumeStore, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: at.PVC.ClaimName},
		}})
		agent.VolumeMounts = append(agent.VolumeMounts, corev1.VolumeMount{
			Name: volumeStore, MountPath: task.VolumeRoot, ReadOnly: readOnly,
		})
	}
	if at.S3 == nil {
		return
	}
	if ref := at.S3.CredentialsSecretRef; ref != nil {
		agent.Env = append(agent.Env, fromSecret(S3AccessKey, ref.Name, S3AccessKey, false),
			fromSecret(S3SecretKey, ref.Name, S3SecretKey, false), fromSecret(S3SessionToken, ref.Name, S3SessionToken, true))
	}
	if ref := at.S3.CASecretRef; ref != nil {
		mountFiles(pod, volumeStoreCA, task.StoreCARoot, []corev1.VolumeProjection{{Secret: &corev1.SecretProjection{
			LocalObjectReference: *ref, Items: files(trustFile),
		}}})
	}
}

func mountFiles(pod *corev1.PodSpec, name, dir string, sources []corev1.VolumeProjection) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: new(int32(0o440))},
	}})
	agent := &pod.Containers[0]
	agent.VolumeMounts = append(agent.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: dir, ReadOnly: true})
}

func fromSecret(env, secret, key string, optional bool) corev1.EnvVar {
	ref := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}
	if optional {
		ref.Optional = new(true)
	}
	return corev1.EnvVar{Name: env, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: ref}}
}

func emptyDir(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

func lost(taint string) corev1.Toleration {
	return corev1.Toleration{
		Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(lostNodeWithin)),
	}
}

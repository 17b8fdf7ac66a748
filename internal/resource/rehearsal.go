package resource

import (
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// RehearsalContainer is the name of the container in which etcd is tried out.
const RehearsalContainer = "rehearsal"

// RehearsalIntent is what the Pod of a rehearsal needs beside its cluster.
type RehearsalIntent struct{ OperatorImage, EtcdRepository string }

// RehearsalName is the Pod in which a cluster's template is tried out. Members have other names: theirs end in five characters.
func RehearsalName(cluster string) string { return cluster + "-rehearsal" }

// IsRehearsal says whether a Pod is one in which a template is tried out.
func IsRehearsal(pod *corev1.Pod) bool { return pod.Labels[labelComponent] == componentRehearsal }

// RehearsalHash tells apart what a rehearsal can come out differently for.
func RehearsalHash(c *v1alpha2.EtcdCluster) string {
	told, err := json.Marshal([]any{c.Spec.Version, c.Spec.Options, c.Spec.ImagePullSecrets, nodeAffinity(c.Spec.Affinity)})
	if err != nil { // API types always encode
		panic(err)
	}
	return digest(string(told), 16)
}

// NeedsRehearsal says whether a member that was made from one template is told something else by the other that etcd may refuse.
func NeedsRehearsal(before, after *v1alpha2.EtcdCluster) bool {
	flags := func(c *v1alpha2.EtcdCluster) string {
		return fmt.Sprint(c.Spec.Version, tunedFlags(c.Spec.Version, c.Spec.Options))
	}
	return flags(before) != flags(after)
}

// Rehearsal is a Pod in which etcd starts once, alone and on nothing, as the members of c would have it. It is no member, by none of
// its labels, and nobody reaches it. It wants little room, because nodes may be full.
func Rehearsal(c *v1alpha2.EtcdCluster, in RehearsalIntent) *corev1.Pod {
	own := Labels(c.Name, c.UID, componentRehearsal)
	own[labelName] = "etcd-rehearsal"
	meta := objectMeta(c.Namespace, RehearsalName(c.Name), own, c.Spec.AdditionalMetadata)
	for _, ofMembers := range []string{v1alpha2.LabelMember, v1alpha2.LabelOrdinal, v1alpha2.LabelRole} {
		delete(meta.Labels, ofMembers)
	}
	pod := &corev1.Pod{
		ObjectMeta: meta,
		Spec: corev1.PodSpec{
			Hostname:                      componentRehearsal, // the Pod's name may be too long for one
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(1)),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			ImagePullSecrets:              c.Spec.ImagePullSecrets,
			SecurityContext:               podSecurity(),
			Tolerations:                   []corev1.Toleration{lost(corev1.TaintNodeNotReady), lost(corev1.TaintNodeUnreachable)},
			InitContainers:                []corev1.Container{rehearsalInstaller(c, in)},
			Containers:                    []corev1.Container{rehearsalContainer(c, in)},
			Volumes:                       []corev1.Volume{emptyDir(volumeData), emptyDir(volumeLauncher)},
		},
	}
	if nodes := nodeAffinity(c.Spec.Affinity); nodes != nil {
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: nodes}
	}
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha2.AnnotationTemplate, RehearsalHash(c))
	pod.OwnerReferences = clusterOwner(c)
	return pod
}

// nodeAffinity is the part of an affinity that says which nodes members may run on, and thus where their image has to come to.
func nodeAffinity(a *corev1.Affinity) *corev1.NodeAffinity {
	if a == nil {
		return nil
	}
	return a.NodeAffinity
}

func rehearsalInstaller(c *v1alpha2.EtcdCluster, in RehearsalIntent) corev1.Container {
	return corev1.Container{
		Name:                     "install-launcher",
		Image:                    in.OperatorImage,
		ImagePullPolicy:          corev1.PullIfNotPresent,
		Command:                  []string{"/etcd-launcher", "install", launcherPath},
		Resources:                littleOf(c.Spec.Resources),
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		VolumeMounts:             []corev1.VolumeMount{{Name: volumeLauncher, MountPath: launcherDir}},
	}
}

func rehearsalContainer(c *v1alpha2.EtcdCluster, in RehearsalIntent) corev1.Container {
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ClientPort), fmt.Sprintf("http://127.0.0.1:%d", PeerPort)
	args := []string{
		"--url=" + client,
		"--version=" + c.Spec.Version,
		"--limit=" + rehearsalLimit(c.Spec.Options).String(),
		"--", etcdPath,
		"--name=" + componentRehearsal,
		"--data-dir=" + DataDir,
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		listenForPeers + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + componentRehearsal + "=" + peer,
	}
	return corev1.Container{
		Name:                     RehearsalContainer,
		Image:                    etcdImage(in.EtcdRepository, c.Spec.Version),
		ImagePullPolicy:          corev1.PullIfNotPresent,
		Command:                  []string{launcherPath, "rehearse"},
		Args:                     append(args, tunedFlags(c.Spec.Version, c.Spec.Options)...),
		Env:                      []corev1.EnvVar{{Name: "GOTRACEBACK", Value: "none"}},
		Resources:                littleOf(c.Spec.Resources),
		SecurityContext:          containerSecurity(),
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		VolumeMounts: []corev1.VolumeMount{
			{Name: volumeData, MountPath: DataRoot},
			{Name: volumeLauncher, MountPath: launcherDir, ReadOnly: true},
		},
	}
}

// rehearsalLimit is how long etcd may take to serve. Alone it may wait two election timeouts until it elects itself.
func rehearsalLimit(o *v1alpha2.EtcdOptions) time.Duration {
	const plain = time.Minute
	_, election := Timers(o)
	return plain + 4*election
}

// littleOf asks for little room, within the limits that members have: a quota may ask for limits.
func littleOf(of corev1.ResourceRequirements) corev1.ResourceRequirements {
	little := corev1.ResourceRequirements{
		Limits: of.Limits.DeepCopy(),
		Requests: corev1.ResourceList{
			corev1.ResourceCPU:    resource.MustParse("10m"),
			corev1.ResourceMemory: resource.MustParse("64Mi"),
		},
	}
	for name, request := range little.Requests {
		if limit, limited := of.Limits[name]; limited && limit.Cmp(request) < 0 {
			little.Requests[name] = limit
		}
	}
	return little
}

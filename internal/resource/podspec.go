package resource

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// volumes of a member's Pod. The launcher's state is on the node's disk also when the data is in memory: it survives a
// restart of the node, the data does not, and so the launcher can tell.
func volumes(m *v1alpha2.EtcdMember) []corev1.Volume {
	data := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ClaimName(m.Name)}}
	if inMemory(m) {
		data = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium:    corev1.StorageMediumMemory,
			SizeLimit: &m.Spec.Storage.Size,
		}}
	}
	certificates, _ := tlsVolumes(m.Spec.TLS)
	return append([]corev1.Volume{
		{Name: volumeData, VolumeSource: data},
		{Name: volumeLauncher, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: volumeState, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}, certificates...)
}

func resources(m *v1alpha2.EtcdMember) corev1.ResourceRequirements {
	if len(m.Spec.Resources.Requests) > 0 || len(m.Spec.Resources.Limits) > 0 {
		return *m.Spec.Resources.DeepCopy()
	}
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("100m"),
		corev1.ResourceMemory: resource.MustParse("128Mi"),
	}}
}

// affinity is the user's, or, when nothing was said about placement, a preference for different nodes and zones.
func affinity(m *v1alpha2.EtcdMember) *corev1.Affinity {
	if m.Spec.Affinity != nil || len(m.Spec.TopologySpreadConstraints) > 0 {
		return m.Spec.Affinity
	}
	apart := func(weight int32, topologyKey string) corev1.WeightedPodAffinityTerm {
		return corev1.WeightedPodAffinityTerm{Weight: weight, PodAffinityTerm: corev1.PodAffinityTerm{
			LabelSelector: &metav1.LabelSelector{MatchLabels: MemberPodLabels(ClusterUID(m))},
			TopologyKey:   topologyKey,
		}}
	}
	return &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			apart(100, corev1.LabelHostname),
			apart(50, corev1.LabelTopologyZone),
		},
	}}
}

func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:        new(true),
		RunAsUser:           new(int64(nobody)),
		RunAsGroup:          new(int64(nobody)),
		FSGroup:             new(int64(nobody)),
		FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func containerSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		ReadOnlyRootFilesystem:   new(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// startupProbe gives a large database half an hour to open; etcd listens only after that.
func startupProbe() *corev1.Probe { return probe("/livez", 1, 5, 1800) }

// livenessProbe has kubeadm's numbers for etcd. /livez needs neither a quorum nor credentials.
func livenessProbe() *corev1.Probe { return probe("/livez", 10, 15, 8) }

// readinessProbe fails for a learner, a corrupt member and, by timeout, a lost quorum; not for a full database.
func readinessProbe() *corev1.Probe { return probe("/readyz", 1, 3, 3) }

func probe(path string, period, timeout, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString("metrics"), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    period,
		TimeoutSeconds:   timeout,
		FailureThreshold: failures,
	}
}

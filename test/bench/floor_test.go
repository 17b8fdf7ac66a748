//go:build bench

package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/test/e2e/bed"
)

func measureFloor(t *testing.T, b *bed.Bed, all timings) {
	ctx, ns := t.Context(), b.Namespace(t)
	service, set := headless(ns), statefulSet(ns)
	key := client.ObjectKeyFromObject(set)
	ready := func(n int32) func() bool {
		return func() bool {
			if err := b.Get(ctx, key, set); err != nil {
				t.Fatal(err)
			}
			st := set.Status
			return st.ObservedGeneration == set.Generation && st.ReadyReplicas == n && st.Replicas == n
		}
	}
	scale := func(n int) func() error {
		return func() error {
			return b.Patch(ctx, set, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)))
		}
	}
	all.time(t, create, func() error {
		if err := b.Create(ctx, service); err != nil {
			return err
		}
		return b.Create(ctx, set)
	}, ready(3))

	pod := &corev1.Pod{}
	if err := b.Get(ctx, client.ObjectKey{Namespace: ns, Name: "bench-0"}, pod); err != nil {
		t.Fatal(err)
	}
	all.time(t, restart, func() error { return b.Delete(ctx, pod) }, func() bool { return isNew(ctx, b, pod) && ready(3)() })
	all.time(t, pause, scale(0), ready(0))
	all.time(t, resume, scale(3), ready(3))
}

// isNew says whether another Pod has come under the name of old, and is ready.
func isNew(ctx context.Context, b *bed.Bed, old *corev1.Pod) bool {
	now := &corev1.Pod{}
	if err := b.Get(ctx, client.ObjectKeyFromObject(old), now); err != nil || now.UID == old.UID {
		return false
	}
	for _, c := range now.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

var labels = map[string]string{"app": "bench"}

func headless(namespace string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bench"},
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone, PublishNotReadyAddresses: true, Selector: labels,
			Ports: []corev1.ServicePort{{Name: "client", Port: 2379}, {Name: "peer", Port: 2380}},
		},
	}
}

// statefulSet is what a person would write by hand, with the probes and the security that the operator gives its members.
func statefulSet(namespace string) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bench"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(3)), ServiceName: "bench", PodManagementPolicy: appsv1.ParallelPodManagement,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec(namespace)},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources: corev1.VolumeResourceRequirements{
						Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("64Mi")},
					},
				},
			}},
		},
	}
}

func podSpec(namespace string) corev1.PodSpec {
	host := func(name string) string { return fmt.Sprintf("http://%s.bench.%s.svc", name, namespace) }
	var peers []string
	for n := range 3 {
		name := fmt.Sprintf("bench-%d", n)
		peers = append(peers, fmt.Sprintf("%s=%s:2380", name, host(name)))
	}
	self := host("$(NAME)")
	nobody := int64(65532)
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: new(int64(60)),
		AutomountServiceAccountToken:  new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: &nobody, RunAsGroup: &nobody, FSGroup: &nobody,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
				Weight: 100,
				PodAffinityTerm: corev1.PodAffinityTerm{
					LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: corev1.LabelHostname,
				},
			}},
		}},
		Containers: []corev1.Container{{
			Name: "etcd", Image: "localhost/etcd:v" + etcdVersion,
			Command: []string{"/usr/local/bin/etcd"},
			Args: []string{
				"--name=$(NAME)", "--data-dir=/var/lib/etcd/data", "--initial-cluster-state=new", "--initial-cluster-token=" + namespace,
				"--initial-cluster=" + strings.Join(peers, ","),
				"--listen-client-urls=http://0.0.0.0:2379", "--advertise-client-urls=" + self + ":2379",
				"--listen-peer-urls=http://0.0.0.0:2380", "--initial-advertise-peer-urls=" + self + ":2380",
				"--listen-metrics-urls=http://0.0.0.0:2381",
			},
			Env: []corev1.EnvVar{{Name: "NAME", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
			}}},
			Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 2381}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
			}},
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			VolumeMounts:   []corev1.VolumeMount{{Name: "data", MountPath: "/var/lib/etcd"}},
			StartupProbe:   probe("/livez", 1, 5, 1800),
			LivenessProbe:  probe("/livez", 10, 15, 8),
			ReadinessProbe: probe("/readyz", 1, 3, 3),
		}},
	}
}

func probe(path string, period, timeout, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("metrics")}},
		PeriodSeconds: period, TimeoutSeconds: timeout, FailureThreshold: failures,
	}
}

package resource

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Object is any Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// Current says whether actual is all that desired asks for, so that nothing need be written.
func Current(desired, actual Object) bool {
	return equality.Semantic.DeepEqual(Correct(desired, actual), actual)
}

// Correct is actual with everything set that desired asks for. What others added, and what the API server filled in, stays.
// Of a Service and a PodDisruptionBudget it corrects the spec too, of a ConfigMap the data, of other kinds the metadata.
func Correct(desired, actual Object) Object {
	corrected := actual.DeepCopyObject().(Object)
	corrected.SetLabels(merge(actual.GetLabels(), desired.GetLabels()))
	corrected.SetAnnotations(merge(actual.GetAnnotations(), desired.GetAnnotations()))
	switch to := corrected.(type) {
	case *corev1.Service:
		correctService(&desired.(*corev1.Service).Spec, &to.Spec)
	case *corev1.ConfigMap:
		to.Data = maps.Clone(desired.(*corev1.ConfigMap).Data)
	case *policyv1.PodDisruptionBudget:
		from := desired.(*policyv1.PodDisruptionBudget).DeepCopy()
		from.Spec.DeepCopyInto(&to.Spec)
	}
	return corrected
}

// Refresh gives a member's Pod every label and annotation of desired, but for those that say what it was made for.
func Refresh(desired, pod metav1.Object) {
	Relabel(desired, pod)
	annotations := maps.Clone(desired.GetAnnotations())
	delete(annotations, v1alpha2.AnnotationStart)
	delete(annotations, v1alpha2.AnnotationRestartedAt)
	pod.SetAnnotations(merge(pod.GetAnnotations(), annotations))
}

// Fresh says whether Refresh would change nothing.
func Fresh(desired, pod *corev1.Pod) bool {
	refreshed := pod.DeepCopy()
	Refresh(desired, refreshed)
	return equality.Semantic.DeepEqual(refreshed, pod)
}

// Relabel gives actual every label of desired. Annotations stay: that of a volume says whom it was made for.
func Relabel(desired, actual metav1.Object) {
	actual.SetLabels(merge(actual.GetLabels(), desired.GetLabels()))
}

// correctService leaves alone what the API server allots: addresses and IP families.
func correctService(from, to *corev1.ServiceSpec) {
	from = from.DeepCopy()
	to.Type = from.Type
	to.Ports = from.Ports
	to.Selector = from.Selector
	to.PublishNotReadyAddresses = from.PublishNotReadyAddresses
	if from.ClusterIP != "" {
		to.ClusterIP = from.ClusterIP
	}
}

func merge(actual, desired map[string]string) map[string]string {
	if len(desired) == 0 {
		return actual
	}
	merged := maps.Clone(actual)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, desired)
	return merged
}

package resource

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// startedWith is the part of a member that only another Pod takes over. It is written on the Pod, field by field and not as a hash:
// an operator that knows more fields must not take all Pods of the one before it for different.
type startedWith struct {
	TLS                       *v1alpha2.EtcdMemberTLS           `json:"tls,omitempty"`
	Resources                 corev1.ResourceRequirements       `json:"resources,omitzero"`
	Affinity                  *corev1.Affinity                  `json:"affinity,omitempty"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	Options                   *v1alpha2.EtcdOptions             `json:"options,omitempty"`
	ImagePullSecrets          []corev1.LocalObjectReference     `json:"imagePullSecrets,omitempty"`
}

// restartFields are those template fields.
var restartFields = []string{"tls", "resources", "affinity", "topologySpreadConstraints", "options", "imagePullSecrets"}

func startedWithOf(m *v1alpha2.EtcdMember) startedWith {
	s := m.Spec
	return startedWith{s.TLS, s.Resources, s.Affinity, s.TopologySpreadConstraints, s.Options, s.ImagePullSecrets}
}

// Stale says whether a member's Pod was made with something else than its EtcdMember says now. A Pod that does not tell is left alone.
func Stale(m *v1alpha2.EtcdMember, pod *corev1.Pod) bool {
	text, told := pod.Annotations[v1alpha2.AnnotationStartedWith]
	var with startedWith
	if !told || json.Unmarshal([]byte(text), &with) != nil {
		return false
	}
	return !equality.Semantic.DeepEqual(with, startedWithOf(m))
}

// Differences are the template fields in which m differs from what its cluster asks for: those that a restart takes over, and those
// that only a new member can have.
func Differences(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) (restart, renewal []string) {
	for _, name := range Outdated(c, m) {
		if slices.Contains(restartFields, name) && !inMemory(m) {
			restart = append(restart, name)
			continue
		}
		renewal = append(renewal, name)
	}
	return restart, renewal
}

// Update gives m what its cluster asks for, in the fields that a restart takes over.
func Update(c *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) {
	for _, field := range templateFields {
		if slices.Contains(restartFields, field.name) {
			field.take(m, c)
		}
	}
}

// tellStart writes on a Pod what it is made with.
func tellStart(m *v1alpha2.EtcdMember, pod *corev1.Pod) {
	text, err := json.Marshal(startedWithOf(m))
	if err != nil {
		panic(fmt.Errorf("write what %s starts with: %w", m.Name, err)) // API types always encode
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[v1alpha2.AnnotationStartedWith] = string(text)
}

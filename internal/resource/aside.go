package resource

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// SetAside marks a claim as taken out of use, for a reason in a word. It stays the cluster's, and goes with it.
func SetAside(claim metav1.Object, reason string, now time.Time) {
	labels := merge(claim.GetLabels(), map[string]string{v1alpha2.LabelSetAside: reason})
	claim.SetLabels(labels)
	claim.SetAnnotations(merge(claim.GetAnnotations(), map[string]string{
		v1alpha2.AnnotationSetAsideAt: now.UTC().Format(time.RFC3339),
	}))
}

// IsAside says whether a claim was taken out of use.
func IsAside(claim metav1.Object) bool { return claim.GetLabels()[v1alpha2.LabelSetAside] != "" }

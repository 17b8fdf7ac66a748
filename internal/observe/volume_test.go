package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

func TestDisks(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	storage := func(size string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	}
	for name, tc := range map[string]struct {
		told, wanted string
		class        class
		change       func(*corev1.PersistentVolumeClaim)
		want         plan.Disk
	}{
		"a volume of the wanted size is as it should be": {told: "1Gi", wanted: "1Gi"},
		"a larger one is, too":                           {told: "1Gi", wanted: "512Mi"},
		"one that is to grow is told so": {
			told: "1Gi", wanted: "2Gi", class: classExpands, want: plan.Disk{Short: true, Untold: true, Progress: "it has 1Gi of 2Gi"},
		},
		"one that was told grows": {
			told: "2Gi", wanted: "2Gi", class: classExpands, want: plan.Disk{Short: true, Progress: "it has 1Gi of 2Gi"},
		},
		"one whose class is fixed cannot": {
			told: "1Gi", wanted: "2Gi", class: classFixed,
			want: plan.Disk{Short: true, Untold: true, Fixed: true, Progress: "it has 1Gi of 2Gi"},
		},
		"one whose size nobody has told is not held for too small": {
			told: "1Gi", wanted: "1Gi", class: classFixed, change: func(c *corev1.PersistentVolumeClaim) { c.Status.Capacity = nil },
		},
		"one that is being deleted is not, either": {
			told: "1Gi", wanted: "1Gi", class: classFixed,
			change: func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = ptr.To(metav1.NewTime(now)) },
		},
		"one that is not there yet will be asked for in the right size": {
			told: "1Gi", wanted: "2Gi", want: plan.Disk{Untold: true},
			change: func(c *corev1.PersistentVolumeClaim) { c.Status = corev1.PersistentVolumeClaimStatus{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha2.EtcdMember{Spec: v1alpha2.EtcdMemberSpec{Storage: v1alpha2.StorageSpec{Size: resource.MustParse(tc.told)}}}
			claim := &corev1.PersistentVolumeClaim{
				Spec:   corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("ssd")},
				Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, Capacity: storage("1Gi")},
			}
			if tc.change != nil {
				tc.change(claim)
			}
			s := &Scene{classes: map[string]class{"ssd": tc.class}}
			target := &v1alpha2.EtcdCluster{Spec: v1alpha2.EtcdClusterSpec{Storage: v1alpha2.StorageSpec{Size: resource.MustParse(tc.wanted)}}}
			if got := s.disk(target, &Member{Object: m, Claim: claim}, now); got != tc.want {
				t.Errorf("got  %+v,\nwant %+v", got, tc.want)
			}
		})
	}
}

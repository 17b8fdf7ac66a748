package member

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// bound is a member whose volume is there with 1Gi.
func bound(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	w.settle()
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) {
		c.Status.Phase = corev1.ClaimBound
		c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: apiresource.MustParse("1Gi")}
	})
	w.settle()
	w.heard()
	return w
}

func (w *world) wantSize(size string) {
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Storage.Size = apiresource.MustParse(size) })
}

func (w *world) asked() string {
	size := w.claim().Spec.Resources.Requests[corev1.ResourceStorage]
	return size.String()
}

// expanding is the reason and the message of the condition, empty if there is none.
func (w *world) expanding() string {
	c := meta.FindStatusCondition(w.member().Status.Conditions, v1alpha2.ConditionVolumeExpanding)
	if c == nil {
		return ""
	}
	return c.Reason + ": " + c.Message
}

// heard returns the events since it was asked last.
func (w *world) heard() string {
	var all []string
	for {
		select {
		case e := <-w.events:
			all = append(all, e)
		default:
			return strings.Join(all, "\n")
		}
	}
}

func TestAVolumeGrowsUnderTheMemberAndItIsToldHowFarItIs(t *testing.T) {
	w := bound(t)
	pod := w.pod().UID
	w.wantSize("2Gi")
	w.wantWrites([]string{"patch data-a", "status"})
	if w.asked() != "2Gi" || !strings.HasPrefix(w.expanding(), "Requested: the storage has not answered") {
		t.Fatalf("the claim asks for %s, the member says %s", w.asked(), w.expanding())
	}
	for _, step := range []struct{ kind, want string }{
		{"Resizing", "Resizing: at it"},
		{"FileSystemResizePending", "FileSystemResizePending: at it"},
		{"NodeResizeError", "Failed: at it"},
	} {
		edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) {
			c.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{
				Type: corev1.PersistentVolumeClaimConditionType(step.kind), Status: corev1.ConditionTrue, Message: "at it",
			}}
		})
		w.now = w.now.Add(time.Minute)
		w.wantWrites([]string{"status"})
		if w.expanding() != step.want {
			t.Errorf("the member says %s, want %s", w.expanding(), step.want)
		}
	}
	if said := w.heard(); strings.Count(said, "VolumeExpansionFailed") != 1 {
		t.Errorf("events: %s", said)
	}
	since := meta.FindStatusCondition(w.member().Status.Conditions, v1alpha2.ConditionVolumeExpanding).LastTransitionTime
	if w.now.Sub(since.Time) != 3*time.Minute {
		t.Errorf("it is said to grow since %s before now", w.now.Sub(since.Time))
	}
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) {
		c.Status.Conditions = nil
		c.Status.Capacity[corev1.ResourceStorage] = apiresource.MustParse("2Gi")
	})
	w.wantWrites([]string{"status"})
	if said := w.heard(); w.expanding() != "" || !strings.Contains(said, "has 2Gi") {
		t.Errorf("the member says %q, events: %s", w.expanding(), said)
	}
	if w.pod().UID != pod {
		t.Error("the Pod was made again")
	}
}

func TestAVolumeThatMayNotGrowIsSaidAndHoldsUpNothing(t *testing.T) {
	w := bound(t)
	w.wantSize("2Gi")
	api, quota := w.r.Client, true
	w.r.Client = interceptor.NewClient(w.api, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if claim, ok := o.(*corev1.PersistentVolumeClaim); ok && quota {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumeclaims"}, claim.Name, context.DeadlineExceeded)
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	w.wantWrites([]string{"status"})
	if !strings.HasPrefix(w.expanding(), `Refused: persistentvolumeclaims "data-`) || w.asked() != "1Gi" {
		t.Fatalf("the member says %s, the claim asks for %s", w.expanding(), w.asked())
	}
	if said := w.heard(); strings.Count(said, "VolumeExpansionRefused") != 1 {
		t.Errorf("events: %s", said)
	}
	edit(w, w.member(), func(m *v1alpha2.EtcdMember) { m.Spec.Start++ }) // the member is told to restart meanwhile
	if wrote := w.settle(); len(wrote) == 0 || wrote[0] != "delete a" {
		t.Errorf("wrote %v", wrote)
	}
	if !strings.HasPrefix(w.expanding(), "Refused") {
		t.Errorf("the member says %s", w.expanding())
	}
	quota, w.r.Client = false, api
	w.settle()
	if w.asked() != "2Gi" || !strings.HasPrefix(w.expanding(), "Requested") {
		t.Errorf("the claim asks for %s, the member says %s", w.asked(), w.expanding())
	}
}

func TestAClaimNeverAsksForLessThanItHasButForLessThanItGotNot(t *testing.T) {
	w := bound(t)
	w.wantSize("100Gi")
	w.settle()
	w.wantSize("2Gi")
	w.settle()
	if w.asked() != "2Gi" {
		t.Errorf("after a growth that nobody could give the claim asks for %s", w.asked())
	}
	w.wantSize("1Gi")
	w.settle()
	if w.asked() != "2Gi" || w.expanding() != "" {
		t.Errorf("the claim asks for %s, the member says %s", w.asked(), w.expanding())
	}
}

func TestARetainedVolumeIsStillTheMembers(t *testing.T) {
	w := bound(t)
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) { c.OwnerReferences = nil })
	w.wantWrites(nil)
	edit(w, w.claim(), func(c *corev1.PersistentVolumeClaim) {
		c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: new(true)}}
	})
	w.settle()
	if w.failure() != v1alpha2.FailureNameTaken {
		t.Errorf("the volume of somebody else is used: %+v", w.member().Status.Failure)
	}
}

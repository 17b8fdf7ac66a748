package integration_test

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const (
	yes = metav1.ConditionTrue
	no  = metav1.ConditionFalse
)

func condition(kind string, value metav1.ConditionStatus, reason string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: value, Reason: reason, LastTransitionTime: metav1.Now()}
}

// TestToolsThatWaitSeeTheTruth: Helm 4 and Flux wait by what kstatus makes of our conditions.
func TestToolsThatWaitSeeTheTruth(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct {
		name       string
		stale      bool // the spec changed after the status was written
		conditions []metav1.Condition
		want       status.Status
	}{
		{"never-looked-at", false, nil, status.InProgressStatus},
		{"bootstrapping", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, no, v1alpha2.ReasonBootstrapping),
			condition(v1alpha2.ConditionReconciling, yes, v1alpha2.ReasonBootstrapping),
			condition(v1alpha2.ConditionAvailable, no, v1alpha2.ReasonBootstrapping),
			condition(v1alpha2.ConditionProgressing, yes, v1alpha2.ReasonBootstrapping),
		}, status.InProgressStatus},
		{"as-desired", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, yes, v1alpha2.ReasonAsDesired),
			condition(v1alpha2.ConditionAvailable, yes, v1alpha2.ReasonQuorumHealthy),
			condition(v1alpha2.ConditionProgressing, no, v1alpha2.ReasonReconciled),
			condition(v1alpha2.ConditionDegraded, no, v1alpha2.ReasonAllMembersHealthy),
		}, status.CurrentStatus},
		{"of-an-even-size", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, yes, v1alpha2.ReasonAsDesired),
			condition(v1alpha2.ConditionEvenSize, yes, v1alpha2.ReasonEvenSizeGainsNothing),
		}, status.CurrentStatus},
		{"paused", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, yes, v1alpha2.ReasonPaused),
			condition(v1alpha2.ConditionAvailable, no, v1alpha2.ReasonPaused),
			condition(v1alpha2.ConditionProgressing, no, v1alpha2.ReasonPaused),
		}, status.CurrentStatus},
		{"spec-changed-since", true, []metav1.Condition{
			condition(v1alpha2.ConditionReady, yes, v1alpha2.ReasonAsDesired),
		}, status.InProgressStatus},
		{"scaling", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, no, "Growing"),
			condition(v1alpha2.ConditionReconciling, yes, "Growing"),
			condition(v1alpha2.ConditionAvailable, yes, v1alpha2.ReasonQuorumHealthy),
		}, status.InProgressStatus},
		{"quorum-lost", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, no, v1alpha2.ReasonQuorumLost),
			condition(v1alpha2.ConditionReconciling, yes, v1alpha2.ReasonQuorumLost),
			condition(v1alpha2.ConditionAvailable, no, v1alpha2.ReasonQuorumLost),
			condition(v1alpha2.ConditionDegraded, yes, v1alpha2.ReasonToleranceReduced),
		}, status.InProgressStatus},
		{"overdue-is-not-stalled", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, no, "MemberNotReady"),
			condition(v1alpha2.ConditionReconciling, yes, "MemberNotReady"),
			condition(v1alpha2.ConditionProgressing, no, v1alpha2.ReasonDeadlineExceeded),
		}, status.InProgressStatus},
		{"stalled", false, []metav1.Condition{
			condition(v1alpha2.ConditionReady, no, "NamesTaken"),
			condition(v1alpha2.ConditionStalled, yes, "NamesTaken"),
			condition(v1alpha2.ConditionProgressing, no, "NamesTaken"),
		}, status.FailedStatus},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &v1alpha2.EtcdCluster{
				ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: tc.name},
				Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
			}
			create(t, c)
			if tc.conditions != nil {
				c.Status.ObservedGeneration = c.Generation
				c.Status.Conditions = tc.conditions
				if err := kube.Status().Update(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if tc.stale {
				c.Spec.Replicas = ptr.To[int32](5)
				if err := kube.Update(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			o := &unstructured.Unstructured{}
			o.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind("EtcdCluster"))
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(c), o); err != nil {
				t.Fatal(err)
			}
			got, err := status.Compute(o)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != tc.want {
				t.Errorf("want %s, got %s: %s", tc.want, got.Status, got.Message)
			}
		})
	}
}

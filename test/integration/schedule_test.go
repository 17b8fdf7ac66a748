package integration_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestAScheduleThatCannotBeKeptIsRefused(t *testing.T) {
	ns := newNamespace(t)
	of := func(schedule, more string) string {
		return `{clusterRef: {name: demo}, destination: {pvc: {claimName: backup}}, schedule: "` + schedule + `"` + more + "}"
	}
	for _, tc := range []struct{ name, spec, want string }{
		{"nightly", of("0 2 * * *", ", timeZone: Europe/Berlin, retention: {keepLast: 7, keepFor: 720h}, verify: {period: 24h}"), ""},
		{"every-so-often", of("@every 90m", ", concurrencyPolicy: Replace, startingDeadlineSeconds: 60, deletionPolicy: Delete"), ""},
		{strings.Repeat("n", 47), of("@daily", ""), ""},
		{strings.Repeat("n", 48), of("@daily", ""), "metadata.name must have at most 47 characters"},
		{"never", of("", ""), "schedule"},
		{"zone-in-front", of("CRON_TZ=UTC 0 2 * * *", ""), "name the time zone in timeZone"},
		{"nobody", `{clusterRef: {}, destination: {pvc: {claimName: backup}}, schedule: "@daily"}`, "clusterRef.name must name an EtcdCluster"},
		{"nowhere", `{clusterRef: {name: demo}, destination: {}, schedule: "@daily"}`, "name exactly one of s3 and pvc"},
		{"keeps-by-no-rule", of("@daily", ", retention: {}"), "retention needs keepLast, keepFor or both"},
		{"keeps-none", of("@daily", ", retention: {keepLast: 0}"), "greater than or equal to 1"},
		{"keeps-for-no-time", of("@daily", ", retention: {keepFor: 0s}"), "keepFor must be greater than zero"},
		{"keeps-for-less", of("@daily", ", retention: {keepFor: -1h}"), "keepFor must be greater than zero"},
		{"verifies-all-the-time", of("@daily", ", verify: {period: 10s}"), "verify.period must be at least 1m"},
		{"overlaps-somehow", of("@daily", ", concurrencyPolicy: Sometimes"), "supported values"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := kube.Create(t.Context(), object(t, "EtcdSnapshotSchedule", ns, tc.name, tc.spec))
			if tc.want != "" {
				expectRefusal(t, err, tc.want)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	o := object(t, "EtcdSnapshotSchedule", ns, "nightly", "")
	expectRefusal(t, change(t, o, "clusterRef: {name: other}"), "clusterRef is immutable")
	for _, spec := range []string{"suspend: true", "schedule: '@hourly'", "destination: {pvc: {claimName: other}}", "retention: null"} {
		if err := change(t, o, spec); err != nil {
			t.Errorf("refused: %v", err)
		}
	}
}

// newSchedule makes one whose snapshots are due every ten seconds.
func newSchedule(t *testing.T, namespace, spec string) *v1alpha2.EtcdSnapshotSchedule {
	t.Helper()
	create(t, object(t, "EtcdSnapshotSchedule", namespace, "often",
		"{clusterRef: {name: demo}, destination: {pvc: {claimName: backup}}, deletionPolicy: Delete, "+spec+"}"))
	return &v1alpha2.EtcdSnapshotSchedule{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "often"}}
}

// schedulesAreKept expects of an operator that runs with its own rights what it does for an EtcdSnapshotSchedule.
func schedulesAreKept(t *testing.T, g *WithT) {
	t.Helper()
	ns := newNamespace(t)
	create(t, &v1alpha2.EtcdCluster{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: "demo", Annotations: map[string]string{v1alpha2.AnnotationReconcile: v1alpha2.ReconcileDisabled},
		},
		Spec: v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
	})
	o := newSchedule(t, ns, `schedule: "61 * * * *"`)
	stands := func(reason string, want status.Status) {
		t.Helper()
		g.Eventually(func(g Gomega) {
			g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(o), o)).To(Succeed())
			ready := meta.FindStatusCondition(o.Status.Conditions, v1alpha2.ConditionReady)
			g.Expect(ready).NotTo(BeNil())
			g.Expect(ready.Reason).To(Equal(reason))
			seen := &unstructured.Unstructured{}
			seen.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind("EtcdSnapshotSchedule"))
			g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(o), seen)).To(Succeed())
			computed, err := status.Compute(seen)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(computed.Status).To(Equal(want), computed.Message)
		}).Should(Succeed())
	}
	stands("InvalidSchedule", status.FailedStatus)
	g.Expect(change(t, object(t, "EtcdSnapshotSchedule", ns, "often", ""), "schedule: '@every 10s'")).To(Succeed())
	stands("NoSnapshotYet", status.CurrentStatus)
	g.Expect(o.Finalizers).To(ContainElement(v1alpha2.FinalizerSchedule))

	snapshots := &v1alpha2.EtcdSnapshotList{}
	g.Eventually(func(g Gomega) {
		g.Expect(kube.List(t.Context(), snapshots, client.InNamespace(ns))).To(Succeed())
		g.Expect(snapshots.Items).NotTo(BeEmpty())
	}).Should(Succeed())
	s := &snapshots.Items[0]
	due, err := time.Parse(time.RFC3339, s.Annotations[v1alpha2.AnnotationScheduledAt])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Name).To(Equal("often-" + due.UTC().Format("20060102-150405")))
	g.Expect(s.Labels).To(HaveKeyWithValue(v1alpha2.LabelSchedule, "often"))
	g.Expect(s.Spec.ClusterRef).To(Equal(corev1.LocalObjectReference{Name: "demo"}))
	g.Eventually(func(g Gomega) {
		g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(o), o)).To(Succeed())
		g.Expect(o.Status.Active).To(ContainElement(s.Name))
	}).Should(Succeed())
	row := columns(t, ns, "etcdsnapshotschedules")
	for column, want := range map[string]any{"Name": "often", "Cluster": "demo", "Schedule": "@every 10s"} {
		g.Expect(row).To(HaveKeyWithValue(column, want))
	}

	g.Expect(kube.Delete(t.Context(), o)).To(Succeed())
	gone := func(g Gomega) {
		g.Expect(kube.List(t.Context(), snapshots, client.InNamespace(ns))).To(Succeed())
		g.Expect(snapshots.Items).To(BeEmpty())
		g.Expect(kube.Get(t.Context(), client.ObjectKeyFromObject(o), o)).To(MatchError(apierrors.IsNotFound, "IsNotFound"))
	}
	g.Eventually(gone).Should(Succeed())
}

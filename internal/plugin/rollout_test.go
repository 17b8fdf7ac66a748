package plugin

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// upgrading is a cluster of 3.6.16 that is to run 3.7.3, which the first n followers do already.
func upgrading(n int) *observe.Scene {
	s := demoScene(3)
	for i, m := range s.Members {
		if updated := i > 0 && i <= n; !updated {
			m.Object.Spec.Version, m.Answer.Status.Version, m.Answer.Status.StorageVersion = "3.6.16", "3.6.16", "3.6.0"
		}
	}
	template := resource.TemplateOf(s.Members[0].Object)
	s.Cluster.Status.Template = &template
	s.Cluster.Status.Rollout = &v1alpha2.RolloutStatus{Checks: []v1alpha2.RolloutCheck{
		{Name: "Path", OK: true, Message: "3.6.16 to 3.7.3 is one minor up"},
		{Name: "Members", OK: true, Message: "3 of 3 are healthy and ready"},
		{Name: "Alarms", OK: true, Message: "none is raised"},
		{Name: "Certificates", OK: true, Message: "the first one ends in 61d"},
		{Name: "Data", OK: true, Message: "all members held the same at revision 9112404, 12m ago"},
		{Name: "Quota", OK: true, Message: "412 MiB of 8 GiB are used"},
		{Name: "Snapshot", OK: true, Message: "demo-before-3.7.3 is complete"},
	}}
	return s
}

func upgradeChecking() *observation {
	s := upgrading(0)
	snapshot := &s.Cluster.Status.Rollout.Checks[6]
	snapshot.OK, snapshot.Message = false, "demo-before-3.7.3 is being taken"
	publish(s, time.Second)
	s.Cluster.Status.Version = "3.6.16"
	told(s, metav1.ConditionFalse, "AwaitingSnapshot", "waiting for the snapshot demo-before-3.7.3 before members are brought to 3.7.3")
	return observed(s)
}

func upgradeRolling() *observation {
	s := upgrading(1)
	m := s.Members[2]
	m.Object.Spec.Version, m.Object.Spec.Start = "3.7.3", 1
	silence(m, false)
	publish(s, time.Second)
	s.Cluster.Status.Version = "3.6.16"
	return observed(s)
}

func upgradeFailed() *observation {
	s := upgrading(0)
	s.Cluster.Status.Rollout.Failed = &v1alpha2.FailedRollout{
		Template: resource.TemplateHash(resource.Template(s.Cluster)), Member: "demo-c9qpd", Reason: "CrashLoop",
		Message: `"error verifying flags, unknown flag"`, Time: metav1.NewTime(now.Add(-4 * time.Minute)),
	}
	publish(s, 4*time.Minute)
	s.Cluster.Status.Version = "3.6.16"
	told(s, metav1.ConditionTrue, "RolloutFailed", `demo-c9qpd did not come back with version 3.7.3: CrashLoop: "error verifying flags, `+
		`unknown flag"; all members are as they were`)
	return observed(s)
}

func upgradeRefused() *observation {
	s := upgrading(0)
	s.Cluster.Spec.Version = "3.8.0"
	publish(s, 10*time.Second)
	s.Cluster.Status.Version = "3.6.16"
	told(s, metav1.ConditionTrue, "VersionRefused", "3.6.16 to 3.8.0 skips a minor: upgrade to 3.7.3 first")
	return observed(s)
}

func onDelete() *observation {
	s := upgrading(2)
	s.Cluster.Spec.UpdateStrategy.Type = v1alpha2.UpdateOnDelete
	m := s.Members[0]
	m.Object.Spec.Version, m.Object.Spec.Start = "3.7.3", 1
	publish(s, 10*time.Second)
	s.Cluster.Status.Version = "3.6.16"
	told(s, metav1.ConditionFalse, "AwaitingPodDeletion", "waiting for somebody to delete the Pod of demo-7x2kb")
	return observed(s)
}

// told is what the operator says of the scene.
func told(s *observe.Scene, stalled metav1.ConditionStatus, reason, message string) {
	for i := range s.Cluster.Status.Conditions {
		switch c := &s.Cluster.Status.Conditions[i]; c.Type {
		case v1alpha2.ConditionReady:
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, reason, message
		case v1alpha2.ConditionStalled:
			c.Status = stalled
		}
	}
}

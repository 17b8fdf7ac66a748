package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// recordRollout writes down what members can go back to, that they have to, or what came of trying etcd out.
func (r *Reconciler) recordRollout(s *observe.Scene, st *v1alpha2.EtcdClusterStatus, step plan.Step) {
	if st.Rollout == nil {
		st.Rollout = &v1alpha2.RolloutStatus{}
	}
	switch step := step.(type) {
	case plan.RecordTemplate:
		given := resource.TemplateOf(s.Members[0].Object)
		st.Template = &given
	case plan.RecordFailure:
		failed := &v1alpha2.FailedRollout{
			Template: resource.TemplateHash(resource.Template(s.Cluster)), Member: step.Name, Reason: step.Reason,
			Time: metav1.NewTime(r.Now()),
		}
		if f := s.Find(step.Name).Object.Status.Failure; f != nil {
			failed.Message = f.Message
		}
		st.Rollout.Failed = failed
	case plan.RecordRehearsal:
		st.Rollout.Rehearsal = &v1alpha2.RehearsalStatus{
			Template: resource.RehearsalHash(s.Cluster), Result: observe.RehearsalResult(step.Result), Message: step.Message,
			Time: metav1.NewTime(r.Now()),
		}
	case plan.RecordDowngrade:
		if st.Rollout.Downgrade = nil; step.Downgrade.Target != "" {
			st.Rollout.Downgrade = &v1alpha2.DowngradeStatus{
				Target: step.Downgrade.Target, Phase: v1alpha2.DowngradePhase(step.Downgrade.Phase),
			}
		}
	default: // nothing else is recorded here
	}
	tidyRollout(st)
}

// tidyRollout leaves nothing behind that says nothing.
func tidyRollout(st *v1alpha2.EtcdClusterStatus) {
	if r := st.Rollout; r != nil && r.Failed == nil && r.Downgrade == nil && r.Rehearsal == nil && len(r.Checks) == 0 {
		st.Rollout = nil
	}
}

// stillFailed keeps the record of a failure until the spec asks for another template.
func stillFailed(c *v1alpha2.EtcdCluster, st *v1alpha2.EtcdClusterStatus) {
	f := resource.FailedRollout(c)
	if f == nil || f.Template == resource.TemplateHash(resource.Template(c)) {
		return
	}
	st.Rollout.Failed = nil
	tidyRollout(st)
}

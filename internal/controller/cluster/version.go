package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshots,verbs=create
// +kubebuilder:rbac:groups=etcd-operator.cozystack.io,resources=etcdsnapshotschedules,verbs=get;list;watch

// changeVersion takes the steps around a change of the minor.
func (r *Reconciler) changeVersion(ctx context.Context, s *observe.Scene, step plan.Step) error {
	if step == plan.Step(plan.TakeSnapshotNow{}) {
		return r.takeSnapshot(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	voice := s.NewestVoice()
	if voice == nil {
		return errNobodyToAsk
	}
	if enable, ok := step.(plan.EnableDowngrade); ok {
		err := voice.EnableDowngrade(ctx, enable.Target+".0")
		return unless(etcd.ErrDowngrading, err, "enable the downgrade to %s", enable.Target)
	}
	return unless(nil, voice.CancelDowngrade(ctx), "cancel the downgrade")
}

// takeSnapshot asks for a snapshot before the minor changes.
func (r *Reconciler) takeSnapshot(ctx context.Context, s *observe.Scene) error {
	snapshot := s.Safeguard(r.Now())
	if snapshot == nil {
		return nil // nobody says any more where to
	}
	if err := r.Client.Create(ctx, snapshot); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create EtcdSnapshot %s: %w", snapshot.Name, err)
	}
	return nil
}

// readiness says what another minor waits for.
func readiness(st *v1alpha2.EtcdClusterStatus, seen plan.Cluster) plan.Verdict {
	route := plan.Plot(seen)
	var checks []v1alpha2.RolloutCheck
	if route.Pending {
		for _, c := range plan.Preflight(seen) {
			checks = append(checks, v1alpha2.RolloutCheck{Name: c.Name, OK: c.OK, Message: c.Message})
		}
	}
	if st.Rollout == nil {
		st.Rollout = &v1alpha2.RolloutStatus{}
	}
	st.Rollout.Checks = checks
	tidyRollout(st)
	switch v := seen.Versions; {
	case route.Refusal != "":
		return plan.Verdict{Reason: "VersionRefused", Message: route.Refusal}
	case v.Downgrade.Target != "":
		return plan.Verdict{Holds: true, Reason: "Downgrading", Message: fmt.Sprintf("a downgrade to etcd %s is under way", v.Downgrade.Target)}
	case route.Pending:
		if failing := plan.Failing(plan.Preflight(seen)); failing != "" {
			return plan.Verdict{Reason: "PreflightFailed", Message: failing}
		}
		return plan.Verdict{Holds: true, Reason: "Ready", Message: "everything is in order"}
	case route.Kind != plan.Same:
		return plan.Verdict{Holds: true, Reason: "Changing", Message: fmt.Sprintf("members are being given etcd %s", v.Wanted)}
	}
	return plan.Verdict{}
}

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

// readiness writes down what another minor waits for.
func readiness(st *v1alpha2.EtcdClusterStatus, seen plan.Cluster) plan.Verdict {
	verdict, list := plan.UpgradeReady(seen)
	var checks []v1alpha2.RolloutCheck
	for _, c := range list {
		checks = append(checks, v1alpha2.RolloutCheck{Name: c.Name, OK: c.OK, Message: c.Message})
	}
	if st.Rollout == nil {
		st.Rollout = &v1alpha2.RolloutStatus{}
	}
	st.Rollout.Checks = checks
	tidyRollout(st)
	return verdict
}

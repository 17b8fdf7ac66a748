package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// patience is how long etcd may take to agree to a change.
const patience = 5 * time.Second

// changeMembership asks etcd. An answer that does not come is settled by the next look, never by asking again blindly.
func changeMembership(ctx context.Context, s *observe.Scene, step plan.Step) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	voice := s.Voice()
	if voice == nil {
		return errNobodyToAsk
	}
	switch step := step.(type) {
	case plan.AddLearner:
		m := s.Find(step.Name).Object
		if _, err := voice.AddLearner(ctx, m.Spec.PeerURL); err != nil && !errors.Is(err, etcd.ErrPeerURLExists) {
			return fmt.Errorf("add %s as a learner: %w", step.Name, err)
		}
	case plan.Promote:
		if err := voice.Promote(ctx, step.Member.ID); err != nil && !errors.Is(err, etcd.ErrNotLearner) {
			return fmt.Errorf("promote %s: %w", step.Member.Name, err)
		}
	case plan.MoveLeader:
		if err := voice.MoveLeader(ctx, step.To.ID); err != nil {
			return fmt.Errorf("move leadership from %s to %s: %w", step.From.Name, step.To.Name, err)
		}
	case plan.Remove:
		return remove(ctx, voice, step.Member.ID)
	case plan.RemoveStranger:
		return remove(ctx, voice, step.ID)
	default:
		return fmt.Errorf("take step %T: not known", step)
	}
	return nil
}

func remove(ctx context.Context, voice etcd.Client, id uint64) error {
	if err := voice.Remove(ctx, id); err != nil && !errors.Is(err, etcd.ErrMemberNotFound) {
		return fmt.Errorf("remove member %x: %w", id, err)
	}
	return nil
}

// refusal says why etcd will not take a step for now, "" if err is something else. None of these is a fault of the operator,
// and the next look tells what became of the step.
func refusal(err error) string {
	for _, soft := range []error{
		etcd.ErrUnhealthyCluster, etcd.ErrLearnerNotReady, etcd.ErrTooManyLearners, etcd.ErrNotEnoughStarted,
		etcd.ErrNotLeader, etcd.ErrBadTransferee, etcd.ErrNoLeader, etcd.ErrAmbiguous, errNobodyToAsk,
	} {
		if errors.Is(err, soft) {
			return err.Error()
		}
	}
	return ""
}

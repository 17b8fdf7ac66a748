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
		_, err := voice.AddLearner(ctx, s.Find(step.Name).Object.Spec.PeerURL)
		return unless(etcd.ErrPeerURLExists, err, "add %s as a learner", step.Name)
	case plan.Nudge: // a learner has no NOSPACE alarm
		return unless(nil, voice.Disarm(ctx, etcd.Alarm{MemberID: step.Member.ID, Type: etcd.AlarmNoSpace}), "nudge %s", step.Member.Name)
	case plan.Promote:
		return unless(etcd.ErrNotLearner, voice.Promote(ctx, step.Member.ID), "promote %s", step.Member.Name)
	case plan.Readdress:
		return unless(nil, voice.Readdress(ctx, step.Member.ID, step.URL), "list %s at %s", step.Member.Name, step.URL)
	case plan.MoveLeader:
		return unless(nil, voice.MoveLeader(ctx, step.To.ID), "move leadership from %s to %s", step.From.Name, step.To.Name)
	case plan.Remove:
		return unless(etcd.ErrMemberNotFound, voice.Remove(ctx, step.Member.ID), "remove %s", step.Member.Name)
	case plan.RemoveStranger:
		return unless(etcd.ErrMemberNotFound, voice.Remove(ctx, step.ID), "remove member %x", step.ID)
	case plan.Disarm:
		return unless(nil, voice.Disarm(ctx, alarm(step.Alarm)), "disarm the alarm of member %x", step.Alarm.ID)
	default:
		return fmt.Errorf("ask etcd for step %T: not known", step)
	}
}

func alarm(a plan.Alarm) etcd.Alarm {
	if a.Corrupt {
		return etcd.Alarm{MemberID: a.ID, Type: etcd.AlarmCorrupt}
	}
	return etcd.Alarm{MemberID: a.ID, Type: etcd.AlarmNoSpace}
}

// unless is err with what was being done, or nil if err is that it was done before.
func unless(done, err error, doing string, args ...any) error {
	if err == nil || done != nil && errors.Is(err, done) {
		return nil
	}
	return fmt.Errorf(doing+": %w", append(args, err)...)
}

// refusal says why etcd will not take a step for now, "" if err is something else. None of these is a fault of the operator,
// and the next look tells what became of the step.
func refusal(err error) string {
	for _, soft := range []error{
		etcd.ErrUnhealthyCluster, etcd.ErrLearnerNotReady, etcd.ErrTooManyLearners, etcd.ErrNotEnoughStarted,
		etcd.ErrNotLeader, etcd.ErrBadTransferee, etcd.ErrNoLeader, etcd.ErrUnreachable, etcd.ErrAmbiguous,
		etcd.ErrDowngradeTarget, errNobodyToAsk,
	} {
		if errors.Is(err, soft) {
			return err.Error()
		}
	}
	return ""
}

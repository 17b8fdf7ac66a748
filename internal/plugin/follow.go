package plugin

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// follow tells what the operator does, line by line and with the time that has passed, until all members have what is asked for.
func (r *rolling) follow(ctx context.Context) error {
	began, last := r.Clock.Now(), ""
	line := r.progressLine()
	line.keep = true
	defer line.end()
	err := r.await(ctx, r.patience, func() (bool, error) {
		c := &v1alpha2.EtcdCluster{}
		if err := r.kube.Get(ctx, r.key, c); err != nil {
			if apierrors.IsNotFound(err) {
				return false, fmt.Errorf("%s is gone", r.key.Name)
			}
			return false, fmt.Errorf("get EtcdCluster: %w", err)
		}
		done, text, err := outcome(c)
		if text != last {
			last = text
			line.say(fmt.Sprintf("%5s  %s", duration(int64(r.Clock.Since(began).Seconds())), text), "")
		}
		return done, err
	})
	if errors.Is(err, errOverdue) {
		return fmt.Errorf("it is not done within %s, and goes on: %s", r.patience, last)
	}
	return err
}

// outcome is how far a rollout is, and an error once it will not go on by itself.
func outcome(c *v1alpha2.EtcdCluster) (done bool, text string, err error) {
	o := said(c)
	if o.Behind != "" {
		return false, "waiting for the operator to see it", nil
	}
	r := recordedRollout(c, o)
	switch {
	case r == nil && !isRecorded(c):
		return false, "waiting for the operator to see it", nil
	case r == nil && meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha2.ConditionReady):
		return true, fmt.Sprintf("done: %s, version %s", plural(len(c.Status.Members), "member"), c.Status.Version), nil
	case r == nil:
		return false, o.sentence(), nil
	}
	switch text = fmt.Sprintf("%d/%d  %s", r.Updated, r.Members, o.sentence()); r.Phase {
	case RolloutFailed:
		return false, text, fmt.Errorf("%s (%s)", r.sentence(), failure(r.Failed))
	case RolloutStopped:
		return false, text, errors.New("it does not go on by itself: " + o.sentence())
	default:
		return false, text, nil
	}
}

// isRecorded says whether the operator has put on record that all members were brought to what is asked for. A generation does not say
// that: annotations have none.
func isRecorded(c *v1alpha2.EtcdCluster) bool {
	t := c.Status.Template
	return t != nil && t.Version == c.Spec.Version && t.RestartedAt == c.Annotations[v1alpha2.AnnotationRestartedAt]
}

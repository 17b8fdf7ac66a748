package member

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/internal/resource"
)

// fetching says whether the Pod brings its snapshot right now.
func (s *scene) fetching() bool {
	return s.restoring() && s.ownsPod() && s.pod.DeletionTimestamp.IsZero() &&
		slices.ContainsFunc(s.pod.Status.InitContainerStatuses, func(c corev1.ContainerStatus) bool {
			return fetches(c) && c.State.Running != nil
		})
}

// follow notes how far the restore is that the member starts with. A fetch that does not answer is one all the same. The
// planner has it looked at again and again.
func (r *Reconciler) follow(ctx context.Context, s *scene) {
	switch {
	case s.fetching():
		s.course = "the snapshot is fetched"
		if r.Progress == nil || s.pod.Status.PodIP == "" {
			return
		}
		progress, err := r.Progress(ctx, s.pod.Status.PodIP)
		if err != nil || progress.Bytes == 0 {
			return
		}
		s.course += fmt.Sprintf(": %d MiB", progress.Bytes>>20)
		if progress.TotalBytes > 0 {
			s.course += fmt.Sprintf(" of %d MiB", progress.TotalBytes>>20)
		}
	case s.restoring() && s.ownsPod() && resource.Restores(s.pod) && etcdRuns(s.pod):
		s.course = "the data are made of the snapshot, and etcd starts with them"
	}
}

package member

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// restoring says whether the member's first data are to be made from a snapshot. Once the cluster has formed nobody asks for that.
func (s *scene) restoring() bool {
	return s.cluster != nil && s.cluster.Status.ClusterID == "" && s.member.Spec.Bootstrap && s.member.Spec.Restore != nil
}

// lookForStore notes what the snapshot is fetched with. It is people's: the cache does not show it.
func (s *scene) lookForStore(ctx context.Context, live client.Reader) error {
	if !s.restoring() {
		return nil
	}
	for _, o := range resource.StoreNeeds(s.member) {
		err := live.Get(ctx, client.ObjectKeyFromObject(o), o)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get %s %s: %w", kind(o), o.GetName(), err)
		}
		if err != nil {
			s.unsourced = append(s.unsourced, kind(o)+" "+o.GetName())
		} else if secret, is := o.(*corev1.Secret); is {
			s.noteAccess(secret)
		}
	}
	return nil
}

func (s *scene) noteAccess(secret *corev1.Secret) {
	s.access = append(s.access, secret.Name+"="+secret.ResourceVersion)
	for _, key := range resource.StoreLacks(s.member, secret) {
		s.unsourced = append(s.unsourced, fmt.Sprintf("key %s of Secret %s", key, secret.Name))
	}
}

// refetch says whether the Pod waits to try again what may go well in another one at once: the kubelet would take minutes.
func (s *scene) refetch() bool {
	return s.restoring() && s.ownsPod() && resource.Restores(s.pod) && resource.Unfetched(s.pod) && len(s.unsourced) == 0 &&
		podFailure(s.pod) != nil && resource.StoreAccess(s.pod) != strings.Join(s.access, ",")
}

// neverRan says whether the Pod that the grant was used for is there, and has ended before etcd was started in it.
func (s *scene) neverRan() bool {
	return s.ownsPod() && string(s.pod.UID) == s.member.Status.Grant.PodUID && resource.NeverRan(s.pod)
}

func fetches(c corev1.ContainerStatus) bool { return c.Name == resource.FetchContainer }

// fetchFailure is why the snapshot is not there yet, nil if it is being fetched for the first time. It stays while it is tried again.
func fetchFailure(c corev1.ContainerStatus) *finding {
	if w := c.State.Waiting; w != nil && strings.HasPrefix(w.Reason, "Create") { // CreateContainerConfigError and its kin
		return restoreFailure(v1alpha2.FailureRestore, "the snapshot cannot be fetched: "+w.Message)
	}
	end := c.State.Terminated
	if end == nil {
		end = c.LastTerminationState.Terminated
	}
	if end == nil || end.ExitCode == 0 {
		return nil
	}
	said := task.ParseReport(end.Message)
	reason := v1alpha2.FailureRestore
	if said.Reason == task.SnapshotTooNew {
		reason = v1alpha2.FailureSnapshotTooNew
	}
	return restoreFailure(reason, fmt.Sprintf("the snapshot was not fetched: %s: %s%s", said.Reason, said.Message, remedies[said.Reason]))
}

func restoreFailure(reason, message string) *finding {
	return &finding{MemberFailure: v1alpha2.MemberFailure{Reason: reason, Message: message}}
}

// remedies say what people can do.
var remedies = map[task.Reason]string{
	task.StoreAccessDenied: "; correct the Secret that credentialsSecretRef names, and it is tried at once, or what its owner may do",
	task.StoreUnreachable:  "; it is tried again",
	task.StoreMissing:      "; create the bucket, or the cluster anew with the right one",
	task.SnapshotMissing:   "; put the snapshot there, or create the cluster anew with the right place",
	task.SnapshotDamaged:   "; nothing was written: create the cluster anew from another snapshot",
	task.SnapshotTooNew:    "; create the cluster anew with a newer spec.version",
	task.ScratchFull:       "; the node needs space for a copy of the snapshot",
}

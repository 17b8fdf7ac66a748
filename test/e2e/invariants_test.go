//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/test/e2e/traffic"
)

// glance is how often the invariants are looked at.
const glance = 500 * time.Millisecond

// invariants must hold at every moment of the life of a cluster. What was once seen is kept per UID of the EtcdCluster: one
// that is created again under the same name is another cluster, and may share nothing with the first.
type invariants struct {
	*cluster
	clusterIDs map[string]string // UID of the EtcdCluster by etcd's cluster ID
	current    map[string]string // etcd's cluster ID by UID of the EtcdCluster
	objects    map[string]string // UID of the EtcdMember by name
	addresses  map[string]uint64 // etcd's member ID by peer URL
	broken     map[string]bool   // said already
}

// watchInvariants looks until the test ends, and fails it for everything that is not as it must be.
func (c *cluster) watchInvariants() {
	w := &invariants{
		cluster: c, clusterIDs: map[string]string{}, current: map[string]string{},
		objects: map[string]string{}, addresses: map[string]uint64{}, broken: map[string]bool{},
	}
	ctx, cancel := context.WithCancel(c.ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(glance):
				w.look(ctx)
			}
		}
	})
	c.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func (w *invariants) violated(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if !w.broken[what] {
		w.broken[what] = true
		w.t.Errorf("%s: invariant violated: %s", time.Now().Format("15:04:05.000"), what)
	}
}

// look is one glance. What cannot be read proves nothing.
func (w *invariants) look(ctx context.Context) {
	var o v1alpha2.EtcdCluster
	if testbed.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: w.name}, &o) != nil {
		return
	}
	w.clusterID(&o)
	w.names(ctx)
	w.budget(ctx, &o)
	var pods corev1.PodList
	if testbed.List(ctx, &pods, append(w.ours(), client.MatchingLabels(resource.MemberPodLabels(o.UID)))...) != nil {
		return
	}
	for i := range pods.Items {
		if p := &pods.Items[i]; p.Status.PodIP != "" && p.DeletionTimestamp == nil && w.membership(ctx, &o, p) {
			return
		}
	}
}

func (w *invariants) clusterID(o *v1alpha2.EtcdCluster) {
	id, uid := o.Status.ClusterID, string(o.UID)
	if was := w.current[uid]; was != "" && was != id {
		w.violated("the cluster ID in status was %s and is %q", was, id)
	}
	if id == "" {
		return
	}
	if other := w.clusterIDs[id]; other != "" && other != uid {
		w.violated("the cluster ID %s was that of an earlier cluster of this name", id)
	}
	w.current[uid], w.clusterIDs[id] = id, uid
}

func (w *invariants) names(ctx context.Context) {
	var list v1alpha2.EtcdMemberList
	if testbed.List(ctx, &list, w.ours()...) != nil {
		return
	}
	for _, m := range list.Items {
		if was := w.objects[m.Name]; was != "" && was != string(m.UID) && !w.takenBack(ctx, &m) {
			w.violated("the member name %s is used again", m.Name)
		}
		w.objects[m.Name] = string(m.UID)
	}
}

// takenBack says whether an EtcdMember stands for a vote that its volume holds, as one does that was made again.
func (w *invariants) takenBack(ctx context.Context, m *v1alpha2.EtcdMember) bool {
	var claim corev1.PersistentVolumeClaim
	err := testbed.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: "data-" + m.Name}, &claim)
	return err == nil && claim.Annotations[v1alpha2.AnnotationMemberID] != "" && claim.Labels[v1alpha2.LabelSetAside] == ""
}

func (w *invariants) budget(ctx context.Context, o *v1alpha2.EtcdCluster) {
	if o.Status.ClusterID == "" {
		return
	}
	var b policyv1.PodDisruptionBudget
	if err := testbed.Get(ctx, client.ObjectKeyFromObject(o), &b); apierrors.IsNotFound(err) && w.exists(ctx, o) {
		w.violated("there is no PodDisruptionBudget")
	}
}

// exists says whether this very cluster is still wanted.
func (w *invariants) exists(ctx context.Context, o *v1alpha2.EtcdCluster) bool {
	var now v1alpha2.EtcdCluster
	return testbed.Get(ctx, client.ObjectKeyFromObject(o), &now) == nil && now.UID == o.UID && now.DeletionTimestamp == nil
}

// membership asks a member, and says whether it answered.
func (w *invariants) membership(ctx context.Context, o *v1alpha2.EtcdCluster, p *corev1.Pod) bool {
	etcd, err := traffic.Dial(endpoint(p))
	if err != nil {
		return false
	}
	defer etcd.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	list, err := etcd.MemberList(ctx)
	if err != nil {
		return false
	}
	if id := fmt.Sprintf("%x", list.Header.ClusterId); o.Status.ClusterID != "" && id != o.Status.ClusterID && w.exists(ctx, o) {
		w.violated("%s answers as cluster %s, on record is %s", p.Name, id, o.Status.ClusterID)
	}
	learners := map[string]bool{}
	for _, m := range list.Members {
		if m.IsLearner {
			learners[m.Name] = true
		}
		for _, url := range m.PeerURLs {
			if was := w.addresses[url]; was != 0 && was != m.ID {
				w.violated("the peer URL %s is used again: by %x, before by %x", url, m.ID, was)
			}
			w.addresses[url] = m.ID
		}
	}
	if len(learners) > 1 {
		w.violated("there are %d learners", len(learners))
	}
	w.service(ctx, learners)
	return true
}

// service: the client Service must not lead to learners. A member that was a learner after the list was read is none later.
func (w *invariants) service(ctx context.Context, learners map[string]bool) {
	var slices discoveryv1.EndpointSliceList
	service := client.MatchingLabels{discoveryv1.LabelServiceName: w.name + "-client"}
	if testbed.List(ctx, &slices, client.InNamespace(w.namespace), service) != nil {
		return
	}
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			ready := e.Conditions.Ready != nil && *e.Conditions.Ready
			if e.TargetRef == nil || !ready || !learners[e.TargetRef.Name] {
				continue
			}
			if list := w.learnersNow(ctx); strings.Contains(list, e.TargetRef.Name+" ") {
				w.violated("the client Service leads to the learner %s", e.TargetRef.Name)
			}
		}
	}
}

// learnersNow reads the learners' names once more: a promotion may have come in between.
func (w *invariants) learnersNow(ctx context.Context) (names string) {
	all, err := w.endpoints(ctx)
	if err != nil || len(all) == 0 {
		return ""
	}
	etcd, err := w.dialer()(all...)
	if err != nil {
		return ""
	}
	defer etcd.Close()
	list, err := etcd.MemberList(ctx)
	if err != nil {
		return ""
	}
	for _, m := range list.Members {
		if m.IsLearner {
			names += m.Name + " "
		}
	}
	return names
}

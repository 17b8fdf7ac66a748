//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// observer holds what must be true at every moment. It asks etcd and Kubernetes itself and never trusts the operator.
type observer struct {
	w *world

	mu         sync.Mutex
	violations []string
	clusterID  uint64
	urls       map[string]uint64    // member ID by peer URL, for ever
	names      map[string]uint64    // member ID by name, for ever
	data       map[uint64]string    // directory by member ID, for ever
	members    map[string]types.UID // EtcdMembers that are there
	unmatched  map[string]time.Time // since when a member or its EtcdMember lacks the other
	voters     []string             // peer URLs at the last look
	excused    map[types.UID]bool   // claims that a fault deletes
	judged     map[types.UID]bool
	down       time.Time // until when a fault explains that members do not answer
	apiAway    bool      // the operator cannot do its work
}

func newObserver(w *world) *observer {
	return &observer{
		w: w, urls: map[string]uint64{}, names: map[string]uint64{}, data: map[uint64]string{}, members: map[string]types.UID{},
		unmatched: map[string]time.Time{}, excused: map[types.UID]bool{}, judged: map[types.UID]bool{},
	}
}

const (
	glance = 600 * time.Millisecond
	// orphaned is how long a member may be without its EtcdMember, or the reverse, while nothing keeps the operator from its work.
	orphaned = 60 * time.Second
)

func (o *observer) start() {
	go func() {
		for o.w.ctx.Err() == nil {
			o.look(o.w.ctx)
			sleep(o.w.ctx, glance)
		}
	}()
}

// violated notes what is not as it must be. The caller holds the lock.
func (o *observer) violated(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if !slices.Contains(o.violations, what) {
		o.violations = append(o.violations, what)
		o.w.logf("OBSERVER: %s", what)
	}
}

func (o *observer) verdict() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.violations) == 0 {
		return nil
	}
	return fmt.Errorf("OBSERVER: %s", strings.Join(o.violations, "; "))
}

// excuse tells the observer that a fault deletes a claim.
func (o *observer) excuse(claim types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.excused[claim] = true
}

// expectDown tells it that a fault has just taken members down.
func (o *observer) expectDown() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = time.Now().Add(5 * time.Second)
}

func (o *observer) operatorAway(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.apiAway = away
}

func (o *observer) memberSeen(m *v1alpha2.EtcdMember, gone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if gone {
		if o.members[m.Name] == m.UID {
			delete(o.members, m.Name)
		}
		return
	}
	o.members[m.Name] = m.UID
}

// claimSeen judges the deletion of a claim: never that of a voter's volume, and one that was set aside only once the cluster is whole.
func (o *observer) claimSeen(claim *corev1.PersistentVolumeClaim, gone bool) {
	if claim.DeletionTimestamp == nil && !gone {
		return
	}
	o.mu.Lock()
	skip := o.excused[claim.UID] || o.judged[claim.UID]
	o.judged[claim.UID] = true
	o.mu.Unlock()
	if skip {
		return
	}
	go o.judge(claim)
}

func (o *observer) judge(claim *corev1.PersistentVolumeClaim) {
	ctx, cancel := context.WithTimeout(o.w.ctx, 10*time.Second)
	defer cancel()
	name := claim.Labels[v1alpha2.LabelMember]
	cluster, err := o.w.cluster(ctx)
	if err != nil || cluster.DeletionTimestamp != nil {
		return
	}
	list, err := o.w.kubelet.list(ctx)
	if err != nil {
		return // it proves nothing
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	voters := 0
	for _, m := range list.Members {
		if !m.IsLearner {
			voters++
		}
		if m.Name == name && !m.IsLearner {
			o.violated("I7: the volume %s of the voter %s was deleted", claim.Name, name)
		}
	}
	if _, aside := claim.Labels[v1alpha2.LabelSetAside]; aside && voters < int(*cluster.Spec.Replicas) {
		o.violated("I7: the volume %s, set aside, was deleted while %d of %d vote", claim.Name, voters, *cluster.Spec.Replicas)
	}
}

// look is one glance. What cannot be asked proves nothing.
func (o *observer) look(ctx context.Context) {
	if len(o.w.kubelet.endpoints()) == 0 {
		return
	}
	list, err := o.w.kubelet.list(ctx)
	alive := o.identify(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		return
	}
	if o.clusterID != 0 && list.Header.ClusterId != o.clusterID {
		o.violated("I3: cluster %x answers, not %x", list.Header.ClusterId, o.clusterID)
	}
	o.clusterID = list.Header.ClusterId
	o.membership(list, alive)
	o.pairs(list)
}

// identify asks every process who it is, and on which data.
func (o *observer) identify(ctx context.Context) map[uint64]bool {
	alive := map[uint64]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, r := range o.w.kubelet.all() {
		p := r.process()
		if !r.isRunning() || p.frozen.Load() {
			continue
		}
		all.Go(func() {
			status, err := r.says(ctx)
			if err != nil {
				return
			}
			mu.Lock()
			alive[status.Header.MemberId] = true
			mu.Unlock()
			o.incarnation(r, status)
		})
	}
	all.Wait()
	return alive
}

func (o *observer) incarnation(r *runner, status *clientv3.StatusResponse) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id, data := status.Header.MemberId, o.w.kubelet.dataOf(r)
	if o.clusterID != 0 && status.Header.ClusterId != o.clusterID {
		o.violated("I3: %s answers as cluster %x, not %x", r.name, status.Header.ClusterId, o.clusterID)
	}
	if was, known := o.data[id]; known && was != data {
		o.violated("I6: member %x runs on %s and ran on %s before", id, data, was)
	}
	o.data[id] = data
}

// membership checks a list against all lists before it.
func (o *observer) membership(list *clientv3.MemberListResponse, alive map[uint64]bool) {
	learners := 0
	var voters []string
	answering := 0
	for _, m := range list.Members {
		if m.IsLearner {
			learners++
		} else {
			voters = append(voters, m.PeerURLs...)
			if alive[m.ID] {
				answering++
			}
		}
		for _, url := range m.PeerURLs {
			if was := o.urls[url]; was != 0 && was != m.ID {
				o.violated("I9: the peer URL %s is that of %x and was that of %x", url, m.ID, was)
			}
			o.urls[url] = m.ID
		}
		if was := o.names[m.Name]; m.Name != "" && was != 0 && was != m.ID {
			o.violated("I9: the name %s is that of %x and was that of %x", m.Name, m.ID, was)
		}
		if m.Name != "" {
			o.names[m.Name] = m.ID
		}
	}
	if learners > 1 {
		o.violated("I4: %d learners", learners)
	}
	slices.Sort(voters)
	if changed := o.voters != nil && !slices.Equal(voters, o.voters); changed {
		if d := difference(o.voters, voters); d > 1 {
			o.w.logf("observer: %d changes of the membership between two looks", d)
		}
		if len(voters) < len(o.voters) && answering < len(voters)/2+1 && time.Now().After(o.down) {
			o.violated("I5: after a removal %d of %d voters answer", answering, len(voters))
		}
	}
	o.voters = voters
}

func difference(a, b []string) (n int) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			n++
		}
	}
	for _, x := range b {
		if !slices.Contains(a, x) {
			n++
		}
	}
	return n
}

// pairs checks that every member has its EtcdMember, and the reverse.
func (o *observer) pairs(list *clientv3.MemberListResponse) {
	lacking := map[string]bool{}
	listed := map[string]bool{}
	for _, m := range list.Members {
		host, _, _ := strings.Cut(strings.TrimPrefix(m.PeerURLs[0], "http://"), ".")
		listed[host] = true
		if _, there := o.members[host]; !there {
			lacking["member "+host+" has no EtcdMember"] = true
		}
	}
	for name := range o.members {
		if !listed[name] {
			lacking["EtcdMember "+name+" has no member"] = true
		}
	}
	for what := range o.unmatched {
		if !lacking[what] || o.apiAway {
			delete(o.unmatched, what)
		}
	}
	for what := range lacking {
		if o.unmatched[what].IsZero() {
			o.unmatched[what] = time.Now()
		} else if time.Since(o.unmatched[what]) > orphaned {
			o.violated("I8: %s for %s", what, orphaned)
		}
	}
}

// dataOf tells which data a Pod runs on: the same directory with other contents is other data.
func (k *kubelet) dataOf(r *runner) string { return r.data }

package observe

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// How long a member may take to answer. One that is still starting accepts connections before it can answer, and must
// not hold up the others.
const (
	patienceReady    = 2 * time.Second
	patienceStarting = 400 * time.Millisecond
)

var errNotRunning = errors.New("etcd is not running")

// ask asks all members at once, then one of the healthy ones for what concerns them all.
func (o *Observer) ask(ctx context.Context, s *Scene) {
	var wg sync.WaitGroup
	for _, m := range s.Members {
		if !running(m.Pod) || removed(m.Object) {
			m.Answer.Err = errNotRunning
			continue
		}
		wg.Go(func() { m.Answer = o.askOne(ctx, s, m) })
	}
	wg.Wait()
	if voice := s.Voice(); voice != nil {
		ctx, cancel := context.WithTimeout(ctx, patienceReady)
		defer cancel()
		if list, err := voice.Members(ctx); err == nil {
			s.List = &list
			s.enlist()
			o.askPeers(ctx, s)
			o.askVersions(ctx, s, voice)
		}
	}
}

// askPeers asks the leader about those that did not answer. When it cannot be asked, nobody is missed.
func (o *Observer) askPeers(ctx context.Context, s *Scene) {
	leader := s.Leader()
	if o.Peers == nil || leader == nil || !slices.ContainsFunc(s.Members, silentVoter) {
		return
	}
	heard, err := o.Peers.ConnectedPeers(ctx, MetricsURL(leader.Object))
	if err != nil {
		return
	}
	for _, m := range s.Members {
		m.Missed = silentVoter(m) && !slices.Contains(heard, m.Entry.ID)
	}
}

func silentVoter(m *Member) bool {
	return m.Entry != nil && !m.Entry.Learner && m.Answer.Status == nil && !m.Answer.Barred()
}

// Barred says whether the member answered that the operator is not let in.
func (a Answer) Barred() bool {
	for _, refused := range []error{etcd.ErrAuthRequired, etcd.ErrAuthFailed, etcd.ErrPermission, etcd.ErrUserNotFound} {
		if errors.Is(a.Err, refused) {
			return true
		}
	}
	return false
}

// askOne asks a member, with one password after the other while root may have any of them.
func (o *Observer) askOne(ctx context.Context, s *Scene, m *Member) (a Answer) {
	targets, err := o.targets(s, m)
	if err != nil {
		return Answer{Err: err}
	}
	for _, target := range targets {
		if a.Client != nil {
			_ = a.Client.Close()
		}
		if a = o.askAs(ctx, m, target); !errors.Is(a.Err, etcd.ErrAuthFailed) {
			break
		}
	}
	return a
}

func (o *Observer) askAs(ctx context.Context, m *Member, target etcd.Target) Answer {
	client, err := o.Dialer.Dial(target)
	if err != nil {
		return Answer{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, o.patience(m))
	defer cancel()
	a := Answer{Client: client}
	status, err := client.Status(ctx)
	if err != nil {
		a.Err = err
		return a
	}
	a.Status = &status
	read := client.Read
	if status.Learner {
		read = client.ReadLocal
	}
	if a.Err = read(ctx); errors.Is(a.Err, etcd.ErrAuthChanged) { // users or roles were changed just then
		a.Err = read(ctx)
	}
	a.Healthy = a.Err == nil
	return a
}

func (o *Observer) patience(m *Member) time.Duration {
	switch {
	case o.Patience > 0:
		return o.Patience
	case podReady(m.Pod):
		return patienceReady
	}
	return patienceStarting
}

// enlist ties entries of etcd's list to members by peer URL, since an entry has no name before its first start, and by ID where
// somebody changed the URL.
func (s *Scene) enlist() {
	for _, m := range s.Members {
		id := recordedID(m.Object)
		for i := range s.List.Members {
			entry := &s.List.Members[i]
			switch {
			case len(entry.PeerURLs) == 1 && entry.PeerURLs[0] == m.Object.Spec.PeerURL:
				m.Entry = entry
			case m.Entry == nil && id != 0 && entry.ID == id:
				m.Entry = entry
			}
		}
	}
}

// recordedID is the ID that etcd gave to a member, or zero.
func recordedID(m *v1alpha2.EtcdMember) uint64 {
	return ParseID(cmp.Or(m.Status.MemberID, m.Annotations[v1alpha2.AnnotationMemberID]))
}

// removed members are left alone: etcd may panic when it is asked for the status of one (etcd issue 21966).
func removed(m *v1alpha2.EtcdMember) bool { return m.Spec.Removal != nil && m.Spec.Removal.Confirmed }

func running(p *corev1.Pod) bool { return etcdIn(p) != nil }

// etcdIn is the etcd that runs in p, nil if none does.
func etcdIn(p *corev1.Pod) *corev1.ContainerStateRunning {
	if p == nil || p.DeletionTimestamp != nil && p.Status.Phase != corev1.PodRunning {
		return nil
	}
	if c := resource.EtcdStatus(p); c != nil {
		return c.State.Running
	}
	return nil
}

func podReady(p *corev1.Pod) bool {
	if p == nil || p.DeletionTimestamp != nil {
		return false
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// MetricsURL is where the metrics of a member of the same Kubernetes cluster are.
func MetricsURL(m *v1alpha2.EtcdMember) string {
	return resource.MetricsURL(m.Name, m.Spec.ClusterName, m.Namespace)
}

// ClientURL is where a member of the same Kubernetes cluster is reached.
func ClientURL(m *v1alpha2.EtcdMember) string { return clientURL(m) }

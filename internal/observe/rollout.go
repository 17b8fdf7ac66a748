package observe

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// permitted says whether nothing speaks against the template of the spec but that it may not have been tried out yet.
func (s *Scene) permitted() bool {
	return !s.failed() && s.timersApart() == "" && s.route.Refusal == ""
}

// failed says whether a member did not come up with the template of the spec.
func (s *Scene) failed() bool {
	f := resource.FailedRollout(s.Cluster)
	return f != nil && f.Template == resource.TemplateHash(resource.Template(s.Cluster))
}

// aim is what members are to have, and the hashes of templates.
type aim struct {
	target               *v1alpha2.EtcdCluster
	wanted, asked, known string // of the target, of the spec, and of the one on record, which may be empty
}

func (s *Scene) aim() aim {
	a := aim{target: s.Target()}
	a.wanted, a.asked = resource.TemplateHash(resource.Template(a.target)), resource.TemplateHash(resource.Template(s.Cluster))
	if t := s.Cluster.Status.Template; t != nil {
		a.known = resource.TemplateHash(*t)
	}
	return a
}

func (a aim) trying() bool { return a.known != "" && a.wanted != a.known }

func (s *Scene) rollout(a aim) plan.Rollout {
	r := plan.Rollout{
		Known:    a.known != "",
		Trying:   a.trying(),
		OnDelete: s.Cluster.Spec.UpdateStrategy.Type == v1alpha2.UpdateOnDelete,
	}
	if f := resource.FailedRollout(s.Cluster); f != nil && s.failed() {
		r.Failed = f.Member + ": " + f.Reason
		if f.Message != "" {
			r.Failed += ": " + f.Message
		}
	}
	var given []string
	for _, m := range s.Members {
		given = append(given, resource.TemplateHash(resource.TemplateOf(m.Object)))
	}
	slices.Sort(given)
	r.Begun = a.known != "" && a.asked != a.known && slices.Contains(given, a.asked)
	given = slices.Compact(given)
	r.Unrecorded = len(given) == 1 && given[0] != a.known
	return r
}

// differences fills in what m does not have of what it is to have.
func (s *Scene) differences(a aim, m *Member, p *plan.Member, now time.Time) {
	o := m.Object
	p.StartsAt, p.WantedAt = o.Spec.PeerURL, resource.WantedPeerURL(s.Cluster, o.Name)
	d := resource.Differences(a.target, o, s.expands(a.target, m))
	memory := o.Spec.Storage.Medium == v1alpha2.StorageMediumMemory
	also := func(field string) {
		p.Pressing = true
		if memory {
			d.Replace = append(d.Replace, field)
			return
		}
		d.Restart = append(d.Restart, field)
	}
	if p.Pressing = slices.Contains(d.Restart, "tls"); s.NextPeerURL(m) != p.StartsAt || memory && p.StartsAt != p.WantedAt {
		also("peerURL")
	}
	if s.holdsSource(m) {
		also("volume of the snapshot")
	}
	if p.ByHand = resource.ByHand(o); p.ByHand && p.Stale && s.Cluster.Spec.UpdateStrategy.Type != v1alpha2.UpdateOnDelete {
		also("updateStrategy")
	}
	if p.Disk = s.disk(a.target, m, now); p.Disk.Restart {
		also("volume, which grows when its Pod starts")
	}
	a.compare(o, d, p)
}

// compare fills in what follows from the differences d of o.
func (a aim) compare(o *v1alpha2.EtcdMember, d resource.Changes, p *plan.Member) {
	if p.Disk.Fixed && p.Disk.Obstacle == "" && len(d.Replace) == 0 {
		d.Replace = append(d.Replace, "storage.size")
	}
	p.Outdated, p.Behind = strings.Join(d.Replace, ", "), strings.Join(d.Restart, ", ")
	p.Lowers = lowers(a.target, o)
	p.Adapts = strings.Join(d.Live, ", ")
	given := resource.TemplateHash(resource.TemplateOf(o))
	p.Proven, p.Trial = given == a.known, a.trying() && given == a.wanted
	p.AsAsked = p.Outdated+p.Behind+p.Adapts == "" && p.StartsAt == p.WantedAt && a.wanted == a.asked
}

// times fills in how long m has been up, and away.
func (s *Scene) times(m *Member, p *plan.Member, now time.Time) {
	if etcd := etcdIn(m.Pod); etcd != nil {
		p.Up = now.Sub(etcd.StartedAt.Time)
	}
	if l, st := s.Leader(), m.Answer.Status; l != nil && st != nil && st.RaftAppliedIndex < l.Answer.Status.RaftIndex {
		p.Lag = l.Answer.Status.RaftIndex - st.RaftAppliedIndex
	}
	if m.Pod != nil && !podReady(m.Pod) {
		p.Away = now.Sub(unreadySince(m.Pod))
	}
	f := m.Object.Status.Failure
	p.Inherited = f != nil && f.Times > 0 && f.RestartCount < 0
}

func unreadySince(pod *corev1.Pod) time.Time {
	since := pod.CreationTimestamp.Time
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.LastTransitionTime.After(since) {
			since = c.LastTransitionTime.Time
		}
	}
	return since
}

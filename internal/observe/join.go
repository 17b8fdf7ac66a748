package observe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Join turns a scene into what decisions are made from. It is pure.
func Join(s *Scene, now time.Time) plan.Cluster {
	c := plan.Cluster{
		Want:      s.want(),
		Memory:    s.Cluster.Spec.Storage.Medium == v1alpha2.StorageMediumMemory,
		Disabled:  s.Cluster.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled,
		Founders:  s.Cluster.Status.InitialMembers,
		ClusterID: ParseID(s.Cluster.Status.ClusterID),
		Listed:    s.List != nil,
		Namesakes: s.Namesakes,
		Taken:     s.Taken,
		Unsecured: s.Cluster.Status.ClusterID == "" && len(s.Members) == 0 && !resource.Securable(s.Cluster),
		Severed:   s.severed(),
		Restore:   s.restore,

		AuthPending: s.authPending(),

		OrdinalsRecorded: s.Cluster.Status.LastOrdinal >= s.LastOrdinal,
		Idle:             now.Sub(lastProgress(s.Cluster)),
		Deadline:         deadline(s.Cluster),
	}
	s.replacements(&c, now)
	s.volumes(&c, now)
	s.alarms(&c)
	c.Versions, c.Space = s.versions(now), s.space()
	s.plot(&c, now)
	a := s.aim()
	c.Rollout = s.rollout(a)
	for _, m := range s.Members {
		c.Memory = c.Memory || m.Object.Spec.Storage.Medium == v1alpha2.StorageMediumMemory
		c.Members = append(c.Members, s.member(a, m, now))
	}
	for i, m := range s.Members {
		if c.Members[i].Healthy && !m.Answer.Status.Learner {
			c.SeenID = m.Answer.Status.ClusterID
		}
	}
	c.Strangers = s.strangers()
	for _, kind := range []plan.ObjectKind{plan.HeadlessService, plan.DisruptionBudget, plan.ClientService} {
		o := s.Objects[kind]
		c.Objects = append(c.Objects, plan.Object{Kind: kind, Exists: o != nil, Current: o != nil && resource.Current(s.Desired(kind), o)})
	}
	return c
}

// plot finds what members are given, for which their health counts and what they differ in does not. A version that is refused is not
// tried out, and one that is to be tried out is not begun.
func (s *Scene) plot(c *plan.Cluster, now time.Time) {
	bare := *c
	if s.changing() {
		for _, m := range s.Members {
			bare.Members = append(bare.Members, s.member(aim{target: s.Cluster}, m, now))
		}
	}
	s.route = plan.Plot(bare)
	c.Rehearsal = s.rehearsal(now)
	bare.Rehearsal = c.Rehearsal
	s.route = plan.Plot(bare)
}

// severed says whether the certificates were found to let no quorum of members accept each other. That no member lets the operator
// in does not count: others may be served well.
func (s *Scene) severed() bool {
	tls := s.Cluster.Status.TLS
	return tls != nil && tls.Peer != nil && tls.Peer.AtOnce
}

func lastProgress(c *v1alpha2.EtcdCluster) time.Time {
	if c.Status.LastProgressTime != nil {
		return c.Status.LastProgressTime.Time
	}
	return c.CreationTimestamp.Time
}

func deadline(c *v1alpha2.EtcdCluster) time.Duration {
	if s := c.Spec.ProgressDeadlineSeconds; s != nil {
		return time.Duration(*s) * time.Second
	}
	return 10 * time.Minute
}

func (s *Scene) member(a aim, m *Member, now time.Time) plan.Member {
	o := m.Object
	p := plan.Member{
		Name:      o.Name,
		Founder:   o.Spec.Bootstrap,
		Admitted:  o.Spec.InitialCluster != "",
		Recorded:  o.Status.Incarnation != nil,
		Votes:     o.Status.IsVoter,
		Ready:     podReady(m.Pod),
		Dormant:   o.Spec.Dormant,
		Stopping:  m.Pod == nil || m.Pod.DeletionTimestamp != nil,
		Stopped:   m.Pod == nil,
		Down:      etcdIn(m.Pod) == nil,
		Leaving:   o.Spec.Removal != nil,
		Confirmed: o.Spec.Removal != nil && o.Spec.Removal.Confirmed,
		Gone:      m.Pod == nil && m.Claim == nil,
		Stale:     m.Pod != nil && resource.Stale(o, m.Pod),
	}
	s.standing(m, &p)
	s.differences(a, m, &p, now)
	s.times(m, &p, now)
	s.health(m, &p)
	p.Barred = !p.Healthy && m.Answer.Barred()
	if etcd := etcdIn(m.Pod); etcd != nil && unheard(&p) {
		p.Silent = now.Sub(etcd.StartedAt.Time)
	}
	s.trouble(m, &p, now)
	s.records(m, &p)
	return p
}

// NextPeerURL is the peer URL that m is to be started with next time: the one that the spec asks for once etcd lists it there.
func (s *Scene) NextPeerURL(m *Member) string {
	wanted := resource.WantedPeerURL(s.Cluster, m.Object.Name)
	if m.Entry != nil && slices.Equal(m.Entry.PeerURLs, []string{wanted}) {
		return wanted
	}
	return m.Object.Spec.PeerURL
}

// standing fills in what etcd's list says, or, while it cannot be asked, what is on record.
func (s *Scene) standing(m *Member, p *plan.Member) {
	switch {
	case s.List == nil && !p.Confirmed && (p.Votes || p.Founder):
		p.Role, p.ID = plan.Voter, ParseID(m.Object.Status.MemberID)
	case m.Entry == nil:
	case m.Entry.Learner:
		p.Role, p.ID = plan.Learner, m.Entry.ID
	default:
		p.Role, p.ID = plan.Voter, m.Entry.ID
		p.ListedAt = strings.Join(m.Entry.PeerURLs, ",")
	}
}

// health counts an answer only from the cluster and the member that are on record: anybody else's is worth nothing.
func (s *Scene) health(m *Member, p *plan.Member) {
	st := m.Answer.Status
	if st == nil || !s.itself(m, p) {
		return
	}
	p.Answered, p.Healthy = true, m.Answer.Healthy
	p.Leader = p.Healthy && s.leaderID() == st.MemberID
	if l := s.Leader(); l != nil && st.Learner {
		p.CaughtUp = caughtUp(st, l.Answer.Status)
	}
}

func (s *Scene) itself(m *Member, p *plan.Member) bool {
	st := m.Answer.Status
	if id := ParseID(s.Cluster.Status.ClusterID); id != 0 && st.ClusterID != id {
		return false
	}
	if inc := m.Object.Status.Incarnation; inc != nil {
		return st.MemberID == ParseID(inc.MemberID) && m.VolumeUID() == inc.VolumeUID
	}
	grant := m.Object.Status.Grant
	return grant != nil && grant.State == v1alpha2.GrantUsed && grant.VolumeUID == m.VolumeUID() && (p.ID == 0 || p.ID == st.MemberID)
}

// caughtUp is stricter than etcd, which asks for 90 % of the leader's index (isLearnerReady).
func caughtUp(learner, leader *etcd.Status) bool {
	const most = 1000 // entries
	return learner.RaftAppliedIndex+most >= leader.RaftIndex && learner.RaftAppliedIndex*10 >= leader.RaftIndex*9
}

func (s *Scene) strangers() (out []plan.Stranger) {
	if s.List == nil {
		return nil
	}
	for i := range s.List.Members {
		e := &s.List.Members[i]
		if slices.ContainsFunc(s.Members, func(m *Member) bool { return m.Entry == e }) {
			continue
		}
		url := strings.Join(e.PeerURLs, ",")
		name := s.memberAt(url)
		out = append(out, plan.Stranger{ID: e.ID, Name: e.Name, PeerURL: url, Member: name, Learner: e.Learner, Remains: s.remains(name)})
	}
	return out
}

// memberAt names the member of this cluster that this operator would have given peerURL to, empty if there is none.
func (s *Scene) memberAt(peerURL string) string {
	host := strings.TrimPrefix(strings.TrimPrefix(peerURL, "http://"), "https://")
	name, domain, _ := strings.Cut(host, ".")
	if strings.HasPrefix(name, s.Cluster.Name+"-") && domain == fmt.Sprintf("%s.%s.svc:2380", s.Cluster.Name, s.Cluster.Namespace) {
		return name
	}
	return ""
}

// remains says whether there is a Pod or a volume of a member without an EtcdMember.
func (s *Scene) remains(member string) bool {
	return slices.Contains(s.Pods, member) ||
		slices.ContainsFunc(s.Orphans, func(c *corev1.PersistentVolumeClaim) bool { return c.Labels[v1alpha2.LabelMember] == member })
}

// ParseID reads an ID as status holds it, in hexadecimal; 0 if there is none.
func ParseID(s string) uint64 {
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0
	}
	return id
}

// FormatID writes an ID as status holds it.
func FormatID(id uint64) string { return strconv.FormatUint(id, 16) }

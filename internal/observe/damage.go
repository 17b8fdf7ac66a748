package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// finding is what is wrong with a member, in words and as evidence.
type finding struct {
	plan.Finding
	message string
	serving bool // it counts although the member serves
}

// trouble weighs what is wrong with m. A failure that Kubernetes shows is old news when the member answers.
func (s *Scene) trouble(m *Member, p *plan.Member, now time.Time) {
	f := s.find(m, p, now)
	switch {
	case f.Reason != "" && (f.serving || unheard(p)):
		judge(f, p)
	case p.Barred:
		p.Trouble = "it asks who calls, and does not let the operator in"
	case p.Healthy || p.Dormant || p.Confirmed:
	case m.Answer.Status != nil && !p.Answered:
		p.Trouble = fmt.Sprintf("answers as member %x of cluster %x, which is not on record", m.Answer.Status.MemberID, m.Answer.Status.ClusterID)
	case !podReady(m.Pod):
		p.Starting = true
	default:
		p.Trouble = "does not answer"
	}
}

// unheard members did not even say that the operator is not let in.
func unheard(p *plan.Member) bool { return !p.Answered && !p.Barred }

func judge(f finding, p *plan.Member) {
	j := plan.Judge(f.Finding)
	p.Trouble = f.Reason
	if f.message != "" {
		p.Trouble += ": " + strings.TrimSuffix(f.message, ".")
	}
	p.Lost, p.Loss, p.Soft, p.Await = j.Lost, f.Reason, j.Class.Soft, j.Await
	p.Hopeless = j.Class.Gone
	p.Broken = j.Class.Gone || f.Reason == v1alpha2.FailureDataUnreadable
	p.Excused = j.Class.Remedy == plan.Heals
}

// find picks the evidence that weighs most.
func (s *Scene) find(m *Member, p *plan.Member, now time.Time) finding {
	nobody := m.Pod == nil || m.Pod.Spec.NodeName == "" // whose process could be heard
	f := finding{Finding: plan.Finding{ByNode: s.nodeGrace(), Missed: m.Missed || nobody}}
	switch {
	case p.Confirmed:
	case m.Object.Annotations[v1alpha2.AnnotationReplace] != "":
		f.Reason, f.serving = v1alpha2.FailureRequested, true
	case s.diverged(p.ID):
		f.Reason, f.serving = v1alpha2.FailureDataDiverged, true
		f.message = s.Cluster.Status.Consistency.Message
	case m.Object.Status.Failure != nil:
		s.recorded(&f, m.Object.Status.Failure, now)
	case p.Votes && m.Claim != nil && m.Claim.DeletionTimestamp != nil:
		f.Reason, f.serving = v1alpha2.FailureVolumeTerminating, true
		f.message = "the PersistentVolumeClaim " + m.Claim.Name + " goes as soon as the Pod does"
	case m.Missed && running(m.Pod):
		f.Reason, f.message, f.For = v1alpha2.FailureUnreachable, "the leader does not hear it either", s.silentFor(m, now)
	}
	return f
}

// recorded fills in what the member controller says.
func (s *Scene) recorded(f *finding, failure *v1alpha2.MemberFailure, now time.Time) {
	f.Reason, f.message, f.Times, f.Proven = failure.Reason, failure.Message, int(failure.Times), failure.Proven
	if failure.Since != nil {
		f.For = now.Sub(failure.Since.Time)
		f.Agreed = s.agreedSince(failure.Since.Time)
	}
}

func (s *Scene) nodeGrace() time.Duration {
	if g := s.Cluster.Spec.MemberReplacement.NodeLossGracePeriodSeconds; g != nil {
		return time.Duration(*g) * time.Second
	}
	return 5 * time.Minute
}

// silentFor is since when status says that m is not healthy.
func (s *Scene) silentFor(m *Member, now time.Time) time.Duration {
	for _, line := range s.Cluster.Status.Members {
		if line.Name == m.Object.Name && line.UnhealthySince != nil {
			return now.Sub(line.UnhealthySince.Time)
		}
	}
	return 0
}

func (s *Scene) diverged(id uint64) bool {
	check := s.Cluster.Status.Consistency
	return check != nil && id != 0 && check.Verdict == v1alpha2.ConsistencyDiverged && slices.Contains(check.Diverged, FormatID(id))
}

func (s *Scene) agreedSince(since time.Time) bool {
	check := s.Cluster.Status.Consistency
	return check != nil && check.Verdict == v1alpha2.ConsistencyAgreed && check.CheckedAt.After(since)
}

// agreed says whether the voters that are listed now, all of them, were found to hold the same data.
func (s *Scene) agreed() bool {
	check := s.Cluster.Status.Consistency
	if check == nil || s.List == nil || check.Verdict != v1alpha2.ConsistencyAgreed {
		return false
	}
	voters := 0
	for _, e := range s.List.Members {
		if e.Learner {
			continue
		}
		voters++
		if !slices.Contains(check.Compared, FormatID(e.ID)) {
			return false
		}
	}
	return voters == len(check.Compared)
}

// records fills in what is written about m elsewhere than in its own status.
func (s *Scene) records(m *Member, p *plan.Member) {
	p.Condemned = slices.ContainsFunc(s.Cluster.Status.Replacements, func(r v1alpha2.ReplacementRecord) bool { return r.Member == p.Name })
	p.Remembered = m.Claim != nil && m.Claim.Annotations[v1alpha2.AnnotationMemberID] != ""
}

// replacements fills in the policy and the budget.
func (s *Scene) replacements(c *plan.Cluster, now time.Time) {
	policy := s.Cluster.Spec.MemberReplacement
	c.Manual = policy.Mode == v1alpha2.ReplacementManual
	c.MaxPerHour = 5
	if policy.MaxPerHour != nil {
		c.MaxPerHour = int(*policy.MaxPerHour)
	}
	for _, r := range s.Cluster.Status.Replacements {
		if ago := now.Sub(r.Time.Time); ago < time.Hour {
			c.Begun = append(c.Begun, plan.Begun{Reason: r.Reason, Ago: ago})
		}
	}
}

// volumes fills in what lies about. What is on its way out is not picked up.
func (s *Scene) volumes(c *plan.Cluster, now time.Time) {
	for _, claim := range s.Orphans {
		name := claim.Labels[v1alpha2.LabelMember]
		if claim.DeletionTimestamp == nil && name == resource.MemberName(s.Cluster.Name, s.Cluster.UID, Ordinal(claim)) {
			c.Orphans = append(c.Orphans, plan.Orphan{
				Volume: claim.Name, Member: name, Voter: claim.Annotations[v1alpha2.AnnotationMemberID] != "",
			})
		}
	}
	c.AsideFor = 24 * time.Hour
	if ttl := s.Cluster.Spec.Storage.ReplacedVolumeTTLSeconds; ttl != nil {
		c.AsideFor = time.Duration(*ttl) * time.Second
	}
	policy := s.Cluster.Spec.Storage.PersistentVolumeClaimRetentionPolicy
	c.Retain = policy != nil && policy.WhenScaled == v1alpha2.VolumeRetain
	c.Owners = s.owners()
	for _, claim := range s.Aside {
		if claim.DeletionTimestamp == nil && claim.Labels[v1alpha2.LabelSetAside] != v1alpha2.SetAsideScaledDown {
			c.Aside = append(c.Aside, plan.Aside{Volume: claim.Name, For: now.Sub(asideSince(claim))})
		}
	}
}

// asideSince is when claim was set aside; one that does not say counts from when it was made, and so does not stay for ever.
func asideSince(claim *corev1.PersistentVolumeClaim) time.Time {
	at, err := time.Parse(time.RFC3339, claim.Annotations[v1alpha2.AnnotationSetAsideAt])
	if err != nil {
		return claim.CreationTimestamp.Time
	}
	return at
}

// alarms fills in the alarms, as any member that answered knows them, and whether the data agree.
func (s *Scene) alarms(c *plan.Cluster) {
	c.Agreed = s.agreed()
	for _, m := range s.Members {
		if m.Answer.Status == nil {
			continue
		}
		c.DBSize = max(c.DBSize, m.Answer.Status.DBSize)
		for _, a := range m.Answer.Status.Alarms {
			alarm := plan.Alarm{ID: a.MemberID, Corrupt: a.Type == etcd.AlarmCorrupt}
			if !slices.Contains(c.Alarms, alarm) {
				c.Alarms = append(c.Alarms, alarm)
			}
		}
	}
}

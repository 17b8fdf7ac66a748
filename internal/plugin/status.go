package plugin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/quorum"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// defaultQuota is etcd's quota where none is set (server/storage/quota.go, DefaultQuotaBytes).
const defaultQuota = 2 << 30 // bytes

// statusOf is what there is to tell about a cluster after a look at it. It is pure.
func statusOf(o *observation) ClusterStatus {
	s := recorded(o.cluster, o.at)
	s.Members = members(o)
	if o.scene != nil {
		r, turns := rollout(o, s.Operator)
		s.Rollout = r
		for i, turn := range turns {
			s.Members[i].Turn = turn
		}
	}
	if o.blind != nil {
		s.Notes = append(s.Notes, fmt.Sprintf("cannot ask the members, so this is %s: %s", statusAge(s.StatusAgeSeconds), brief(o.blind)))
		return s
	}
	s.Source = Live
	s.Alarms = alarms(o)
	s.Health = health(verdicts{
		available: plan.Available(o.seen), degraded: plan.Degraded(o.seen).Holds || len(s.Alarms) > 0,
		outlook: o.decision.Outlook, reason: o.decision.Reason, paused: o.seen.Want == 0,
	})
	s.Quorum = quorumOf(o.seen.Voters(), o.seen.HealthyVoters())
	s.MembersReady = 0
	for _, m := range o.seen.Members {
		if m.Role == plan.Voter && m.Healthy && m.Ready {
			s.MembersReady++
		}
	}
	if s.Leader = ""; o.scene.Leader() != nil {
		s.Leader = o.scene.Leader().Object.Name
	}
	s.figures(o)
	if here := answerOf(o.decision); here.Reason != s.Operator.Reason || here.Outlook != s.Operator.Outlook {
		s.FromHere = &here
	}
	s.Notes = append(s.Notes, notes(o, s.StatusAgeSeconds)...)
	return s
}

// recorded is what the status of an EtcdCluster tells.
func recorded(c *v1alpha2.EtcdCluster, now time.Time) ClusterStatus {
	st := &c.Status
	s := ClusterStatus{
		TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "ClusterStatus"},
		Name:     c.Name, Namespace: c.Namespace,
		Source: FromStatus, StatusAgeSeconds: age(c, now),
		MembersWanted: wanted(c), MembersReady: int(st.ReadyMembers),
		Version: st.Version, ClusterID: st.ClusterID, Leader: st.Leader,
		Endpoint: resource.ServiceURL(c, resource.StageOf(c, resource.ClientPlane) != v1alpha2.TLSPlain),
		Operator: said(c),
		Members:  []Member{},
	}
	if s.Version == "" {
		s.Version = c.Spec.Version
	}
	if last := st.LastSnapshot; last != nil {
		s.LastSnapshot = &LastSnapshot{
			Name: last.Name, AgeSeconds: max(int64(now.Sub(last.CompletedAt.Time).Seconds()), 0), SizeBytes: last.SizeBytes,
			Revision: last.Revision, Verified: last.Verified,
		}
	}
	voters, healthy := 0, 0
	for i := range st.Members {
		m := recordedMember(&st.Members[i], st.Leader)
		s.Members = append(s.Members, m)
		for _, a := range m.Alarms {
			s.Alarms = append(s.Alarms, a+" on "+m.Name)
		}
		if st.Members[i].Role == v1alpha2.MemberRoleVoter {
			voters++
			if m.Healthy {
				healthy++
			}
		}
		if d := m.Database; d != nil && (s.Database == nil || d.SizeBytes > s.Database.SizeBytes) {
			s.Database = &Database{SizeBytes: d.SizeBytes, InUseBytes: d.InUseBytes, QuotaBytes: quota(c)}
		}
	}
	s.Quorum = quorumOf(voters, healthy)
	s.Rollout = recordedRollout(c, s.Operator)
	s.Health = recordedHealth(c, len(s.Alarms) > 0, s.Operator.Answer)
	return s
}

func quorumOf(voters, healthy int) Quorum {
	q := Quorum{Voters: voters, Healthy: healthy}
	if voters > 0 {
		q.MustAgree = quorum.Size(voters)
		q.MayFail = max(healthy-q.MustAgree, 0)
	}
	return q
}

func wanted(c *v1alpha2.EtcdCluster) int {
	if c.Spec.Replicas == nil {
		return 3
	}
	return int(*c.Spec.Replicas)
}

func quota(c *v1alpha2.EtcdCluster) int64 {
	if o := c.Spec.Options; o != nil && o.QuotaBackendBytes != nil && *o.QuotaBackendBytes > 0 {
		return *o.QuotaBackendBytes
	}
	return defaultQuota
}

// age is how many seconds ago the status was written; the API server keeps the time of the last change.
func age(c *v1alpha2.EtcdCluster, now time.Time) *int64 {
	var last time.Time
	for _, f := range c.ManagedFields {
		if f.Subresource == "status" && f.Time != nil && f.Time.After(last) {
			last = f.Time.Time
		}
	}
	if last.IsZero() {
		return nil
	}
	return new(max(int64(now.Sub(last)/time.Second), 0))
}

// said is what the operator published, as the planner's answer it once was.
func said(c *v1alpha2.EtcdCluster) Operator {
	ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionReady)
	if ready == nil {
		return Operator{Behind: "the operator has not looked at this cluster yet: is it running?"}
	}
	o := Operator{Answer: Answer{Outlook: plan.Working.String(), Reason: ready.Reason, Message: ready.Message}}
	switch {
	case ready.Status == metav1.ConditionTrue:
		o.Outlook = plan.Fulfilled.String()
	case meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha2.ConditionStalled):
		o.Outlook = plan.Stuck.String()
	}
	if c.Status.ObservedGeneration != c.Generation {
		o.Behind = fmt.Sprintf("the operator has not seen the latest change of the spec: generation %d, seen %d",
			c.Generation, c.Status.ObservedGeneration)
	}
	return o
}

// answerOf is what the planner answers from here, as said tells what the operator published: waiting is work there.
func answerOf(d plan.Decision) Answer {
	outlook := d.Outlook
	if outlook == plan.Waiting {
		outlook = plan.Working
	}
	return Answer{Outlook: outlook.String(), Reason: d.Reason, Message: d.Message}
}

// figures takes over what the members say of themselves.
func (s *ClusterStatus) figures(o *observation) {
	s.Version, s.StorageVersion, s.Database = "", "", nil
	for _, m := range s.Members {
		if m.Source != Live {
			continue
		}
		if s.Version == "" || older(m.Version, s.Version) {
			s.Version = m.Version
		}
		if s.StorageVersion == "" || older(m.StorageVersion, s.StorageVersion) {
			s.StorageVersion = m.StorageVersion
		}
		if d := m.Database; d != nil && (s.Database == nil || d.SizeBytes > s.Database.SizeBytes) {
			s.Database = new(*d)
		}
	}
	if s.Version == "" {
		s.Version = o.cluster.Spec.Version
	}
	s.Revision = revision(o)
}

// revision is that of the member that is furthest.
func revision(o *observation) (newest int64) {
	for i, m := range o.scene.Members {
		if o.seen.Members[i].Answered {
			newest = max(newest, m.Answer.Status.Revision)
		}
	}
	return newest
}

func older(a, b string) bool {
	va, err := version.ParseGeneric(a)
	if err != nil {
		return false
	}
	vb, err := version.ParseGeneric(b)
	return err == nil && va.LessThan(vb)
}

// alarms are those that the members tell of, each once.
func alarms(o *observation) []string {
	var out []string
	for i, m := range o.scene.Members {
		if !o.seen.Members[i].Answered {
			continue
		}
		for _, a := range m.Answer.Status.Alarms {
			text := string(a.Type)
			if a.MemberID != 0 {
				text += " on " + nameOf(o, a.MemberID)
			}
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out)
	return out
}

// nameOf is the member with this ID, or the ID.
func nameOf(o *observation, id uint64) string {
	for _, m := range o.seen.Members {
		if m.ID == id {
			return m.Name
		}
	}
	return observe.FormatID(id)
}

// notes say what is missing from the picture.
func notes(o *observation, written *int64) []string {
	var out, old []string
	for i, m := range o.scene.Members {
		if err := o.failures[m.Object.Name]; err != nil {
			out = append(out, fmt.Sprintf("%s cannot be reached from here: %s", m.Object.Name, brief(err)))
		}
		if p := o.seen.Members[i]; !p.Answered && summary(o.cluster, p.Name) != nil && summary(o.cluster, p.Name).DBSize != nil {
			old = append(old, p.Name)
		}
	}
	if len(old) > 0 {
		out = append(out, fmt.Sprintf("figures of %s are %s", strings.Join(old, ", "), statusAge(written)))
	}
	if len(o.unread) > 0 {
		out = append(out, fmt.Sprintf("not allowed to read every %s: taken for what it should be", strings.Join(o.unread, ", ")))
	}
	return out
}

// brief is an error without what wraps and repeats around it.
func brief(err error) string {
	return strings.TrimPrefix(err.Error(), "unable to upgrade connection: ")
}

func statusAge(seconds *int64) string {
	if seconds == nil {
		return "from status"
	}
	return fmt.Sprintf("from status, %s old", duration(*seconds))
}

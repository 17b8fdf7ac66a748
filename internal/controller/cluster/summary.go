package cluster

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// summaries is a line about each member. Figures that always move a little keep their old value until they have moved
// noticeably, so that a cluster at rest costs no writes.
func summaries(s *observe.Scene, seen plan.Cluster, old []v1alpha2.MemberSummary, now time.Time) []v1alpha2.MemberSummary {
	out := make([]v1alpha2.MemberSummary, len(s.Members))
	for i, m := range s.Members {
		p := seen.Members[i]
		out[i] = v1alpha2.MemberSummary{
			Name: p.Name, Role: roles[p.Role], Healthy: p.Healthy, Message: p.Trouble, MemberID: m.Object.Status.MemberID,
		}
		if p.ID != 0 {
			out[i].MemberID = observe.FormatID(p.ID)
		}
		before := v1alpha2.MemberSummary{}
		if j := slices.IndexFunc(old, func(o v1alpha2.MemberSummary) bool { return o.Name == p.Name }); j >= 0 {
			before = old[j]
		}
		out[i].VolumeSize = capacity(m)
		out[i].UnhealthySince = unhealthySince(p, before.UnhealthySince, now)
		if !p.Answered {
			continue
		}
		st := m.Answer.Status
		out[i].Version = st.Version
		out[i].DBSize = resource.NewQuantity(st.DBSize, resource.BinarySI)
		out[i].DBSizeInUse = resource.NewQuantity(st.DBSizeInUse, resource.BinarySI)
		if l := s.Leader(); l != nil {
			lag := max(int64(l.Answer.Status.RaftIndex)-int64(st.RaftAppliedIndex), 0)
			out[i].RaftIndexLag = &lag
		}
		out[i].Alarms = s.Alarms(st.MemberID)
		steady(&out[i], before)
	}
	return out
}

// capacity is that of a member's volume, nil if it has none.
func capacity(m *observe.Member) *resource.Quantity {
	if m.Claim == nil || m.Object.Spec.Storage.Medium == v1alpha2.StorageMediumMemory {
		return nil
	}
	size, known := m.Claim.Status.Capacity[corev1.ResourceStorage]
	if !known {
		return nil
	}
	return &size
}

var roles = map[plan.Role]v1alpha2.MemberRole{
	plan.Voter: v1alpha2.MemberRoleVoter, plan.Learner: v1alpha2.MemberRoleLearner, plan.Unlisted: v1alpha2.MemberRoleUnlisted,
}

// steady takes figures over from before that differ by less than a tenth, or by less than steps that etcd takes by itself at
// rest: a page of a small database is used and freed all the time. Lags below 1000 entries are all alike.
func steady(now *v1alpha2.MemberSummary, before v1alpha2.MemberSummary) {
	now.DBSize = steadySize(now.DBSize, before.DBSize)
	now.DBSizeInUse = steadySize(now.DBSizeInUse, before.DBSizeInUse)
	const small = 1000
	if a, b := now.RaftIndexLag, before.RaftIndexLag; a != nil && b != nil && *a < small && *b < small {
		now.RaftIndexLag = b
	}
}

func steadySize(now, before *resource.Quantity) *resource.Quantity {
	if before == nil {
		return now
	}
	const small = 1 << 20 // bytes
	if d := now.Value() - before.Value(); max(d, -d) < max(small, before.Value()/10) {
		return before
	}
	return now
}

func older(a, b string) bool {
	va, err := version.ParseSemantic(a)
	if err != nil {
		return false
	}
	vb, err := version.ParseSemantic(b)
	return err == nil && va.LessThan(vb)
}

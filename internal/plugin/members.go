package plugin

import (
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// members tells about each member from all sides: what it says itself, else what the operator wrote down last.
func members(o *observation) []Member {
	if o.scene == nil {
		out := []Member{}
		for i := range o.cluster.Status.Members {
			out = append(out, recordedMember(&o.cluster.Status.Members[i], o.cluster.Status.Leader))
		}
		return out
	}
	out := make([]Member, len(o.scene.Members))
	for i, m := range o.scene.Members {
		p := o.seen.Members[i]
		if was := summary(o.cluster, p.Name); was != nil {
			out[i] = recordedMember(was, o.cluster.Status.Leader)
		} else {
			out[i] = Member{Source: FromStatus, State: "new"}
		}
		if o.blind == nil {
			live(&out[i], o, m, p)
		}
		out[i].Name, out[i].Endpoint = p.Name, observe.ClientURL(m.Object)
		out[i].Ready = p.Ready
		pod(&out[i], m)
	}
	return out
}

func summary(c *v1alpha2.EtcdCluster, member string) *v1alpha2.MemberSummary {
	i := slices.IndexFunc(c.Status.Members, func(m v1alpha2.MemberSummary) bool { return m.Name == member })
	if i < 0 {
		return nil
	}
	return &c.Status.Members[i]
}

// recordedMember is a member as the operator wrote it down.
func recordedMember(was *v1alpha2.MemberSummary, leader string) Member {
	m := Member{
		Name: was.Name, ID: was.MemberID, Role: string(was.Role), Healthy: was.Healthy, Version: was.Version,
		Lag: was.RaftIndexLag, Alarms: was.Alarms, Trouble: was.Message, Source: FromStatus, State: "ok",
	}
	switch {
	case was.Name == leader:
		m.Role = "leader"
	case leader != "" && was.Role == v1alpha2.MemberRoleVoter:
		m.Role = "follower"
	}
	switch reason, _, found := strings.Cut(was.Message, ": "); {
	case found && !strings.Contains(reason, " "):
		m.State = reason
	case !was.Healthy:
		m.State = "not healthy"
	case len(was.Alarms) > 0:
		m.State = strings.Join(was.Alarms, ", ")
	}
	if was.DBSize != nil {
		m.Database = &Database{SizeBytes: was.DBSize.Value()}
		if was.DBSizeInUse != nil {
			m.Database.InUseBytes = was.DBSizeInUse.Value()
		}
	}
	return m
}

// live puts what was seen over what was on record.
func live(m *Member, o *observation, from *observe.Member, p plan.Member) {
	m.Healthy, m.Trouble = p.Healthy, p.Trouble
	m.State, m.Role = state(p, from), role(p, o)
	if p.ID != 0 {
		m.ID = observe.FormatID(p.ID)
	}
	if !p.Answered {
		return
	}
	st := from.Answer.Status
	m.Source, m.Version, m.StorageVersion = Live, st.Version, st.StorageVersion
	m.RaftIndex, m.RaftAppliedIndex, m.Term = st.RaftIndex, st.RaftAppliedIndex, st.RaftTerm
	m.Database = &Database{SizeBytes: st.DBSize, InUseBytes: st.DBSizeInUse, QuotaBytes: st.DBSizeQuota}
	if m.Database.QuotaBytes == 0 { // etcd 3.5 does not tell
		m.Database.QuotaBytes = quota(o.cluster)
	}
	if m.Lag = nil; o.scene.Leader() != nil {
		m.Lag = new(lag(o.scene.Leader().Answer.Status.RaftIndex, st.RaftAppliedIndex))
	}
	m.Alarms = o.scene.Alarms(st.MemberID)
	if m.State == "ok" && len(m.Alarms) > 0 {
		m.State = strings.Join(m.Alarms, ", ")
	}
}

func lag(leader, applied uint64) int64 {
	return int64(leader - min(applied, leader))
}

func role(p plan.Member, o *observation) string {
	switch {
	case p.Leader:
		return "leader"
	case p.Role == plan.Voter && o.scene.Leader() != nil:
		return "follower"
	case p.Role == plan.Voter:
		return "voter"
	case p.Role == plan.Learner:
		return "learner"
	}
	return "unlisted"
}

// state is how a member is, in a word or two. What was meant to happen to it comes before what ails it.
func state(p plan.Member, from *observe.Member) string {
	switch {
	case p.Confirmed:
		return "removed"
	case p.Leaving:
		return "leaving"
	case p.Dormant && p.Stopped:
		return "parked"
	case p.Dormant:
		return "parking"
	case from.Object.Status.Failure != nil:
		return from.Object.Status.Failure.Reason
	case p.Answered && !p.Healthy:
		return "no quorum"
	case p.Trouble != "" && from.Answer.Status != nil:
		return "not itself"
	case p.Trouble != "":
		return unheard(p)
	}
	return progress(p)
}

func unheard(p plan.Member) string {
	if p.Barred {
		return "not let in"
	}
	return "no answer"
}

// progress is how far a member is with which nothing is wrong.
func progress(p plan.Member) string {
	switch {
	case p.Role == plan.Unlisted:
		return "joining"
	case p.Answered && p.Role == plan.Learner && p.CaughtUp:
		return "caught up"
	case p.Answered && p.Role == plan.Learner:
		return "catching up"
	case p.Stopped:
		return "no Pod"
	case !p.Healthy:
		return "starting"
	case !p.Ready:
		return "not ready"
	}
	return "ok"
}

func pod(m *Member, from *observe.Member) {
	if from.Pod == nil {
		return
	}
	m.Node = from.Pod.Spec.NodeName
	for _, c := range from.Pod.Status.ContainerStatuses {
		if c.Name == "etcd" {
			m.Restarts = new(c.RestartCount)
		}
	}
}

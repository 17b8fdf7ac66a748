package plan

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// wrong says what is wrong with a decision, "" if nothing is. It judges by what is true, and restates every rule of
// safety without the planner's own words.
func wrong(w *world, d Decision) string {
	switch {
	case d.Rule == "" || d.Reason == "" || d.Message == "" || strings.Contains(d.Reason, " "):
		return "the decision does not say why"
	case d.Step == Step(Nothing{}) && d.Recheck <= 0:
		return "nobody looks again"
	case d.Step == Step(Nothing{}):
		return wrongRest(w, d)
	case d.Outlook != Working:
		return "a step, but not working"
	}
	return wrongStep(w, d.Step)
}

func wrongRest(w *world, d Decision) string {
	switch {
	case d.Outlook == Working:
		return "working on nothing"
	case d.Outlook == Fulfilled && !w.fulfilled():
		return "called fulfilled, but it is not as asked for"
	}
	return ""
}

// fulfilled: as many members as wanted, each a ready voter on record, or every one of them parked.
func (w *world) fulfilled() bool {
	if w.want == 0 {
		awake := w.any(func(m truth) bool {
			return !m.confirmed && (m.orphan && m.remembered || !m.orphan && (!m.dormant || m.process != noPod))
		})
		return w.formed && !w.memory && !awake && w.any(func(m truth) bool { return !m.orphan }) || !w.formed && w.founders == 0 && w.n == 0
	}
	whole := w.count(func(m truth) bool {
		return m.role == Voter && m.process == up && m.ready && m.recorded && m.votes && !m.leaving && !m.dormant &&
			m.given == w.asks && m.runs == w.asks
	})
	return w.formed && w.opened && whole == w.want && w.n == w.want && w.stranger == nobody && w.agrees()
}

// first returns the first complaint that holds.
func first(complaints ...func() string) string {
	for _, c := range complaints {
		if s := c(); s != "" {
			return s
		}
	}
	return ""
}

func unless(ok bool, complaint string) func() string {
	return func() string {
		if ok {
			return ""
		}
		return complaint
	}
}

// wrongStep says what must not be true when a step is taken.
func wrongStep(w *world, s Step) string {
	leaving := w.any(func(m truth) bool { return m.leaving && !m.confirmed })
	switch s := s.(type) {
	case Nothing:
	case NameFounders:
		return first(
			unless(!w.formed && w.founders == 0, "founded twice"),
			unless(w.n == 0 && !w.orphans, "founded although members or volumes exist"),
			unless(w.want > 0 && s.Count == w.want, "founded with another size than wanted"))
	case CreateFounder:
		return first(
			unless(!w.formed, "a founder is created after the cluster has formed"),
			unless(w.index(s.Name) < w.founders && w.index(s.Name) >= w.n, "no founder, or created twice"))
	case RecordCluster:
		return unless(!w.formed && w.answers() && s.ClusterID == cluster, "recorded a cluster that nobody confirmed")()
	case Apply:
		n := w.count(func(m truth) bool { return m.role == Voter && m.recorded && m.votes })
		return unless(w.formed && n >= majority(w.voters()), "opened to clients before a majority is on record")()
	case Record:
		m := w.at(s.Member)
		return first(
			unless(m.process == up && w.answers() && m.role != Unlisted, "recorded a member that did not answer"),
			unless(s.Voter == (m.role == Voter), "recorded a vote that it does not have, or no vote although it has one"))
	case CreateMember:
		return first(w.listKnown,
			unless(w.count(isStayer)-w.count(isOnRecord) < w.want || w.mayRenew(), "more members than wanted"),
			unless(!w.any(isOnRecord) || w.voters() >= 5, "a successor comes first in a cluster that cannot take one"),
			unless(!w.any(func(m truth) bool { return !m.leaving && m.role != Voter }), "another one is joining"),
			unless(w.voters() == 1 || !leaving, "another one is leaving"))
	case AddLearner:
		m := w.named(s.Name)
		return first(w.listKnown,
			unless(m.role == Unlisted && !m.leaving, "is listed already, or leaving"),
			w.wrongToAdd)
	case Admit:
		return first(w.listKnown, unless(w.at(s.Member).role == Learner, "started before it is listed"))
	case Promote:
		m := w.at(s.Member)
		return first(w.listKnown,
			unless(!m.leaving, "promotes one that is to leave"),
			func() string { return w.wrongToPromote(*m) })
	case MarkLeaving:
		m := *w.named(s.Name)
		return first(w.listKnown,
			unless(!m.leaving, "marked twice"),
			unless(m.condemned && (m.lost || m.role != Voter) || m.admitted && m.role == Unlisted || w.count(isStayer) > w.want,
				"no reason to leave, or not on record"),
			unless(s.Keep == (m.votes && s.Reason != "ScaledDown" && s.Reason != "Renewed"),
				"the volume of a lost voter is not kept, or another one's is"),
			unless(!leaving || m.role != Voter || !m.process.connected(), "another one is leaving"),
			unless(m.role != Voter || w.voters() > 1, "the last voter is to leave"))
	case MoveLeader:
		return first(w.listKnown,
			unless(w.leader == w.index(s.From.Name) && (w.at(s.From).leaving || w.at(s.From).given != w.target()),
				"leadership is taken from one that does not lead, or stays"),
			unless(healthyVoter(*w.at(s.To)) && s.From != s.To, "leadership goes to one that cannot lead"))
	case Remove:
		m, i := *w.at(s.Member), w.index(s.Member.Name)
		return first(w.listKnown,
			unless(m.leaving && m.role != Unlisted, "removes one that is not leaving, or not listed"),
			unless(w.stranger != foreignVoter && w.stranger != foreignMember, "removes one beside an unknown member"),
			unless(w.leader != i || m.process != up || w.healthyButFor(m) == 0, "removes the leader while another could lead"),
			func() string { return w.wrongToRemove(m) })
	case RecordReplacement:
		return first(w.listKnown, func() string { return w.wrongToReplace(*w.named(s.Name)) })
	case Adopt:
		m := w.named(s.Name)
		return unless(m.orphan && !m.lost && (m.remembered || m.role == Voter && w.answers()), "adopts what nobody needs, or what is gone")()
	case Recall:
		m := w.named(s.Name)
		return unless(!m.orphan && m.remembered && !m.recorded, "recalls what is on record, or nowhere")()
	case SetAside:
		m := w.named(strings.TrimPrefix(s.Volume, volumeOf))
		return first(w.listKnown, unless(m.orphan && m.role != Voter, "takes the volume of a voter, or of a member, out of use"))
	case Update:
		return w.wrongToUpdate(w.index(s.Name))
	case RecordTemplate, RecordFailure:
		return w.wrongRecord(s)
	case DropVolume, Disarm, Nudge, Adapt, Readdress:
		return "there is nothing to delete, and no alarm"
	case RemoveStranger:
		if s.ID == strangers[unstarted].ID {
			return first(w.listKnown, unless(w.stranger == unstarted, "removes a member that is not ours"))
		}
		m := w.members[s.ID-1]
		return first(w.listKnown,
			unless(m.orphan && (m.lost || m.aside), "removes a member of which something is left"),
			func() string { return w.wrongToRemove(m) })
	case ConfirmRemoval:
		m := w.named(s.Name)
		return first(w.listKnown,
			unless(m.role == Unlisted, "confirms what etcd has not let go"),
			unless(m.leaving && !m.confirmed, "confirms what nobody asked for, or twice"))
	case DeleteMember:
		m := w.named(s.Name)
		return unless(m.confirmed && m.gone && m.role == Unlisted, "deletes a member of which something is left")()
	case Park:
		return w.wrongToPark(w.index(s.Name))
	case Wake:
		return unless(w.want > 0 && w.named(s.Name).dormant, "wakes a member of a paused cluster, or one that is awake")()
	}
	return ""
}

func (w *world) listKnown() string {
	return unless(w.answers(), "changes the membership without a list of members")()
}

// isOnRecord members are to be replaced, and nothing has been done about it yet.
func isOnRecord(m truth) bool { return m.condemned && !m.leaving && (m.lost || m.role != Voter) }

func (w *world) wrongToReplace(m truth) string {
	return first(
		unless(m.lost || m.role == Learner && w.overdue, "nothing says that it is lost"),
		unless(!m.leaving && !m.condemned, "replaced twice"),
		unless(!w.any(isOnRecord), "another one is being replaced"),
		unless(!w.spent, "the budget is spent"),
		unless(!w.manual || m.role != Voter, "people decide"),
		func() string {
			if m.role == Unlisted {
				return ""
			}
			return w.wrongToRemove(m)
		})
}

func (w *world) wrongToAdd() string {
	return first(
		unless(w.learners() == 0, "a second learner"),
		unless(w.mayAdd(), "etcd would refuse to add"))
}

func (w *world) wrongToPromote(m truth) string {
	return first(
		unless(m.role == Learner && m.process == up && m.caughtUp, "promotes one that lags or is gone"),
		unless(m.recorded, "promotes one whose volume is not on record"),
		unless(w.connected()+1 >= majority(w.voters()+1), "no majority after the promotion"))
}

func (w *world) wrongToRemove(m truth) string {
	others := w.healthyButFor(m)
	return first(
		unless(w.mayRemove(m), "etcd would refuse to remove"),
		unless(m.role != Voter || w.voters() > 1 && others >= majority(w.voters()-1), "no majority after the removal"),
		unless(!healthyVoter(m) || w.voters() < 4 || others-1 >= majority(w.voters()-1), "one more failure loses the majority"))
}

func (w *world) wrongToPark(i int) string {
	others := *w
	others.drop(i)
	awake := others.any(func(m truth) bool { return !m.orphan && !m.confirmed && (!m.dormant || m.process != noPod) })
	return first(
		unless(w.formed && w.want == 0 && !w.memory, "parks a member of a cluster that is wanted, or whose data it would lose"),
		unless(!w.members[i].dormant, "parks it twice"),
		unless(w.leader != i || w.members[i].process != up || !awake, "parks the leader before the others have stopped"))
}

// TestWhatIsAdmissibleIsSafe asks of every member whether it may be added, promoted or removed, also where no rule would.
func TestWhatIsAdmissibleIsSafe(t *testing.T) {
	var c Cluster
	check := func(w *world, m string, no Refusal, complaint string) {
		if no.None() && complaint != "" {
			t.Fatalf("%s: %s\n%s", m, complaint, describeWorld(w))
		}
	}
	eachMultiset(0, 1, 4, func(w world) {
		vary(w, func(w *world) {
			w.observe(&c)
			check(w, "anybody", MayAdd(c, Member{}), first(w.listKnown, w.wrongToAdd))
			for _, m := range c.Members {
				is := *w.named(m.Name)
				if m.Role == Learner {
					check(w, m.Name, MayPromote(c, m), w.wrongToPromote(is))
				}
				if m.Role != Unlisted {
					check(w, m.Name, MayRemove(c, m), first(w.listKnown, func() string { return w.wrongToRemove(is) }))
				}
			}
		})
	})
}

// TestForbiddenClusterIsLeftAlone: no step and no claim while the user, or a name that is taken, forbids it.
func TestForbiddenClusterIsLeftAlone(t *testing.T) {
	forbid := map[string]func(*Cluster){
		"ReconcilingDisabled": func(c *Cluster) { c.Disabled = true },
		"NameTaken":           func(c *Cluster) { c.Taken = []string{"Service demo"} },
	}
	eachMultiset(0, 1, 3, func(w world) {
		var c Cluster
		w.observe(&c)
		for reason, forbid := range forbid {
			seen := c
			forbid(&seen)
			if d := Next(seen); d.Step != Step(Nothing{}) || d.Outlook == Fulfilled || d.Reason != reason {
				t.Fatalf("%s: %s %s\n%s", reason, d.Reason, describe(d.Step), describeWorld(&w))
			}
		}
	})
}

func describeWorld(w *world) string {
	var b strings.Builder
	fmt.Fprintf(&b, "want=%d leader=%d formed=%t founders=%d memory=%t opened=%t stranger=%d orphans=%t eager=%t\n",
		w.want, w.leader, w.formed, w.founders, w.memory, w.opened, w.stranger, w.orphans, w.eager)
	fmt.Fprintf(&b, "asks=%d known=%d failed=%t bad=%b renews=%t overdue=%t\n", w.asks, w.known, w.failed, w.bad, w.renews, w.overdue)
	for i := range w.n {
		m := reflect.ValueOf(w.members[i])
		fmt.Fprintf(&b, "  %s role=%d process=%d given=%d runs=%d", nameable[i:i+1], w.members[i].role, w.members[i].process, w.members[i].given,
			w.members[i].runs)
		for f := range m.NumField() {
			if m.Field(f).Kind() == reflect.Bool && m.Field(f).Bool() {
				fmt.Fprintf(&b, " %s", m.Type().Field(f).Name)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

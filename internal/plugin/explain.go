package plugin

import (
	"fmt"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// overdue is how long the operator may need to take a step that is due before it is called suspicious: its longest pause
// between two looks (30 s), and a change of leadership among its replicas.
const overdue = 60 // seconds

// explain tells what the operator's rules say to what was seen. It is pure.
func explain(o *observation) Explanation {
	e := Explanation{
		TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "Explanation"},
		Name:     o.cluster.Name, Namespace: o.cluster.Namespace,
		Operator: said(o.cluster), OperatorAgeSeconds: age(o.cluster, o.at), Verdicts: []Verdict{},
	}
	if o.scene != nil {
		e.Rollout, _ = rollout(o, e.Operator)
	}
	if o.blind != nil {
		e.Notes = append(e.Notes, "cannot ask the members, so nothing can be decided from here: "+brief(o.blind))
		return e
	}
	e.Notes = notes(o, e.OperatorAgeSeconds)
	e.Decision = decisionOf(o.decision)
	e.Verdicts = judge(o.seen)
	here := answerOf(o.decision)
	e.Agrees = e.Operator.Behind == "" && here.Outlook == e.Operator.Outlook && here.Reason == e.Operator.Reason
	if !e.Agrees {
		e.Difference = difference(e)
	}
	return e
}

func decisionOf(d plan.Decision) *Decision {
	return &Decision{
		Answer: Answer{d.Outlook.String(), d.Reason, d.Message},
		Rule:   d.Rule, RuleDoc: plan.RuleDoc(d.Rule), Step: stepText(d.Step),
		Refusal: d.Refusal.String(), RecheckSeconds: d.Recheck.Seconds(),
	}
}

// difference says what it may mean that the operator last said something else.
func difference(e Explanation) string {
	switch {
	case e.OperatorAgeSeconds == nil:
		return "the operator has written nothing yet: it is starting, not running, or not responsible for this namespace"
	case e.Decision.Step != "" && *e.OperatorAgeSeconds > overdue:
		return fmt.Sprintf("a step is due, and the operator has written nothing for %s: "+
			"it is not running, not allowed to act, or sees something else",
			duration(*e.OperatorAgeSeconds))
	case e.Operator.Outlook == plan.Working.String():
		return "the operator is at work, and may have been looked at between two steps"
	}
	return "the operator looks at least every 30 s: if it still says so in a minute, it is not running, or sees something else"
}

// stepText names a step and what it is about, such as "Promote demo-abc12"; empty for the step that is none.
func stepText(s plan.Step) string {
	if _, nothing := s.(plan.Nothing); nothing || s == nil {
		return ""
	}
	value := reflect.ValueOf(s)
	text := []string{value.Type().Name()}
	for i := range value.NumField() {
		switch field := value.Field(i).Interface().(type) {
		case plan.Ref:
			text = append(text, field.Name)
		case uint64:
			text = append(text, observe.FormatID(field))
		case bool:
			if field {
				text = append(text, "as "+strings.ToLower(value.Type().Field(i).Name))
			}
		default:
			text = append(text, fmt.Sprint(field))
		}
	}
	return strings.Join(text, " ")
}

// judge answers what may be done to each member now, and whether one more may come.
func judge(c plan.Cluster) []Verdict {
	out := []Verdict{verdict("", "add", plan.MayAdd(c, plan.Member{}))}
	for _, m := range c.Members {
		switch {
		case m.Role == plan.Learner:
			out = append(out, verdict(m.Name, "promote", plan.MayPromote(c, m)), verdict(m.Name, "remove", plan.MayRemove(c, m)))
		case m.Role == plan.Voter:
			out = append(out, verdict(m.Name, "remove", plan.MayRemove(c, m)))
		case !m.Leaving:
			out = append(out, verdict(m.Name, "add", plan.MayAdd(c, m)))
		}
	}
	for _, s := range c.Strangers {
		m := plan.Member{ID: s.ID, Role: plan.Voter}
		if s.Learner {
			m.Role = plan.Learner
		}
		out = append(out, verdict(observe.FormatID(s.ID), "remove", plan.MayRemove(c, m)))
	}
	return out
}

func verdict(member, change string, no plan.Refusal) Verdict {
	return Verdict{Member: member, Change: change, Allowed: no.None(), Invariant: no.Invariant, Why: no.Why}
}

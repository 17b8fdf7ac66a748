package plugin

import (
	"fmt"
	"strings"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// rolloutText is a line of a screen, and one of what is not in order.
func rolloutText(r *Rollout, above Operator, p page) string {
	if r == nil {
		return ""
	}
	sentence := r.sentence()
	if f := r.Failed; f != nil && !strings.Contains(above.Message, f.Message) {
		sentence += " (" + failure(f) + ")"
	}
	text := p.field("Rollout", sentence, paintOfRollout(r.Phase))
	if r.Phase == RolloutChecking || r.Phase == RolloutStopped {
		for _, c := range r.Checks {
			if !c.OK {
				text += p.field("", "not in order: "+checkText(c), yellow)
			}
		}
	}
	return text
}

// sentence says what is rolled out, and how far it is.
func (r *Rollout) sentence() string {
	what := r.what()
	switch r.Phase {
	case RolloutFailed:
		return fmt.Sprintf("%s: failed on %s; it is tried again when the spec changes, or after kubectl etcd restart", what, r.Failed.Member)
	case RolloutStopped:
		if r.Updated == 0 {
			return what + ": not begun, no member has been touched"
		}
		return fmt.Sprintf("%s: stopped, %d of %d members have it", what, r.Updated, r.Members)
	case RolloutAwaiting:
		return fmt.Sprintf("%s: %d of %d members have it; the others take it over when their Pods are deleted", what, r.Updated, r.Members)
	case RolloutChecking:
		return what + ": no member has been touched yet"
	default:
		return fmt.Sprintf("%s: %d of %d members have it", what, r.Updated, r.Members)
	}
}

// failure is what was seen of the member that did not come back.
func failure(f *v1alpha2.FailedRollout) string {
	if f.Message == "" {
		return f.Reason
	}
	return f.Reason + ": " + f.Message
}

// what is what members are to be given.
func (r *Rollout) what() string {
	var parts []string
	for _, field := range r.Changes {
		switch field {
		case "version":
		case "restartedAt":
			parts = append(parts, "restart as asked for")
		default:
			parts = append(parts, field)
		}
	}
	if r.FromVersion != "" && r.FromVersion != r.ToVersion {
		parts = append([]string{"version " + r.FromVersion + " -> " + r.ToVersion}, parts...)
	}
	if len(parts) == 0 {
		return "settings"
	}
	return strings.Join(parts, ", ")
}

func checkText(c v1alpha2.RolloutCheck) string {
	if c.Message == "" {
		return c.Name
	}
	return c.Name + ": " + c.Message
}

func paintOfRollout(phase RolloutPhase) paint {
	switch phase {
	case RolloutFailed, RolloutStopped:
		return red
	default:
		return yellow
	}
}

func paintOfTurn(turn Turn) paint {
	switch turn {
	case TurnDone:
		return green
	case TurnNow, TurnPod:
		return yellow
	case TurnFailed:
		return red
	default:
		return plain
	}
}

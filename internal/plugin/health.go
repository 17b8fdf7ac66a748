package plugin

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Exit codes of "status".
const (
	ExitHealthy     = 0
	ExitError       = 1
	ExitDegraded    = 2
	ExitUnavailable = 3
)

// ExitCode is the exit code that tells of h.
func (h Health) ExitCode() int {
	switch h {
	case Healthy, Paused:
		return ExitHealthy
	case Degraded, Stalled:
		return ExitDegraded
	default:
		return ExitUnavailable
	}
}

// verdicts are what a cluster's health follows from, seen live or on record.
type verdicts struct {
	available plan.Verdict
	degraded  bool
	outlook   plan.Outlook
	reason    string // of the decision
	paused    bool   // it is asked to be
}

func health(v verdicts) Health {
	switch {
	case v.paused && !v.available.Holds:
		return Paused // or about to be
	case v.available.Reason == v1alpha2.ReasonBootstrapping:
		return Forming
	case !v.available.Holds && (v.reason == "Starting" || v.reason == "Resuming"):
		return Starting
	case !v.available.Holds:
		return Unavailable
	case v.degraded:
		return Degraded
	case v.outlook == plan.Stuck:
		return Stalled
	}
	return Healthy
}

// recordedHealth follows from the conditions that the operator published.
func recordedHealth(c *v1alpha2.EtcdCluster, alarmed bool, said Answer) Health {
	available := meta.FindStatusCondition(c.Status.Conditions, v1alpha2.ConditionAvailable)
	if available == nil {
		return Unknown
	}
	v := verdicts{
		available: plan.Verdict{
			Holds:  meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha2.ConditionAvailable),
			Reason: available.Reason, Message: available.Message,
		},
		degraded: alarmed || meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha2.ConditionDegraded),
		reason:   said.Reason, paused: wanted(c) == 0,
	}
	if said.Outlook == plan.Stuck.String() {
		v.outlook = plan.Stuck
	}
	return health(v)
}

package certificate

import (
	"fmt"
	"slices"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// stage is how members are to be started on the plane.
func (p *plane) stage() plan.TLSStage { return plan.NextStage(p.transport()) }

func (p *plane) transport() plan.Transport {
	t := plan.Transport{
		Peers: p.kind == resource.PeerPlane, Wanted: p.wanted, Mutual: p.mutual, Announced: p.ready && p.announced(),
		Operator: p.accepted(), Now: plan.TLSStage(resource.StageOf(p.cluster, p.kind)),
	}
	for _, m := range p.members {
		t.Forming = t.Forming || p.cluster.Status.ClusterID == "" && m.object != nil
		t.Members = append(t.Members, plan.TransportMember{
			Supplied: p.papers[m.name].usable, Prepared: p.prepared(m), Secured: m.listens(),
		})
	}
	return t
}

// accepted says whether the operator has a certificate that members accept which are started now.
func (p *plane) accepted() bool {
	return len(p.trust.Clients) > 0 && slices.ContainsFunc(p.trust.Clients[0].Given.Vouchers, func(v string) bool {
		return slices.Contains(p.decision.Bundle, v)
	})
}

// prepared members run with a certificate, and will be started with one. So will those that are yet to be created.
func (p *plane) prepared(m *member) bool {
	_, next := resource.StartsWith(m.object, p.kind)
	_, runs := resource.RunsWith(m.pod, p.cluster.Name, p.kind)
	return m.object == nil || next && (runs || m.pod == nil)
}

// listens says whether other members have to speak TLS with m, or will have to when it is started again.
func (m *member) listens() bool {
	return m.object != nil && resource.IsSecure(m.object.Spec.PeerURL) || resource.ListensSecured(m.pod)
}

// transported says, of the members with a Pod, how many run at a stage.
func (p *plane) transported(stage v1alpha2.TLSStage) (there, all int) {
	for _, m := range p.members {
		if m.pod == nil {
			continue
		}
		all++
		hash, secured := resource.RunsWith(m.pod, p.cluster.Name, p.kind)
		is := v1alpha2.TLSPlain
		switch {
		case p.kind == resource.PeerPlane && resource.ListensSecured(m.pod):
			is = v1alpha2.TLSSecured
		case p.kind == resource.PeerPlane && secured:
			is = v1alpha2.TLSPrepared
		case p.kind == resource.PeerPlane || !secured:
		case hash != "":
			is = v1alpha2.TLSMutual
		default:
			is = v1alpha2.TLSSecured
		}
		if is == stage {
			there++
		}
	}
	return there, all
}

// moving says how far members are that do not speak yet as the spec asks for; empty if all do.
func (p *plane) moving() string {
	stage, final := resource.StageOf(p.cluster, p.kind), v1alpha2.TLSStage(p.transport().FinalStage())
	there, all := p.transported(stage)
	if stage == final && there == all {
		return ""
	}
	message := fmt.Sprintf("%s: %d of %d members are %s", p.kind, there, all, stage)
	if stage != final {
		message += fmt.Sprintf("; then they become %s", final)
	}
	return message
}

package plugin

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
)

// Proposal is what "upgrade" and "restart" tell before anything is changed: what the operator would do.
type Proposal struct {
	metav1.TypeMeta `json:",inline"`
	Name            string `json:"name"`
	Namespace       string `json:"namespace"`
	// FromVersion is the one that is asked for now, ToVersion the one that would be.
	FromVersion string `json:"fromVersion"`
	ToVersion   string `json:"toVersion"`
	// Down says that it is a downgrade to the minor before.
	Down bool `json:"down,omitempty"`
	// Changes are the fields of the spec that members would be restarted or replaced for.
	Changes []string `json:"changes,omitempty"`
	// Refused is why it would not be done, in the words of who refuses it; empty if it would.
	Refused string `json:"refused,omitempty"`
	// Checks have to be in order first.
	Checks []Check `json:"checks,omitempty"`
	// Order of the members; the one that leads comes last.
	Order []Stop `json:"order"`
	// Outage says why the cluster would not serve for a while; empty if it would all along.
	Outage string `json:"outage,omitempty"`
	// First is what the operator would decide at once, absent if the members could not be asked.
	First *Decision `json:"first,omitempty"`
	// EstimateSeconds is about how long it takes, without pulling images.
	EstimateSeconds int64    `json:"estimateSeconds"`
	Notes           []string `json:"notes,omitempty"`
}

// Check is something that has to be in order before members are given another minor.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Later says that it is not in order, and that the operator sees to it by itself.
	Later   bool   `json:"later,omitempty"`
	Message string `json:"message,omitempty"`
}

// Stop is one member's turn.
type Stop struct {
	Member string `json:"member"`
	// Leads says that it hands leadership over before.
	Leads bool `json:"leads,omitempty"`
	// Replaced says that a new member takes its place; else it is restarted.
	Replaced bool `json:"replaced,omitempty"`
}

// About how long things take on two cores.
const (
	restartTakes = 11 * time.Second // with what etcd needs to be sure of its peers again
	replaceTakes = 15 * time.Second
	beginTakes   = 8 * time.Second // a rehearsal, and the checks
	copyRate     = 50 << 20        // bytes a second, of a database to a new member or of a snapshot
)

// propose lets the operator's own rules decide on a change that has not been made. It is pure.
func propose(o *observation, change func(*v1alpha2.EtcdCluster)) Proposal {
	wanted := o.cluster.DeepCopy()
	change(wanted)
	wanted.Generation++
	p := Proposal{
		TypeMeta: metav1.TypeMeta{APIVersion: Schema, Kind: "Proposal"},
		Name:     wanted.Name, Namespace: wanted.Namespace,
		FromVersion: o.cluster.Spec.Version, ToVersion: wanted.Spec.Version, Order: []Stop{},
	}
	if o.scene == nil {
		p.Notes = append(p.Notes, "cannot see the members, so nothing can be decided from here: "+brief(o.blind))
		return p
	}
	scene := *o.scene
	scene.Cluster = wanted
	seen := observe.Join(&scene, o.at)
	p.turns(&scene, seen)
	if kind := p.way(&scene); kind != plan.Same && p.Refused == "" && o.blind == nil {
		for _, c := range plan.Preflight(seen) {
			p.Checks = append(p.Checks, Check(c))
		}
	}
	p.Outage = outage(seen, p.Order)
	p.EstimateSeconds = (int64(estimate(seen, p).Seconds()) + 9) / 10 * 10
	if o.blind != nil {
		p.Notes = append(p.Notes, "cannot ask the members, so nothing can be decided from here: "+brief(o.blind))
		return p
	}
	d := plan.Next(seen)
	p.First = decisionOf(d)
	if d.Outlook == plan.Stuck && p.Refused == "" {
		p.Refused = d.Reason + ": " + d.Message
	}
	return p
}

// way asks whether etcd can go there at all, from each version that a member was given.
func (p *Proposal) way(s *observe.Scene) (kind plan.Kind) {
	to, ok := plan.ParseVersion(p.ToVersion)
	if !ok {
		p.Refused = fmt.Sprintf("%q is no version of etcd: use MAJOR.MINOR.PATCH, for example 3.6.16", p.ToVersion)
		return plan.Same
	}
	for _, m := range s.Members {
		from, _ := plan.ParseVersion(m.Object.Spec.Version)
		way := plan.Path(from, to, s.Cluster.Spec.Storage.Medium == v1alpha2.StorageMediumMemory)
		if way.Kind != plan.Same {
			kind = way.Kind
		}
		p.Down = p.Down || way.Kind == plan.Down
		if p.Refused = way.Refusal; p.Refused != "" {
			return kind
		}
	}
	if advice := plan.Advice(to); advice != "" {
		p.Notes = append(p.Notes, advice)
	}
	return kind
}

// turns puts the members in their order.
func (p *Proposal) turns(s *observe.Scene, seen plan.Cluster) {
	var leader []Stop
	for i, m := range s.Members {
		changes := changesOf(s.Cluster, m)
		if len(changes) == 0 {
			continue
		}
		p.Changes = union(p.Changes, changes)
		stop := Stop{Member: m.Object.Name, Leads: seen.Members[i].Leader, Replaced: m.Object.Spec.Storage.Medium == v1alpha2.StorageMediumMemory}
		if stop.Leads {
			leader = append(leader, stop)
			continue
		}
		p.Order = append(p.Order, stop)
	}
	p.Order = append(p.Order, leader...)
}

// outage says why a roll cannot do without one.
func outage(seen plan.Cluster, order []Stop) string {
	n := seen.Voters()
	if n > 2 || len(order) == 0 || order[0].Replaced {
		return ""
	}
	if n == 1 {
		return "the only member is restarted, and the cluster does not serve until it is back"
	}
	return "two members are a majority only together: while one is restarted, the cluster does not serve"
}

func estimate(seen plan.Cluster, p Proposal) time.Duration {
	took := time.Duration(0)
	copied := time.Duration(seen.DBSize) * time.Second / copyRate
	for _, stop := range p.Order {
		if took += restartTakes; stop.Replaced {
			took += replaceTakes - restartTakes + copied
		}
	}
	if p.FromVersion != p.ToVersion {
		took += beginTakes + copied
	}
	return took
}

// keepers are those besides people who set a field of the spec, and would set it back.
func keepers(c *v1alpha2.EtcdCluster, field string) (all []string) {
	for _, f := range c.ManagedFields {
		if f.Subresource != "" || f.FieldsV1 == nil || strings.HasPrefix(f.Manager, "kubectl") {
			continue
		}
		var set struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		if json.Unmarshal(f.FieldsV1.GetRawBytes(), &set) == nil && set.Spec["f:"+field] != nil {
			all = append(all, f.Manager)
		}
	}
	return all
}

func keptNote(c *v1alpha2.EtcdCluster) string {
	by := keepers(c, "version")
	if len(by) == 0 {
		return ""
	}
	return fmt.Sprintf("spec.version was set by %s, which may set it back: change it there too", strings.Join(by, ", "))
}

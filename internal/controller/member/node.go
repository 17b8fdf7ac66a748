package member

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// nodeState is what Kubernetes knows of a node. The zero value is one that is up, or of which nothing is known.
type nodeState int

const (
	nodeUp   nodeState = iota
	nodeDown           // nobody hears of it; it may be running
	nodeOff            // somebody says that it is shut down
	nodeGone           // it does not exist any more
)

// outlook is where a member's Pod is, and where it could be.
type outlook struct {
	state nodeState // of the Pod's node
	// stuck is true when the member's data are where no node that is up can reach them.
	stuck bool
}

// dead says whether nothing can be running there.
func (o outlook) dead() bool { return o.state == nodeOff || o.state == nodeGone }

// troubled says whether there is something to act upon or to report.
func (o outlook) troubled() bool { return o.state != nodeUp || o.stuck }

// nodeFailure is what is wrong with the place of a member, nil if there is nothing.
func (s *scene) nodeFailure() *finding {
	why := map[nodeState]string{
		nodeDown: "the node %s is down", nodeOff: "the node %s is shut down", nodeGone: "the node %s is gone",
	}[s.outlook.state]
	if why != "" {
		why = fmt.Sprintf(why, s.pod.Spec.NodeName)
	}
	f := &finding{}
	switch {
	case s.outlook.stuck && why == "":
		f.Reason, f.Message = v1alpha2.FailureNodeLost, "no node that is up can reach the volume"
	case s.outlook.stuck && s.inMemory():
		f.Reason, f.Message = v1alpha2.FailureNodeLost, why+", and the member's data are in its memory"
	case s.outlook.stuck:
		f.Reason, f.Message = v1alpha2.FailureNodeLost, why+", and no other node can reach the volume"
	case s.outlook.state == nodeDown:
		f.Reason = v1alpha2.FailureNodeDown
		f.Message = why + ": the member goes on elsewhere once the node is deleted or tainted " + corev1.TaintNodeOutOfService
	default:
		return nil
	}
	return f
}

// lookAround fills in the outlook. What it may not read is unknown, and nothing follows from that.
func (r *Reconciler) lookAround(ctx context.Context, from client.Reader, s *scene) error {
	if s.pod != nil && s.pod.Spec.NodeName != "" {
		node := &corev1.Node{}
		err := from.Get(ctx, types.NamespacedName{Name: s.pod.Spec.NodeName}, node)
		switch {
		case apierrors.IsNotFound(err):
			s.outlook.state = nodeGone
		case err != nil:
			return r.tolerate(ctx, "get Node", err)
		default:
			s.outlook.state = stateOf(node)
		}
		if s.outlook.state == nodeUp {
			return nil
		}
	} else if !s.waitsForNode() {
		return nil
	}
	stuck, err := r.stuck(ctx, s)
	s.outlook.stuck = stuck
	return err
}

// waitsForNode says whether a member without a node may be waiting for one that does not come back. That it was so before
// counts, or the failure would be gone while the next Pod is made.
func (s *scene) waitsForNode() bool {
	if s.pod != nil && (resource.Held(s.pod) || !s.pod.DeletionTimestamp.IsZero()) {
		return false
	}
	before := s.member.Status.Failure
	return before != nil && before.Reason == v1alpha2.FailureNodeLost || s.pod != nil && unscheduled(s.pod) != nil
}

// stuck says whether no node that is up can reach the member's data. A volume of a zone is not stuck: other nodes will come.
func (r *Reconciler) stuck(ctx context.Context, s *scene) (bool, error) {
	if s.inMemory() {
		return s.outlook.state != nodeUp, nil
	}
	if !s.ownsClaim() || s.claim.Spec.VolumeName == "" {
		return false, nil
	}
	volume := &corev1.PersistentVolume{}
	if err := r.Live.Get(ctx, types.NamespacedName{Name: s.claim.Spec.VolumeName}, volume); err != nil {
		return false, r.tolerate(ctx, "get PersistentVolume", client.IgnoreNotFound(err))
	}
	if !isPinned(volume) {
		return false, nil
	}
	var nodes corev1.NodeList
	if err := r.Client.List(ctx, &nodes); err != nil {
		return false, r.tolerate(ctx, "list Nodes", err)
	}
	return !slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return stateOf(&n) == nodeUp && reaches(&n, volume) }), nil
}

// tolerate drops the error that says that the operator may not look: it may be installed for some namespaces only.
func (r *Reconciler) tolerate(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err):
		r.blind.Do(func() {
			log.FromContext(ctx).Info("Nodes and PersistentVolumes cannot be read: the loss of a node is not seen", "error", err.Error())
		})
		return nil
	default:
		return fmt.Errorf("%s: %w", what, err)
	}
}

// stateOf reads a node. A taint that says that it is shut down is not believed of a node that is heard of.
func stateOf(node *corev1.Node) nodeState {
	tainted := func(keys ...string) bool {
		return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return slices.Contains(keys, t.Key) })
	}
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	down := !ready || tainted(corev1.TaintNodeUnreachable, corev1.TaintNodeNotReady)
	switch {
	case down && tainted(corev1.TaintNodeOutOfService):
		return nodeOff
	case down:
		return nodeDown
	default:
		return nodeUp
	}
}

// isPinned says whether a volume can be reached from certain nodes only, and these are fewer than those of a zone.
func isPinned(volume *corev1.PersistentVolume) bool {
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return false
	}
	return !slices.ContainsFunc(volume.Spec.NodeAffinity.Required.NodeSelectorTerms, func(term corev1.NodeSelectorTerm) bool {
		ofZone := func(e corev1.NodeSelectorRequirement) bool {
			return strings.HasSuffix(e.Key, "/zone") || strings.HasSuffix(e.Key, "/region")
		}
		wide := len(term.MatchFields) == 0 && !slices.ContainsFunc(term.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return !ofZone(e)
		})
		return wide
	})
}

// reaches says whether a volume can be used on a node. A term that cannot be read fits: better unknown than lost.
func reaches(node *corev1.Node, volume *corev1.PersistentVolume) bool {
	names := labels.Set{"metadata.name": node.Name}
	return slices.ContainsFunc(volume.Spec.NodeAffinity.Required.NodeSelectorTerms, func(term corev1.NodeSelectorTerm) bool {
		return fits(term.MatchExpressions, labels.Set(node.Labels)) && fits(term.MatchFields, names)
	})
}

func fits(wanted []corev1.NodeSelectorRequirement, have labels.Set) bool {
	operators := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
		corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
	}
	for _, w := range wanted {
		requirement, err := labels.NewRequirement(w.Key, operators[w.Operator], w.Values)
		if err == nil && !requirement.Matches(have) {
			return false
		}
	}
	return true
}

package certificate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// publish writes status.tls and the condition TLSReady, and nothing else of status. With announce it is the write by which members
// and clients are told whom to trust.
func (r *Reconciler) publish(ctx context.Context, s *scene, planes []*plane, announce bool, more []trouble) error {
	before := s.cluster
	after := before.DeepCopy()
	after.Status.TLS = s.tlsStatus(planes, announce)
	condition := s.verdict(planes, more)
	if after.Status.TLS == nil {
		meta.RemoveStatusCondition(&after.Status.Conditions, v1alpha2.ConditionTLSReady)
	} else {
		condition.ObservedGeneration, condition.LastTransitionTime = before.Generation, metav1.NewTime(s.now)
		meta.SetStatusCondition(&after.Status.Conditions, condition)
	}
	if equality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	lock := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := client.IgnoreNotFound(r.Client.Status().Patch(ctx, after.DeepCopy(), lock)); err != nil {
		return fmt.Errorf("publish status: %w", err)
	}
	r.tell(before, after)
	return nil
}

// tlsStatus is what there is to tell of the planes. What is on record of a plane that is not to be secured any more stays until the
// last member has left it and everything is swept.
func (s *scene) tlsStatus(planes []*plane, announce bool) *v1alpha2.TLSStatus {
	status := &v1alpha2.TLSStatus{}
	if old := s.cluster.Status.TLS; old != nil {
		status = old.DeepCopy()
	}
	for _, p := range s.both(planes) {
		into := &status.Client
		if p.kind == resource.PeerPlane {
			into = &status.Peer
		}
		switch {
		case p.wanted:
			*into = p.tell(announce)
		case *into == nil:
		case !s.used(p.kind) && p.sweep() == nil:
			*into = nil
		default:
			(*into).Stage, (*into).Message = v1alpha2.TLSStage(p.stage()), p.moving()
		}
	}
	if *status == (v1alpha2.TLSStatus{}) {
		return nil
	}
	return status
}

// both are all planes, also those that are not to be secured.
func (s *scene) both(planes []*plane) []*plane {
	all := slices.Clone(planes)
	for _, kind := range kinds {
		if !slices.ContainsFunc(planes, func(p *plane) bool { return p.kind == kind }) {
			all = append(all, &plane{scene: s, kind: kind})
		}
	}
	return all
}

// tell is the status of one plane.
func (p *plane) tell(announce bool) *v1alpha2.PlaneTLSStatus {
	status := p.status(p.kind).DeepCopy()
	status.Stage = v1alpha2.TLSStage(p.stage())
	var said []string
	for _, t := range p.supply.trouble {
		said = append(said, t.message)
	}
	if p.ready {
		d := p.decision
		status.Phase, status.AtOnce = v1alpha2.TLSPhase(d.Phase), d.AtOnce
		said = append(said, d.Message)
		if announce {
			p.tellBundle(status)
		}
	}
	status.Message = strings.Join(said, "; ")
	status.NotAfter, status.RootsNotAfter = nil, nil
	for _, e := range p.expiries() {
		switch {
		case e.Certificate == nil:
		case e.kind == kindLeaf:
			status.NotAfter = &metav1.Time{Time: e.NotAfter}
		case e.kind == kindCA:
			status.RootsNotAfter = &metav1.Time{Time: e.NotAfter}
		}
	}
	return status
}

// tellBundle keeps, of the CAs that were told of before, since when.
func (p *plane) tellBundle(status *v1alpha2.PlaneTLSStatus) {
	bundle := p.bundle()
	before := status.CAs
	status.Bundle, status.CAs = bundle.Hash(), nil
	for _, fingerprint := range bundle.Fingerprints() {
		ca := v1alpha2.TrustedCA{Fingerprint: fingerprint, Since: metav1.NewTime(p.now)}
		for _, old := range before {
			if old.Fingerprint == fingerprint {
				ca.Since = old.Since
			}
		}
		status.CAs = append(status.CAs, ca)
	}
}

// verdict is the condition TLSReady: the first trouble, else the first change that is under way.
func (s *scene) verdict(planes []*plane, more []trouble) metav1.Condition {
	c := metav1.Condition{Type: v1alpha2.ConditionTLSReady, Status: metav1.ConditionFalse}
	for _, p := range planes {
		more = append(more, p.supply.trouble...)
	}
	if len(more) > 0 {
		c.Reason, c.Message = more[0].reason, more[0].message
		return c
	}
	var said []string
	for _, p := range planes {
		switch {
		case !p.ready:
			c.Reason, c.Message = v1alpha2.ReasonCertificatePending, fmt.Sprintf("%s: the CA is yet to be made", p.kind)
			return c
		case p.decision.Phase != plan.TrustSettled || !p.announced():
			c.Reason, c.Message = p.decision.Reason, fmt.Sprintf("%s: %s", p.kind, p.decision.Message)
			return c
		}
		said = append(said, fmt.Sprintf("%s: %s", p.kind, p.decision.Message))
	}
	for _, p := range s.both(planes) {
		if moving := p.moving(); moving != "" {
			c.Reason, c.Message = v1alpha2.ReasonChangingTransport, moving
			return c
		}
	}
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha2.ReasonCertificatesValid, strings.Join(said, "; ")
	return c
}

// tell records an event when a change of certificates begins, goes on to its next phase or ends, and when it is in trouble.
func (r *Reconciler) tell(before, after *v1alpha2.EtcdCluster) {
	was, is := before.Status.TLS, after.Status.TLS
	if is == nil {
		return
	}
	if was == nil {
		was = &v1alpha2.TLSStatus{}
	}
	r.tellPhase(after, resource.ClientPlane, was.Client, is.Client)
	r.tellPhase(after, resource.PeerPlane, was.Peer, is.Peer)
	old := meta.FindStatusCondition(before.Status.Conditions, v1alpha2.ConditionTLSReady)
	now := meta.FindStatusCondition(after.Status.Conditions, v1alpha2.ConditionTLSReady)
	if old != nil && old.Reason == now.Reason {
		return
	}
	switch now.Reason {
	case v1alpha2.ReasonSecretMissing, v1alpha2.ReasonCertificateInvalid, v1alpha2.ReasonNameTaken, v1alpha2.ReasonCertManagerMissing:
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, now.Reason, "Check", "%s", now.Message)
	}
}

func (r *Reconciler) tellPhase(c *v1alpha2.EtcdCluster, kind resource.Plane, was, is *v1alpha2.PlaneTLSStatus) {
	if is == nil || is.Phase == "" || was != nil && was.Phase == is.Phase {
		return
	}
	about := corev1.EventTypeNormal
	if plan.TrustPhase(is.Phase) == plan.TrustExpired {
		about = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(c, nil, about, "TLS"+string(is.Phase), "Rotate", "%s: %s", kind, is.Message)
}

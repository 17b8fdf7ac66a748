package cluster

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// act makes the one write of this pass. Every case may be repeated: what is done already is success.
func (r *Reconciler) act(ctx context.Context, s *observe.Scene, step plan.Step) error {
	switch step := step.(type) {
	case plan.Nothing:
		return nil
	case plan.Apply:
		return r.apply(ctx, s, step.Object)
	case plan.NameFounders, plan.RecordCluster, plan.RecordReplacement,
		plan.RecordTemplate, plan.RecordFailure, plan.RecordRehearsal, plan.RecordDowngrade:
		return r.latch(ctx, s, step)
	case plan.CreateFounder, plan.CreateMember:
		return r.create(ctx, s, step)
	case plan.Record, plan.Admit:
		return r.settle(ctx, s, step)
	case plan.MarkLeaving, plan.ConfirmRemoval, plan.Update, plan.Adapt, plan.ExpandVolumeOf, plan.Park, plan.Wake:
		return r.intend(ctx, s, step)
	case plan.DeleteMember:
		return r.deleteMember(ctx, s.Find(step.Name).Object)
	case plan.Rehearse, plan.EndRehearsal:
		return r.rehearse(ctx, s, step)
	case plan.Adopt, plan.Recall, plan.SetAside, plan.DropVolume, plan.RetainVolume:
		return r.keep(ctx, s, step)
	case plan.TakeSnapshotNow, plan.EnableDowngrade, plan.CancelDowngrade:
		return r.changeVersion(ctx, s, step)
	default:
		return changeMembership(ctx, s, step)
	}
}

// settle writes down what was found out about a member.
func (r *Reconciler) settle(ctx context.Context, s *observe.Scene, step plan.Step) error {
	if record, ok := step.(plan.Record); ok {
		return r.record(ctx, s.Find(record.Member.Name), record)
	}
	return r.admit(ctx, s, step.(plan.Admit).Member)
}

func (r *Reconciler) apply(ctx context.Context, s *observe.Scene, kind plan.ObjectKind) error {
	want := s.Desired(kind)
	have := s.Objects[kind]
	if have == nil {
		if err := r.Client.Create(ctx, want); err != nil {
			return fmt.Errorf("create %s: %w", kind, err)
		}
		return nil
	}
	if err := r.Client.Update(ctx, resource.Correct(want, have)); err != nil {
		return fmt.Errorf("update %s: %w", kind, err)
	}
	return nil
}

// latch records in status what is decided once for the life of the cluster.
func (r *Reconciler) latch(ctx context.Context, s *observe.Scene, step plan.Step) error {
	c := s.Cluster.DeepCopy()
	before := client.MergeFromWithOptions(s.Cluster, client.MergeFromWithOptimisticLock{})
	switch step := step.(type) {
	case plan.NameFounders:
		for range step.Count {
			s.LastOrdinal++
			c.Status.InitialMembers = append(c.Status.InitialMembers, resource.MemberName(c.Name, c.UID, s.LastOrdinal))
		}
		c.Status.LastOrdinal = s.LastOrdinal
		c.Status.ClusterToken = resource.ClusterToken(c.Namespace, c.Name, c.UID)
	case plan.RecordCluster:
		c.Status.ClusterID = observe.FormatID(step.ClusterID)
	case plan.RecordReplacement:
		begun := v1alpha2.ReplacementRecord{Member: step.Name, Reason: step.Reason, Time: metav1.NewTime(r.Now())}
		c.Status.Replacements = append(recent(s, r.Now()), begun)
	case plan.RecordTemplate, plan.RecordFailure, plan.RecordRehearsal, plan.RecordDowngrade:
		r.recordRollout(s, &c.Status, step)
	default:
		return fmt.Errorf("record step %T: not known", step)
	}
	if err := r.Client.Status().Patch(ctx, c, before); err != nil {
		return fmt.Errorf("record in status: %w", err)
	}
	c.DeepCopyInto(s.Cluster)
	return nil
}

// record ties the member ID to the volume it was seen on.
func (r *Reconciler) record(ctx context.Context, m *observe.Member, step plan.Record) error {
	o := m.Object.DeepCopy()
	o.Status.MemberID = observe.FormatID(step.Member.ID)
	o.Status.IsVoter = step.Voter
	if o.Status.Incarnation == nil {
		o.Status.Incarnation = &v1alpha2.MemberIncarnation{MemberID: o.Status.MemberID, VolumeUID: m.VolumeUID()}
	}
	before := client.MergeFromWithOptions(m.Object, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, o, before); err != nil {
		return fmt.Errorf("record incarnation of %s: %w", o.Name, err)
	}
	return nil
}

// admit freezes the list that etcd wants a joining member to know, and writes down which entry of it is the member.
func (r *Reconciler) admit(ctx context.Context, s *observe.Scene, ref plan.Ref) error {
	var peers []resource.Peer
	for _, e := range s.List.Members {
		name := e.Name
		for _, m := range s.Members {
			if m.Entry != nil && m.Entry.ID == e.ID {
				name = m.Object.Name
			}
		}
		for _, url := range e.PeerURLs {
			peers = append(peers, resource.Peer{Name: name, URL: url})
		}
	}
	joining := s.Find(ref.Name)
	return r.patchMember(ctx, joining.Object, func(o *v1alpha2.EtcdMember) {
		o.Spec.InitialCluster = resource.InitialCluster(peers...)
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, v1alpha2.AnnotationMemberID, observe.FormatID(joining.Entry.ID))
	})
}

// intend writes what is meant to happen to a member into its spec.
func (r *Reconciler) intend(ctx context.Context, s *observe.Scene, step plan.Step) error {
	switch step := step.(type) {
	case plan.MarkLeaving:
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) {
			o.Spec.Removal = &v1alpha2.MemberRemoval{Reason: step.Reason, KeepVolume: step.Keep}
		})
	case plan.ConfirmRemoval:
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) { o.Spec.Removal.Confirmed = true })
	case plan.Update:
		m := s.Find(step.Name)
		return r.patchMember(ctx, m.Object, func(o *v1alpha2.EtcdMember) { resource.Update(s.Target(), o, s.NextPeerURL(m), step.ByHand) })
	case plan.Adapt:
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) { resource.Adapt(s.Cluster, o) })
	case plan.ExpandVolumeOf:
		size := s.Target().Spec.Storage.Size
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) { o.Spec.Storage.Size = size })
	case plan.Park:
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) { o.Spec.Dormant = true })
	case plan.Wake:
		return r.patchMember(ctx, s.Find(step.Name).Object, func(o *v1alpha2.EtcdMember) { o.Spec.Dormant = false })
	default:
		return fmt.Errorf("intend step %T: not known", step)
	}
}

func (r *Reconciler) patchMember(ctx context.Context, m *v1alpha2.EtcdMember, change func(*v1alpha2.EtcdMember)) error {
	o := m.DeepCopy()
	change(o)
	before := client.MergeFromWithOptions(m, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, o, before); err != nil {
		return fmt.Errorf("patch EtcdMember %s: %w", o.Name, err)
	}
	return nil
}

func (r *Reconciler) deleteMember(ctx context.Context, m *v1alpha2.EtcdMember) error {
	err := r.Client.Delete(ctx, m, client.Preconditions{UID: ptr.To(m.UID), ResourceVersion: ptr.To(m.ResourceVersion)})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete EtcdMember %s: %w", m.Name, err)
	}
	return nil
}

var errNobodyToAsk = errors.New("no healthy voter to ask")

package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// kubernetes reads the objects of a cluster. An object that from does not show is looked for in live, because a cache
// that is restricted by labels does not show objects of strangers.
func kubernetes(ctx context.Context, from, live client.Reader, key types.NamespacedName) (*Scene, error) {
	s := &Scene{Cluster: &v1alpha2.EtcdCluster{}, Objects: map[plan.ObjectKind]client.Object{}}
	if err := from.Get(ctx, key, s.Cluster); err != nil {
		return nil, fmt.Errorf("get EtcdCluster: %w", err)
	}
	s.LastOrdinal = s.Cluster.Status.LastOrdinal
	for _, read := range []func() error{
		func() error { return s.readMembers(ctx, from) },
		func() error { return s.readPods(ctx, from) },
		func() error { return s.readClaims(ctx, from) },
		func() error { return s.readObjects(ctx, from, live) },
		func() error { return s.readSafeguards(ctx, from) },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(s.Members, func(a, b *Member) int {
		return cmp.Or(cmp.Compare(Ordinal(a.Object), Ordinal(b.Object)), cmp.Compare(a.Object.Name, b.Object.Name))
	})
	return s, nil
}

func (s *Scene) list(ctx context.Context, from client.Reader, into client.ObjectList) error {
	return listing(into, from.List(ctx, into, client.InNamespace(s.Cluster.Namespace),
		client.MatchingLabels{v1alpha2.LabelCluster: s.Cluster.Name}))
}

func listing(into client.ObjectList, err error) error {
	switch {
	case apierrors.IsNotFound(err): // the kind is gone, which must not be taken for the cluster
		return fmt.Errorf("list %T: %w: %s", into, errNotServed, err.Error())
	case err != nil:
		return fmt.Errorf("list %T: %w", into, err)
	}
	return nil
}

var errNotServed = errors.New("the API server does not know the kind")

// ours sorts o: true if it belongs to this very cluster. An earlier cluster's object is noted as a namesake.
func (s *Scene) ours(kind string, o client.Object) bool {
	switch o.GetLabels()[v1alpha2.LabelClusterUID] {
	case string(s.Cluster.UID):
		s.LastOrdinal = max(s.LastOrdinal, Ordinal(o))
		return true
	case "":
		return false
	}
	s.Namesakes = append(s.Namesakes, kind+" "+o.GetName())
	return false
}

// coverLost makes up for a status that was lost, with the numbers of members that are gone by now: nobody makes more than a member
// a second, so the age of the cluster in seconds is above all of them.
func (s *Scene) coverLost(now time.Time) {
	if s.Cluster.Status.LastOrdinal == 0 && s.LastOrdinal > 0 {
		s.LastOrdinal = max(s.LastOrdinal, int64(now.Sub(s.Cluster.CreationTimestamp.Time).Seconds()))
	}
}

// Ordinal is the number of the member that o belongs to, 0 if it says none.
func Ordinal(o client.Object) int64 {
	n, err := strconv.ParseInt(o.GetLabels()[v1alpha2.LabelOrdinal], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (s *Scene) readMembers(ctx context.Context, from client.Reader) error {
	var list v1alpha2.EtcdMemberList
	if err := s.list(ctx, from, &list); err != nil {
		return err
	}
	for i := range list.Items {
		if m := &list.Items[i]; s.ours("EtcdMember", m) {
			s.Members = append(s.Members, &Member{Object: m})
		}
	}
	return nil
}

func (s *Scene) readPods(ctx context.Context, from client.Reader) error {
	var list corev1.PodList
	if err := s.list(ctx, from, &list); err != nil {
		return err
	}
	for i := range list.Items {
		p := &list.Items[i]
		if !s.ours("Pod", p) {
			continue
		}
		if resource.IsRehearsal(p) {
			s.Rehearsal = p
			continue
		}
		s.Pods = append(s.Pods, p.Name)
		if m := s.Find(p.Name); m != nil {
			m.Pod = p
		}
	}
	return nil
}

func (s *Scene) readClaims(ctx context.Context, from client.Reader) error {
	var list corev1.PersistentVolumeClaimList
	if err := s.list(ctx, from, &list); err != nil {
		return err
	}
	for i := range list.Items {
		c := &list.Items[i]
		if retained := resource.IsRetained(c) && c.Labels[v1alpha2.LabelClusterUID] != string(s.Cluster.UID); retained ||
			!s.ours("PersistentVolumeClaim", c) {
			continue // an earlier cluster left it on purpose
		}
		m := s.Find(c.Labels[v1alpha2.LabelMember])
		switch {
		case c.Labels[v1alpha2.LabelSetAside] != "":
			s.Aside = append(s.Aside, c)
		case m != nil:
			m.Claim = c
		default:
			s.Orphans = append(s.Orphans, c)
		}
	}
	return nil
}

func (s *Scene) readObjects(ctx context.Context, from, live client.Reader) error {
	for _, o := range []struct {
		kind  plan.ObjectKind
		name  string
		empty client.Object
		label string
	}{
		{plan.HeadlessService, s.Cluster.Name, &corev1.Service{}, "Service"},
		{plan.DisruptionBudget, s.Cluster.Name, &policyv1.PodDisruptionBudget{}, "PodDisruptionBudget"},
		{plan.ClientService, s.Cluster.Name + "-client", &corev1.Service{}, "Service"},
	} {
		key := types.NamespacedName{Namespace: s.Cluster.Namespace, Name: o.name}
		err := from.Get(ctx, key, o.empty)
		if apierrors.IsNotFound(err) {
			err = live.Get(ctx, key, o.empty)
		}
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("get %s %s: %w", o.label, o.name, err)
		case s.ours(o.label, o.empty):
			s.Objects[o.kind] = o.empty
		case o.empty.GetLabels()[v1alpha2.LabelClusterUID] == "":
			s.Taken = append(s.Taken, o.label+" "+o.name)
		}
	}
	return nil
}

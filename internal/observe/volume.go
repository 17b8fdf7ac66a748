package observe

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// class is what is known of a StorageClass. The zero value is one that may not be read: it is tried.
type class int

const (
	classUnknown class = iota
	classExpands
	classFixed
	classGone
)

// cannotExpand is in what the API server says about a claim whose class does not let it grow. Only an operator that may not read
// StorageClasses has to know it.
const cannotExpand = "must support resize"

// onlyAtStart is how long a file system may wait for its node before its Pod is made again: nodes that do it under a running Pod
// look every second or so.
const onlyAtStart = time.Minute

// readClasses reads the StorageClasses of volumes that are smaller than they are to be: it costs nothing otherwise.
func (o *Observer) readClasses(ctx context.Context, s *Scene) {
	wanted := s.Target().Spec.Storage.Size
	for _, m := range s.Members {
		if !resource.SizeOf(m.Claim, wanted).Short() {
			continue
		}
		name := className(m.Claim)
		if _, known := s.classes[name]; known || name == "" {
			continue
		}
		if s.classes == nil {
			s.classes = map[string]class{}
		}
		s.classes[name] = o.readClass(ctx, name)
	}
}

func (o *Observer) readClass(ctx context.Context, name string) class {
	var c storagev1.StorageClass
	err := o.Live.Get(ctx, types.NamespacedName{Name: name}, &c)
	switch {
	case apierrors.IsNotFound(err):
		return classGone
	case err != nil:
		return classUnknown
	case c.AllowVolumeExpansion != nil && *c.AllowVolumeExpansion:
		return classExpands
	default:
		return classFixed
	}
}

func className(claim *corev1.PersistentVolumeClaim) string {
	if claim.Spec.StorageClassName == nil {
		return ""
	}
	return *claim.Spec.StorageClassName
}

// expands says whether the volume of m may come to the wanted size as it is. One that has it already does not need to grow.
func (s *Scene) expands(target *v1alpha2.EtcdCluster, m *Member) bool {
	if !resource.SizeOf(m.Claim, target.Spec.Storage.Size).Short() {
		return true
	}
	name := className(m.Claim)
	c := expanding(m)
	refused := s.classes[name] == classUnknown && c != nil && c.Reason == v1alpha2.ReasonExpansionRefused &&
		strings.Contains(c.Message, cannotExpand)
	return name != "" && s.classes[name] != classFixed && !refused && !resource.Infeasible(m.Claim)
}

// expanding is what the member controller says of a volume that is to grow, nil if it says nothing.
func expanding(m *Member) *metav1.Condition {
	return meta.FindStatusCondition(m.Object.Status.Conditions, v1alpha2.ConditionVolumeExpanding)
}

// disk tells how the volume of m stands to the size that it is to have.
func (s *Scene) disk(target *v1alpha2.EtcdCluster, m *Member, now time.Time) plan.Disk {
	if m.Object.Spec.Storage.Medium == v1alpha2.StorageMediumMemory {
		return plan.Disk{}
	}
	told := m.Object.Spec.Storage.Size
	size := resource.SizeOf(m.Claim, target.Spec.Storage.Size)
	d := plan.Disk{
		Short:  size.Short(),
		Untold: told.Cmp(size.Wanted) < 0 || told.Cmp(size.Wanted) > 0 && size.Has.Cmp(told) < 0,
		Fixed:  !s.expands(target, m),
	}
	if size.Wanted.IsZero() {
		d.Untold = told.Cmp(target.Spec.Storage.Size) < 0
	}
	if !d.Short {
		return d
	}
	if name := className(m.Claim); s.classes[name] == classGone {
		d.Obstacle = fmt.Sprintf("the StorageClass %s is gone, so that volumes can neither be expanded nor made anew: create it again, "+
			"or name another one in spec.storage.storageClassName", name)
	}
	d.Progress = fmt.Sprintf("it has %s of %s", size.Has.String(), size.Wanted.String())
	if c := expanding(m); c != nil && !d.Untold {
		d.For = now.Sub(c.LastTransitionTime.Time)
		d.Refused = c.Reason == v1alpha2.ReasonExpansionRefused || c.Reason == v1alpha2.ReasonExpansionFailed
		d.Progress += "; " + c.Reason
		if c.Message != "" {
			d.Progress += ": " + c.Message
		}
	}
	d.Restart = waitsForStart(m, now)
	return d
}

// waitsForStart says whether the file system of m's volume seems to grow only when a Pod is started on it. The Pod that is there
// was started before it was to grow: a restart is tried once.
func waitsForStart(m *Member, now time.Time) bool {
	since, pending := resource.PendingOnNode(m.Claim)
	return pending && m.Pod != nil && m.Pod.CreationTimestamp.Before(&since) && now.Sub(since.Time) >= onlyAtStart
}

// owners lists the volumes that do not belong to the cluster as its retention policy says.
func (s *Scene) owners() (differing []plan.Ownership) {
	claims := s.Aside
	for _, m := range s.Members {
		if m.Claim != nil {
			claims = append(claims[:len(claims):len(claims)], m.Claim)
		}
	}
	for _, claim := range claims {
		retain := resource.Retains(s.Cluster, claim)
		if claim.DeletionTimestamp == nil && resource.OwnedClaim(claim, s.Cluster.UID) && retain != resource.IsRetained(claim) {
			differing = append(differing, plan.Ownership{Volume: claim.Name, Retain: retain})
		}
	}
	return differing
}

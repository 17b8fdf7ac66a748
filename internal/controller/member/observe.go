package member

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// scene is a member as the API server, or the cache, shows it; what is not there is nil.
type scene struct {
	member  *v1alpha2.EtcdMember
	cluster *v1alpha2.EtcdCluster // the one that owns the member, not one that took its name
	pod     *corev1.Pod
	claim   *corev1.PersistentVolumeClaim
	outlook outlook
	refused string   // what the API server said when the volume was to grow
	lacking []string // certificates that the member is to mount and that are not there, as "Kind name"
	serials []string // of those that are there

	unsourced []string // what the snapshot is fetched with and that is not there, as "Kind name"
	access    []string // versions of what is there
	course    string   // how far the restore is that it starts with
}

// look reads a scene. It returns an error that IsNotFound if the member is gone.
func look(ctx context.Context, from client.Reader, key types.NamespacedName) (*scene, error) {
	s := &scene{member: &v1alpha2.EtcdMember{}}
	if err := from.Get(ctx, key, s.member); err != nil {
		return nil, fmt.Errorf("get EtcdMember: %w", err)
	}
	cluster, pod, claim := &v1alpha2.EtcdCluster{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{}
	for _, o := range []struct {
		into client.Object
		name string
		keep func()
	}{
		{cluster, s.member.Spec.ClusterName, func() {
			if cluster.UID == resource.ClusterUID(s.member) {
				s.cluster = cluster
			}
		}},
		{pod, s.member.Name, func() { s.pod = pod }},
		{claim, resource.ClaimName(s.member.Name), func() { s.claim = claim }},
	} {
		err := from.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: o.name}, o.into)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get %T %s: %w", o.into, o.name, err)
		}
		o.keep()
	}
	return s, s.lookForCertificates(ctx, from)
}

// lookForCertificates notes what the member's Pod would wait for: the kubelet looks for it again only after a while.
func (s *scene) lookForCertificates(ctx context.Context, from client.Reader) error {
	for _, o := range resource.Mounts(s.member) {
		err := from.Get(ctx, client.ObjectKeyFromObject(o), o)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("get %s %s: %w", kind(o), o.GetName(), err)
		}
		if err != nil {
			s.lacking = append(s.lacking, kind(o)+" "+o.GetName())
		}
		if serial := o.GetAnnotations()[v1alpha2.AnnotationCertificate]; serial != "" {
			s.serials = append(s.serials, serial)
		}
	}
	return nil
}

// part is what the planner knows of a scene. neverStarted says that the Pod that used the grant went unscheduled.
func (s *scene) part(neverStarted bool) plan.Part {
	m := s.member
	return plan.Part{
		Wanted:       s.cluster != nil && s.cluster.DeletionTimestamp.IsZero() && m.DeletionTimestamp.IsZero(),
		Disabled:     s.cluster != nil && s.cluster.Annotations[v1alpha2.AnnotationReconcile] == v1alpha2.ReconcileDisabled,
		Memory:       s.inMemory(),
		Founder:      m.Spec.Bootstrap,
		Recorded:     m.Status.Incarnation != nil,
		Admitted:     m.Spec.InitialCluster != "",
		Dormant:      m.Spec.Dormant,
		Adopted:      resource.IsAdopted(m),
		Confirmed:    m.Spec.Removal != nil && m.Spec.Removal.Confirmed,
		KeepAside:    m.Spec.Removal != nil && m.Spec.Removal.KeepVolume,
		GrantUsed:    s.grantUsed(),
		NeverStarted: neverStarted,
		Lacking:      strings.Join(s.lacking, ", "),
		Restoring:    s.restoring(),
		Unsourced:    strings.Join(s.unsourced, ", "),
		Refetch:      s.refetch(),
		Stale:        s.ownsPod() && resource.Stale(m, s.pod) && !resource.ByHand(m),
		Unproven:     s.unproven(),
		Volume:       s.partVolume(),
		Pod:          s.partPod(),
	}
}

func (s *scene) partVolume() plan.PartVolume {
	m, c := s.member, s.claim
	p := plan.PartVolume{Name: resource.ClaimName(m.Name)}
	if c == nil || s.inMemory() {
		return p
	}
	p.Exists = true
	p.Ours = s.ownsClaim()
	p.Going = !c.DeletionTimestamp.IsZero()
	p.Fresh = c.Annotations[v1alpha2.AnnotationMemberUID] == string(m.UID)
	p.Known = string(c.UID) == s.knownVolume()
	p.Lost = c.Status.Phase == corev1.ClaimLost
	p.Aside = resource.IsAside(c)
	p.Labelled = resource.IsMarked(m, c)
	p.Unasked = s.size().Unasked()
	return p
}

func (s *scene) partPod() plan.PartPod {
	m, pod := s.member, s.pod
	p := plan.PartPod{Name: m.Name}
	if pod == nil {
		return p
	}
	p.Exists = true
	p.Ours = s.ownsPod()
	p.Left = !p.Ours && s.leftPod()
	p.NodeDead = s.outlook.dead()
	p.NodeDown = s.outlook.state == nodeDown
	p.Going = !pod.DeletionTimestamp.IsZero()
	p.Ended = pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	p.Held = resource.Held(pod)
	p.Granted = resource.HoldsGrant(pod)
	p.Charged = s.grantUsed() && m.Status.Grant.PodUID == string(pod.UID)
	p.OnVolume = s.inMemory() || s.claim != nil && resource.StartsOn(pod, s.claim.UID)
	p.Labelled = resource.Fresh(s.refreshed(), pod)
	return p
}

// refreshed is a Pod as far as it may be changed.
func (s *scene) refreshed() *corev1.Pod {
	return resource.Pod(s.member, resource.PodIntent{Certificates: strings.Join(s.serials, ",")})
}

// unproven says whether the Pod waits to start etcd once more, after an end that was the first of its kind and is on record.
func (s *scene) unproven() bool {
	f, end := s.member.Status.Failure, podFailure(s.pod)
	if f == nil || end == nil || !s.sawPod() || etcdRuns(s.pod) {
		return false
	}
	counted := s.account(end, metav1.Time{})
	return counted.Reason == f.Reason && counted.Times == f.Times && !f.Proven && plan.Unproven(f.Reason, int(f.Times))
}

func (s *scene) inMemory() bool { return s.member.Spec.Storage.Medium == v1alpha2.StorageMediumMemory }

func (s *scene) grantUsed() bool {
	grant := s.member.Status.Grant
	return grant != nil && grant.State == v1alpha2.GrantUsed
}

// knownVolume is the UID of the volume that holds the member's vote, or may hold it.
func (s *scene) knownVolume() string {
	switch {
	case s.member.Status.Incarnation != nil:
		return s.member.Status.Incarnation.VolumeUID
	case s.grantUsed():
		return s.member.Status.Grant.VolumeUID
	default:
		return ""
	}
}

// volumeUID is the UID of the member's volume, empty if it has none.
func (s *scene) volumeUID() types.UID {
	switch {
	case s.inMemory() && s.ownsPod():
		return s.pod.UID
	case !s.inMemory() && s.ownsClaim():
		return s.claim.UID
	default:
		return ""
	}
}

func (s *scene) ownsPod() bool { return s.pod != nil && resource.ControlledBy(s.pod, s.member.UID) }

// leftPod says whether an earlier EtcdMember of this name had the Pod; the garbage collector deletes it.
func (s *scene) leftPod() bool {
	if s.pod == nil {
		return false
	}
	owner := metav1.GetControllerOf(s.pod)
	return owner != nil && owner.Kind == "EtcdMember" && owner.Name == s.member.Name && owner.UID != s.member.UID
}

func (s *scene) ownsClaim() bool {
	return s.claim != nil && resource.OwnedClaim(s.claim, resource.ClusterUID(s.member))
}

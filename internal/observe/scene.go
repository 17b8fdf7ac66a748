package observe

import (
	"crypto/tls"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// Scene is all that was seen of a cluster in one look.
type Scene struct {
	Cluster *v1alpha2.EtcdCluster
	Members []*Member // ordered by ordinal
	Objects map[plan.ObjectKind]client.Object

	Namesakes []string // objects of an earlier cluster of this name, as "Kind name"
	Taken     []string // objects of needed names that are not ours, as "Kind name"
	// Orphans are volumes of this cluster without an EtcdMember, and Aside those that were taken out of use.
	Orphans, Aside []*corev1.PersistentVolumeClaim
	// Rehearsal is the Pod in which a template is tried out, nil if there is none.
	Rehearsal *corev1.Pod
	// classes are the StorageClasses of volumes that are to grow, by name; the one of those that have none is not known.
	classes map[string]class
	// Pods are the names of all Pods of this cluster, also of those without an EtcdMember.
	Pods []string
	// LastOrdinal is at least the highest member number that was ever given out.
	LastOrdinal int64

	// Secure is how members are connected to that speak TLS; nil while it is not known, for the reason insecure.
	Secure   *tls.Config
	insecure error
	// passwords are those that root may have, the likeliest first; none if nobody logs in.
	passwords    []string
	unidentified error

	// Restore is the snapshot that the first member starts from, nil if there is none, or it is not known where it is.
	Restore *v1alpha2.MemberRestore
	restore plan.Restore

	// clusterVersion is what the members have agreed on, empty if it is not known; downgrading is whether a downgrade is enabled.
	clusterVersion string
	downgrading    plan.Answer
	// snapshots of the cluster, the youngest first, and schedules, while another minor is asked for.
	snapshots []*v1alpha2.EtcdSnapshot
	schedules []*v1alpha2.EtcdSnapshotSchedule
	// route is what members are given, once Join has found it.
	route plan.Route

	List *etcd.MemberList // nil if no voter could be asked
}

// Member is one member, from all sides.
type Member struct {
	Object *v1alpha2.EtcdMember
	Pod    *corev1.Pod
	Claim  *corev1.PersistentVolumeClaim
	Answer Answer
	Entry  *etcd.Member // its entry in etcd's member list, nil if not listed or not known
	// Missed is true if it did not answer, and the leader does not hear it either.
	Missed bool
}

// Answer is what a member said of itself.
type Answer struct {
	Client  etcd.Client  // the connection it was asked through, nil if it was not asked
	Status  *etcd.Status // nil if it did not answer
	Healthy bool         // it answered a linearizable read; a learner: a serializable one
	Err     error        // why Status is nil or Healthy is false
}

// VolumeUID identifies the volume that the member's data lies on; empty while there is none.
func (m *Member) VolumeUID() string {
	switch {
	case m.Object.Spec.Storage.Medium == v1alpha2.StorageMediumMemory && m.Pod != nil:
		return string(m.Pod.UID)
	case m.Object.Spec.Storage.Medium != v1alpha2.StorageMediumMemory && m.Claim != nil:
		return string(m.Claim.UID)
	}
	return ""
}

// Close gives the connections back that the members were asked through.
func (s *Scene) Close() {
	for _, m := range s.Members {
		if m.Answer.Client != nil {
			_ = m.Answer.Client.Close()
		}
	}
}

// Alarms lists the alarms of a member, as any member that answered knows them.
func (s *Scene) Alarms(memberID uint64) (types []string) {
	for _, m := range s.Members {
		if m.Answer.Status == nil {
			continue
		}
		for _, a := range m.Answer.Status.Alarms {
			if a.MemberID == memberID && !slices.Contains(types, string(a.Type)) {
				types = append(types, string(a.Type))
			}
		}
	}
	slices.Sort(types)
	return types
}

// Find returns the member with this name, nil if there is none.
func (s *Scene) Find(name string) *Member {
	for _, m := range s.Members {
		if m.Object.Name == name {
			return m
		}
	}
	return nil
}

// Leader returns the member that leads, nil if none is known to.
func (s *Scene) Leader() *Member {
	id := s.leaderID()
	for _, m := range s.Members {
		if id != 0 && m.Answer.Status != nil && m.Answer.Status.MemberID == id {
			return m
		}
	}
	return nil
}

// leaderID is the leader in the newest term that a healthy member knows of.
func (s *Scene) leaderID() (id uint64) {
	var term uint64
	for _, m := range s.Members {
		if st := m.Answer.Status; st != nil && m.Answer.Healthy && st.RaftTerm >= term && st.Leader != 0 {
			id, term = st.Leader, st.RaftTerm
		}
	}
	return id
}

// Voice returns the connection to ask for changes of the membership: the leader's, else any healthy voter's; nil if there is none.
func (s *Scene) Voice() etcd.Client {
	if l := s.Leader(); l != nil && l.Answer.Healthy {
		return l.Answer.Client
	}
	for _, m := range s.Members {
		if m.Answer.Healthy && !m.Answer.Status.Learner {
			return m.Answer.Client
		}
	}
	return nil
}

// NewestVoice is the connection to ask for the end of a downgrade: 3.5 does not always answer that before it is over.
func (s *Scene) NewestVoice() etcd.Client {
	voice, newest := s.Voice(), plan.Version{}
	for _, m := range s.Members {
		if !m.Answer.Healthy || m.Answer.Status.Learner {
			continue
		}
		if v, ok := plan.ParseVersion(m.Answer.Status.Version); ok && newest.LessMinor(v) {
			voice, newest = m.Answer.Client, v
		}
	}
	return voice
}

// Desired builds the object of this kind as it should be now.
func (s *Scene) Desired(kind plan.ObjectKind) client.Object {
	switch kind {
	case plan.HeadlessService:
		return resource.HeadlessService(s.Cluster)
	case plan.ClientService:
		return resource.ClientService(s.Cluster)
	default:
		return resource.DisruptionBudget(s.Cluster, int32(s.voters()), int32(s.want()))
	}
}

func (s *Scene) want() int {
	if s.Cluster.Spec.Replicas == nil {
		return 3
	}
	return int(*s.Cluster.Spec.Replicas)
}

// voters counts the voters that etcd lists, or, while it cannot be asked, those on record.
func (s *Scene) voters() (n int) {
	if s.List == nil {
		for _, m := range s.Members {
			if m.Object.Status.IsVoter || m.Object.Spec.Bootstrap {
				n++
			}
		}
		return n
	}
	for _, m := range s.List.Members {
		if !m.Learner {
			n++
		}
	}
	return n
}

package plugin

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/etcd/etcdfake"
	"github.com/cozystack/etcd-operator/internal/observe"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

var now = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

const (
	founding  = "default-demo-5f0c5c5e"
	mib       = 1 << 20
	clusterID = 0x50ef0f7c6fb6a4a0
)

// names of members in the order of their ordinals; the first leads.
var names = []string{"demo-7x2kb", "demo-c9qpd", "demo-m4dzf", "demo-w8hrg", "demo-z5txn"}

// demoScene is a healthy cluster of n members, with every object that the operator would have made.
func demoScene(n int32) *observe.Scene {
	c := &v1alpha2.EtcdCluster{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha2.GroupVersion.String(), Kind: "EtcdCluster"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "demo", UID: "5f0c5c5e-8f0b-4a6c-9d8e-3b7a1c2d4e5f", Generation: 7,
			CreationTimestamp: metav1.NewTime(now.Add(-24 * time.Hour)),
		},
		Spec: v1alpha2.EtcdClusterSpec{
			Replicas: new(n), Version: "3.7.3", Storage: v1alpha2.StorageSpec{Size: apiresource.MustParse("1Gi")},
			Options: &v1alpha2.EtcdOptions{QuotaBackendBytes: new(int64(8 << 30))},
		},
		Status: v1alpha2.EtcdClusterStatus{
			ClusterID: observe.FormatID(clusterID), InitialMembers: names[:n], LastOrdinal: int64(n),
			ClusterToken: founding, LastProgressTime: new(metav1.NewTime(now.Add(-time.Hour))),
		},
	}
	s := &observe.Scene{
		Cluster: c, Objects: map[plan.ObjectKind]client.Object{}, LastOrdinal: int64(n), List: &etcd.MemberList{ClusterID: clusterID},
	}
	for i := range int(n) {
		addMember(s, i)
	}
	for i, m := range s.Members {
		m.Entry = &s.List.Members[i]
	}
	given := resource.TemplateOf(s.Members[0].Object)
	c.Status.Template = &given
	for _, kind := range []plan.ObjectKind{plan.HeadlessService, plan.ClientService, plan.DisruptionBudget} {
		s.Objects[kind] = s.Desired(kind)
	}
	return s
}

func addMember(s *observe.Scene, i int) {
	o := resource.Member(s.Cluster, resource.MemberIntent{Ordinal: int64(i + 1), Founder: true, InitialCluster: "frozen"})
	o.Name = names[i]
	o.Labels[v1alpha2.LabelMember] = o.Name
	o.Spec.PeerURL = resource.PeerURL(o.Name, s.Cluster.Name, s.Cluster.Namespace, false)
	id := etcdfake.FounderID(s.Cluster.Status.ClusterToken, o.Spec.PeerURL)
	volume := "volume-of-" + o.Name
	o.Status = v1alpha2.EtcdMemberStatus{
		MemberID: observe.FormatID(id), IsVoter: true, PVCName: resource.ClaimName(o.Name), VolumeUID: volume,
		Incarnation: &v1alpha2.MemberIncarnation{MemberID: observe.FormatID(id), VolumeUID: volume},
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{
		Namespace: o.Namespace, Name: resource.ClaimName(o.Name), Labels: o.Labels, UID: types.UID(volume), OwnerReferences: o.OwnerReferences,
	}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: o.Labels},
		Spec:       corev1.PodSpec{NodeName: fmt.Sprintf("node-%c", 'a'+i), Containers: []corev1.Container{{Name: "etcd"}}},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{
				{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
			},
		},
	}
	s.List.Members = append(s.List.Members, etcd.Member{ID: id, Name: o.Name, PeerURLs: []string{o.Spec.PeerURL}})
	leader, index := id, uint64(12004118)
	if i > 0 {
		leader = s.Members[0].Answer.Status.MemberID
		index = s.Members[i-1].Answer.Status.RaftIndex - 1
	}
	s.Members = append(s.Members, &observe.Member{Object: o, Pod: pod, Claim: claim, Answer: observe.Answer{
		Client: struct{ etcd.Client }{}, Healthy: true,
		Status: &etcd.Status{
			ClusterID: clusterID, MemberID: id, Leader: leader, Version: "3.7.3", StorageVersion: "3.7.0", Revision: 9112404,
			RaftTerm: 9, RaftIndex: index, RaftAppliedIndex: index,
			DBSize: (412 + 5*int64(i)) * mib, DBSizeInUse: 255 * mib, DBSizeQuota: 8 << 30,
		},
	}})
}

// silence makes a member stop answering.
func silence(m *observe.Member, ready bool) {
	m.Answer.Status, m.Answer.Healthy, m.Answer.Err = nil, false, etcd.ErrUnreachable
	if !ready {
		m.Pod.Status.Conditions[0].Status = corev1.ConditionFalse
	}
}

// leaderless makes a member answer, but not read.
func leaderless(m *observe.Member) {
	m.Answer.Healthy, m.Answer.Status.Leader = false, 0
	m.Pod.Status.Conditions[0].Status = corev1.ConditionFalse
}

// publish writes what the operator would have written about the scene, some time ago.
func publish(s *observe.Scene, ago time.Duration) {
	seen := observe.Join(s, now)
	d := plan.Next(seen)
	st := &s.Cluster.Status
	st.ObservedGeneration = s.Cluster.Generation
	s.Cluster.ManagedFields = []metav1.ManagedFieldsEntry{{Subresource: "status", Time: new(metav1.NewTime(now.Add(-ago)))}}
	set := func(kind string, holds bool, reason, message string) {
		status := metav1.ConditionFalse
		if holds {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&st.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message})
	}
	set(v1alpha2.ConditionReady, d.Outlook == plan.Fulfilled, d.Reason, d.Message)
	set(v1alpha2.ConditionStalled, d.Outlook == plan.Stuck, d.Reason, d.Message)
	available, degraded := plan.Available(seen), plan.Degraded(seen)
	set(v1alpha2.ConditionAvailable, available.Holds, available.Reason, available.Message)
	set(v1alpha2.ConditionDegraded, degraded.Holds, degraded.Reason, degraded.Message)
	st.Members, st.Leader, st.Version, st.ReadyMembers, st.UpdatedMembers = nil, "", "3.7.3", 0, 0
	if l := s.Leader(); l != nil {
		st.Leader = l.Object.Name
	}
	for i, m := range s.Members {
		p := seen.Members[i]
		line := v1alpha2.MemberSummary{
			Name: p.Name, MemberID: m.Object.Status.MemberID, Healthy: p.Healthy, Message: p.Trouble,
			Role: map[plan.Role]v1alpha2.MemberRole{plan.Voter: "voter", plan.Learner: "learner", plan.Unlisted: "unlisted"}[p.Role],
		}
		if a := m.Answer.Status; a != nil {
			line.Version, line.RaftIndexLag = a.Version, new(int64(0))
			line.DBSize = apiresource.NewQuantity(a.DBSize, apiresource.BinarySI)
			line.DBSizeInUse = apiresource.NewQuantity(a.DBSizeInUse, apiresource.BinarySI)
		}
		if p.Role == plan.Voter && p.Healthy && p.Ready {
			st.ReadyMembers++
		}
		if len(changesOf(s.Cluster, m)) == 0 && !p.Stale {
			st.UpdatedMembers++
		}
		st.Members = append(st.Members, line)
	}
}

// observed is what the plugin makes of the scene.
func observed(s *observe.Scene) *observation {
	seen := observe.Join(s, now)
	return &observation{at: now, cluster: s.Cluster, scene: s, seen: seen, decision: plan.Next(seen), failures: map[string]error{}}
}

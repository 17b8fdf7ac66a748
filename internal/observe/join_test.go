package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// whole is a scene in which everything is fine: cluster c1, one member a1 on the volume v1.
func whole() *Scene {
	entry := etcd.Member{ID: 0xa1, Name: "demo-a", PeerURLs: []string{"http://demo-a.demo.ns.svc:2380"}}
	m := &Member{
		Object: &v1alpha2.EtcdMember{
			ObjectMeta: metav1.ObjectMeta{Name: "demo-a", Namespace: "ns"},
			Spec:       v1alpha2.EtcdMemberSpec{ClusterName: "demo", PeerURL: entry.PeerURLs[0], InitialCluster: "x", Bootstrap: true},
			Status: v1alpha2.EtcdMemberStatus{
				MemberID: "a1", IsVoter: true, Incarnation: &v1alpha2.MemberIncarnation{MemberID: "a1", VolumeUID: "v1"},
				Grant: &v1alpha2.StartGrant{State: v1alpha2.GrantUsed, VolumeUID: "v1"},
			},
		},
		Pod: &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n1"}, Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}},
		Claim: &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{UID: types.UID("v1")}},
		Answer: Answer{Healthy: true, Status: &etcd.Status{
			ClusterID: 0xc1, MemberID: 0xa1, Leader: 0xa1, RaftIndex: 5000, RaftAppliedIndex: 5000, RaftTerm: 2,
		}},
	}
	s := &Scene{
		Cluster: &v1alpha2.EtcdCluster{
			ObjectMeta: metav1.ObjectMeta{Name: "demo", Namespace: "ns", CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
			Status:     v1alpha2.EtcdClusterStatus{ClusterID: "c1", InitialMembers: []string{"demo-a"}},
		},
		Members: []*Member{m},
		List:    &etcd.MemberList{ClusterID: 0xc1, Members: []etcd.Member{entry}},
	}
	s.enlist()
	return s
}

func TestAnAnswerCountsOnlyFromTheMemberOnRecord(t *testing.T) {
	for claim, tc := range map[string]struct {
		change  func(*Scene)
		healthy bool
	}{
		"the member itself is healthy": {func(*Scene) {}, true},
		"another cluster's answer is worth nothing": {
			func(s *Scene) { s.Members[0].Answer.Status.ClusterID = 0xbad }, false,
		},
		"another member's answer is worth nothing": {
			func(s *Scene) { s.Members[0].Answer.Status.MemberID = 0xbad }, false,
		},
		"an answer from another volume is worth nothing": {
			func(s *Scene) { s.Members[0].Claim.UID = "v2" }, false,
		},
		"without a volume nobody is on record": {
			func(s *Scene) { s.Members[0].Claim = nil }, false,
		},
		"a member that is not recorded yet counts by its entry in the list": {
			func(s *Scene) { s.Members[0].Object.Status.Incarnation = nil }, true,
		},
		"a member that is not recorded and answers under another ID than listed does not count": {
			func(s *Scene) {
				s.Members[0].Object.Status.Incarnation = nil
				s.Members[0].Answer.Status.MemberID = 0xbad
			}, false,
		},
		"a member that is not recorded counts only from the volume that its grant was used for": {
			func(s *Scene) {
				s.Members[0].Object.Status.Incarnation = nil
				s.Members[0].Object.Status.Grant.VolumeUID = "v2"
			}, false,
		},
		"no answer is not healthy": {func(s *Scene) { s.Members[0].Answer = Answer{Err: errNotRunning} }, false},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole()
			tc.change(s)
			c := Join(s, noon)
			if got := c.Members[0].Healthy; got != tc.healthy {
				t.Errorf("healthy is %v, want %v", got, tc.healthy)
			}
			if seen := c.SeenID != 0; seen != tc.healthy {
				t.Errorf("the cluster ID was taken from an answer that does not count: %x", c.SeenID)
			}
		})
	}
}

func TestWithoutAListRolesComeFromTheRecords(t *testing.T) {
	for claim, tc := range map[string]struct {
		change func(*v1alpha2.EtcdMember)
		want   plan.Role
	}{
		"a recorded voter votes":      {func(*v1alpha2.EtcdMember) {}, plan.Voter},
		"a founder votes":             {func(m *v1alpha2.EtcdMember) { m.Status = v1alpha2.EtcdMemberStatus{} }, plan.Voter},
		"a joiner without one is not": {func(m *v1alpha2.EtcdMember) { m.Spec.Bootstrap, m.Status.IsVoter = false, false }, plan.Unlisted},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole()
			s.List, s.Members[0].Entry = nil, nil
			tc.change(s.Members[0].Object)
			if got := Join(s, noon).Members[0].Role; got != tc.want {
				t.Errorf("role is %v, want %v", got, tc.want)
			}
		})
	}
}

func TestALearnerHasCaughtUpWhenItHasNearlyTheWholeLog(t *testing.T) {
	for claim, tc := range map[string]struct {
		learner, leader uint64
		want            bool
	}{
		"level":                                  {5000, 5000, true},
		"999 entries of 20000 behind":            {19001, 20000, true},
		"1001 entries behind":                    {18999, 20000, false},
		"less than a tenth is missing of little": {91, 100, true},
		"more than a tenth is missing of little": {89, 100, false},
		"nothing yet":                            {0, 12, false},
	} {
		t.Run(claim, func(t *testing.T) {
			got := caughtUp(&etcd.Status{RaftAppliedIndex: tc.learner}, &etcd.Status{RaftIndex: tc.leader})
			if got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStrangersAreToldApartByTheirURL(t *testing.T) {
	for url, ours := range map[string]bool{
		"http://demo-x1y2z.demo.ns.svc:2380":    true,
		"https://demo-x1y2z.demo.ns.svc:2380":   true,
		"http://demo-x1y2z.demo.other.svc:2380": false,
		"http://other-1.demo.ns.svc:2380":       false,
		"http://10.0.0.1:2380":                  false,
	} {
		s := whole()
		s.List.Members = append(s.List.Members, etcd.Member{ID: 0xee, PeerURLs: []string{url}})
		s.enlist()
		c := Join(s, noon)
		if len(c.Strangers) != 1 || (c.Strangers[0].Member != "") != ours {
			t.Errorf("%s: strangers are %+v, want one with ours=%v", url, c.Strangers, ours)
		}
	}
}

func TestAMemberIsTiedToItsEntryByIDWhenItsURLWasChanged(t *testing.T) {
	for claim, tc := range map[string]struct {
		change func(*Scene)
		tied   bool
	}{
		"a voter, by what is on record":     {func(*Scene) {}, true},
		"one that joins, by its annotation": {func(s *Scene) { joining(s, "a1") }, true},
		"another ID is another member":      {func(s *Scene) { joining(s, "a2") }, false},
		"without an ID nobody knows":        {func(s *Scene) { joining(s, "") }, false},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole()
			tc.change(s)
			s.Members[0].Entry = nil
			s.List.Members[0].PeerURLs = []string{"http://elsewhere:2380"}
			s.enlist()
			if got := s.Members[0].Entry != nil; got != tc.tied {
				t.Errorf("tied is %v, want %v", got, tc.tied)
			}
		})
	}
}

func TestTheURLDecidesBeforeTheID(t *testing.T) {
	s := whole()
	other := etcd.Member{ID: 0xb1, PeerURLs: s.List.Members[0].PeerURLs}
	s.List.Members = []etcd.Member{{ID: 0xa1, PeerURLs: []string{"http://elsewhere:2380"}}, other}
	s.Members[0].Entry = nil
	s.enlist()
	if e := s.Members[0].Entry; e == nil || e.ID != other.ID {
		t.Errorf("tied to %+v, want %x", e, other.ID)
	}
}

// joining makes the member one that was never seen to run.
func joining(s *Scene, id string) {
	o := s.Members[0].Object
	o.Status = v1alpha2.EtcdMemberStatus{}
	o.Annotations = map[string]string{v1alpha2.AnnotationMemberID: id}
}

func TestNumbersAreNotGivenOutAgainAfterTheStatusWasLost(t *testing.T) {
	for claim, tc := range map[string]struct {
		recorded, seen, want int64
	}{
		"a status that is there counts": {recorded: 9, seen: 3, want: 9},
		"a lost one is covered by age":  {recorded: 0, seen: 3, want: 3600},
		"a new cluster begins at one":   {recorded: 0, seen: 0, want: 0},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole() // made an hour before noon
			s.Cluster.Status.LastOrdinal, s.LastOrdinal = tc.recorded, max(tc.recorded, tc.seen)
			s.coverLost(noon)
			if s.LastOrdinal != tc.want {
				t.Errorf("got %d, want %d", s.LastOrdinal, tc.want)
			}
		})
	}
}

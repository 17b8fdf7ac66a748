package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
)

func failed(reason string, since time.Duration, times int32) func(*Scene) {
	return func(s *Scene) {
		s.Members[0].Answer = Answer{}
		s.Members[0].Object.Status.Failure = &v1alpha2.MemberFailure{
			Reason: reason, Message: "because.", Since: &metav1.Time{Time: noon.Add(-since)}, Times: times,
		}
	}
}

func missed(change func(*Scene)) func(*Scene) {
	return func(s *Scene) { change(s); s.Members[0].Missed = true }
}

func checked(verdict v1alpha2.ConsistencyVerdict, ago time.Duration, diverged ...string) func(*Scene) {
	return func(s *Scene) {
		s.Cluster.Status.Consistency = &v1alpha2.ConsistencyCheck{
			CheckedAt: metav1.NewTime(noon.Add(-ago)), Verdict: verdict, Compared: []string{"a1"}, Diverged: diverged, Message: "it differs",
		}
	}
}

func and(changes ...func(*Scene)) func(*Scene) {
	return func(s *Scene) {
		for _, change := range changes {
			change(s)
		}
	}
}

func silentSince(ago time.Duration) func(*Scene) {
	return func(s *Scene) {
		s.Members[0].Answer = Answer{}
		s.Members[0].Pod.Status.ContainerStatuses = runningEtcd()
		s.Cluster.Status.Members = []v1alpha2.MemberSummary{{Name: "demo-a", UnhealthySince: &metav1.Time{Time: noon.Add(-ago)}}}
	}
}

func proven(change func(*Scene)) func(*Scene) {
	return and(change, func(s *Scene) { s.Members[0].Object.Status.Failure.Proven = true })
}

func TestEvidenceSaysWhatBecomesOfAMember(t *testing.T) {
	const minute = time.Minute
	for claim, tc := range map[string]struct {
		change func(*Scene)
		want   plan.Member
	}{
		"lost memory is replaced at once":      {failed("MemoryLost", 0, 0), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"lost data are replaced at once":       {failed("DataLost", 0, 0), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"foreign data are replaced at once":    {failed("ForeignData", 0, 0), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"a missing volume is replaced at once": {failed("VolumeMissing", 0, 0), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"unreadable data are for a human":      {failed("DataUnreadable", 60*minute, 9), plan.Member{Broken: true, Excused: true}},
		"one corrupt end is not enough":        {failed("CorruptLog", minute, 1), plan.Member{Hopeless: true, Broken: true, Await: "x"}},
		"unless it proves it":                  {proven(failed("CorruptLog", 0, 1)), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"two corrupt ends are":                 {failed("CorruptLog", 0, 2), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"a crash loop has five minutes":        {failed("Crashing", 4*minute, 9), plan.Member{Soft: true, Await: "x"}},
		"a long crash loop is replaced":        {failed("Crashing", 5*minute, 5), plan.Member{Soft: true, Lost: true}},
		"a killed process is not":              {failed("OutOfMemory", 60*minute, 99), plan.Member{Excused: true}},
		"a missing image is not":               {failed("ImageUnavailable", 60*minute, 0), plan.Member{Excused: true}},
		"a lost node has five minutes":         {missed(failed("NodeLost", 4*minute, 0)), plan.Member{Soft: true, Await: "x"}},
		"a lost node is replaced after that":   {missed(failed("NodeLost", 5*minute, 0)), plan.Member{Soft: true, Lost: true}},
		"not while a peer may still reach it":  {failed("NodeLost", 60*minute, 0), plan.Member{Soft: true, Await: "x"}},
		"it has none any more": {
			and(failed("NodeLost", 5*minute, 0), func(s *Scene) { s.Members[0].Pod = nil }), plan.Member{Soft: true, Lost: true},
		},
		"nobody reaches it, for a minute":      {missed(silentSince(minute)), plan.Member{Soft: true, Await: "x"}},
		"nobody reaches it, for five minutes":  {missed(silentSince(5 * minute)), plan.Member{Soft: true, Lost: true}},
		"only the operator does not reach it":  {silentSince(60 * minute), plan.Member{}},
		"inconsistent data await a comparison": {failed("DataInconsistent", minute, 2), plan.Member{Hopeless: true, Broken: true, Await: "x"}},
		"one from before proves nothing": {
			and(failed("DataInconsistent", minute, 2), checked("Agreed", 2*minute)), plan.Member{Hopeless: true, Broken: true, Await: "x"},
		},
		"inconsistent data are replaced then": {
			and(failed("DataInconsistent", minute, 2), checked("Agreed", 0)), plan.Member{Lost: true, Hopeless: true, Broken: true},
		},
		"diverged data, although it serves": {checked("Diverged", minute, "a1"), plan.Member{Lost: true, Hopeless: true, Broken: true}},
		"unclear data are nobody's fault":   {checked("Unclear", minute, "a1"), plan.Member{}},
		"one whose failure is over is not lost": {
			func(s *Scene) { a := s.Members[0].Answer; failed("DataLost", 0, 0)(s); s.Members[0].Answer = a }, plan.Member{},
		},
		"on request, although it serves": {
			func(s *Scene) {
				s.Members[0].Object.Annotations = map[string]string{v1alpha2.AnnotationReplace: "true"}
			}, plan.Member{Lost: true},
		},
		"a volume that goes with its Pod": {
			func(s *Scene) { s.Members[0].Claim.DeletionTimestamp = &metav1.Time{Time: noon} }, plan.Member{Lost: true},
		},
	} {
		t.Run(claim, func(t *testing.T) {
			s := whole()
			tc.change(s)
			m := Join(s, noon).Members[0]
			got := plan.Member{Lost: m.Lost, Soft: m.Soft, Hopeless: m.Hopeless, Broken: m.Broken, Excused: m.Excused}
			if m.Await != "" {
				got.Await = "x"
			}
			if got != tc.want {
				t.Errorf("got %+v (%s; %s), want %+v", got, m.Trouble, m.Await, tc.want)
			}
		})
	}
}

func TestDataAgreeOnlyIfAllVotersWereCompared(t *testing.T) {
	s := whole()
	checked("Agreed", 0)(s)
	if !Join(s, noon).Agreed {
		t.Error("the one voter was compared, and that does not count")
	}
	s.List.Members = append(s.List.Members, etcd.Member{ID: 0xb1, Name: "demo-b", PeerURLs: []string{"http://demo-b.demo.ns.svc:2380"}})
	if Join(s, noon).Agreed {
		t.Error("a voter that was not compared counts")
	}
}

func runningEtcd() []corev1.ContainerStatus {
	return []corev1.ContainerStatus{{Name: "etcd", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

package snapshot

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func memberOf(name string, id uint64, change func(*etcd.Status)) source {
	s := source{Endpoint: task.Endpoint{Member: name}, status: etcd.Status{MemberID: id, Leader: 1, RaftAppliedIndex: 5000}}
	if change != nil {
		change(&s.status)
	}
	return s
}

func TestTheMemberThatIsMissedLeastAndKnowsMostIsAskedFirst(t *testing.T) {
	leader := memberOf("leader", 1, nil)
	follower := memberOf("follower", 2, nil)
	ahead := memberOf("ahead", 3, func(s *etcd.Status) { s.RaftAppliedIndex = 5001 })
	lagging := memberOf("lagging", 4, func(s *etcd.Status) { s.RaftAppliedIndex = 3000 })
	ailing := memberOf("ailing", 5, func(s *etcd.Status) { s.Errors = []string{"alarm:NOSPACE"} })
	for _, tc := range []struct {
		claim string
		found []source
		want  string
	}{
		{"a follower before the leader", []source{leader, follower}, "follower leader"},
		{"of followers who knows most", []source{follower, ahead}, "ahead follower"},
		{"the leader before who has errors, and who lags last", []source{lagging, ailing, leader}, "leader ailing lagging"},
		{"who lags if there is nobody else", []source{lagging}, "lagging"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			order(tc.found)
			var got []string
			for _, s := range tc.found {
				got = append(got, s.Member)
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("asked are %v, want %s", got, tc.want)
			}
		})
	}
}

func TestAMemberWhoseDataMayBeWrongIsNotAsked(t *testing.T) {
	corrupt := func(id uint64) func(*etcd.Status) {
		return func(s *etcd.Status) { s.Alarms = []etcd.Alarm{{MemberID: id, Type: etcd.AlarmCorrupt}} }
	}
	for _, tc := range []struct {
		claim string
		s     source
		fit   bool
	}{
		{"a follower is asked", memberOf("a", 2, nil), true},
		{"the leader is asked", memberOf("a", 1, nil), true},
		{"one beside one that is corrupt is asked", memberOf("a", 2, corrupt(3)), true},
		{"one that is corrupt is not", memberOf("a", 2, corrupt(2)), false},
		{"a learner is not", memberOf("a", 2, func(s *etcd.Status) { s.Learner = true }), false},
		{"one that sees no leader is not", memberOf("a", 2, func(s *etcd.Status) { s.Leader = 0 }), false},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			if err := unfit(tc.s); (err == nil) != tc.fit {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheCredentialsAreBlamedOnlyIfNothingElseIsWrong(t *testing.T) {
	denied, gone := fmt.Errorf("a: %w", etcd.ErrAuthFailed), fmt.Errorf("b: %w", etcd.ErrUnreachable)
	for _, tc := range []struct {
		claim    string
		refusals []error
		want     task.Reason
	}{
		{"all deny", []error{denied, denied}, task.EtcdAccessDenied},
		{"one is gone", []error{denied, gone}, task.NoHealthyMember},
		{"nobody was asked", nil, task.NoHealthyMember},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			err := nobody(tc.refusals)
			if got := reasonOf(t.Context(), err); got != tc.want || !errors.Is(err, errNobody) {
				t.Errorf("got %s: %v", got, err)
			}
		})
	}
}
